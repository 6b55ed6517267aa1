use super::failures::{how, lost};
use super::shell::{NoSession, open_session};
use super::witness::{End, Observer, Witness};
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_platform::Opening;
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a device may take to close a channel.
const FAREWELL: Duration = Duration::from_secs(2);

/// The only kind of extended data that there is (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// One command or subsystem on a channel of its own (RFC 4254, section 6.5).
pub(crate) struct SshCommand {
    channel: Channel<Msg>,
    witness: Witness,
    /// Came before the answer to the request.
    waiting: VecDeque<ChannelMsg>,
    exit_status: Option<u32>,
}

/// What comes of a command.
pub(crate) enum Piece {
    /// Output; may be empty.
    Output(Vec<u8>),
    /// What it says beside its output; may be empty.
    Errors(Vec<u8>),
    /// Its channel ended in order.
    Ended {
        /// The exit status, when the device told it.
        exit_status: Option<u32>,
    },
    /// The connection is gone.
    Lost(Failure),
}

/// A channel on which nothing was started.
pub(crate) struct Unused(pub(super) Channel<Msg>);

impl Unused {
    /// Closes the channel; the connection stays.
    pub(super) async fn close(self) {
        // A connection that is gone has no channels.
        let _ = self.0.close().await;
    }
}

impl std::fmt::Debug for Unused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unused({})", self.0.id())
    }
}

/// Why a command was not started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The device has no such thing as commands without a shell. The channel is still good for one.
    Refused(Option<Unused>),
    /// The device opens no further channel.
    NoChannel(Failure),
    /// Anything else.
    Failed(Failure),
}

impl SshCommand {
    pub(super) async fn start(
        handle: &Handle<Observer>,
        witness: &Witness,
        opening: &Opening,
        within: Duration,
    ) -> Result<Self, NotStarted> {
        match timeout(within, request(handle, witness, opening)).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("the device did not start a command within {}", seconds(within));
                Err(NotStarted::Failed(Failure::new(ErrorCode::Timeout, Phase::Collect, message)))
            }
        }
    }

    /// Says that nothing more will be typed.
    pub(super) async fn end_input(&self) -> Result<(), Failure> {
        self.channel.eof().await.map_err(|_| self.gone())
    }

    /// Sends bytes; a device that takes nothing until `deadline` is a `timeout`.
    pub(crate) async fn send(&self, bytes: Vec<u8>, deadline: Instant) -> Result<(), Failure> {
        let length = bytes.len();
        match timeout_at(deadline, self.channel.data_bytes(bytes)).await {
            Ok(sent) => sent.map_err(|_| self.gone()),
            Err(_) => {
                let message = format!("the device takes no input: {length} bytes could not be sent in time");
                Err(Failure::new(ErrorCode::Timeout, Phase::Collect, message))
            }
        }
    }

    /// Ends the channel; the connection stays. Behind an orderly end the device gets a moment to close it: some have one only,
    /// and the library no longer listens once we have closed it.
    pub(crate) async fn close(mut self, orderly: bool) {
        // A connection that is gone has no channels.
        if orderly && self.channel.eof().await.is_ok() {
            let closed =
                async { while !matches!(self.channel.wait().await, Some(ChannelMsg::Close) | None) {} };
            if timeout(FAREWELL, closed).await.is_ok() {
                return;
            }
        }
        Unused(self.channel).close().await;
    }

    fn gone(&self) -> Failure {
        lost(&self.witness.end().unwrap_or(End::Lost), Phase::Collect)
    }

    /// The next thing that comes; waits without limit. Dropping the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Piece {
        loop {
            let message = match self.waiting.pop_front() {
                Some(message) => Some(message),
                None => self.channel.wait().await,
            };
            match message {
                Some(ChannelMsg::Data { data }) => return Piece::Output(data.into()),
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => return Piece::Errors(data.into()),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exit_status = Some(exit_status),
                Some(ChannelMsg::Close) => return Piece::Ended { exit_status: self.exit_status },
                Some(_) => {}
                None => return Piece::Lost(self.gone()),
            }
        }
    }
}

async fn request(
    handle: &Handle<Observer>,
    witness: &Witness,
    opening: &Opening,
) -> Result<SshCommand, NotStarted> {
    let channel = open_session(handle, witness, Phase::Collect).await.map_err(|none| match none {
        NoSession::Refused(failure) => NotStarted::NoChannel(failure),
        NoSession::Lost(failure) => NotStarted::Failed(failure),
    })?;
    let mut started =
        SshCommand { channel, witness: witness.clone(), waiting: VecDeque::new(), exit_status: None };
    let asked = match opening {
        Opening::Command(command) => started.channel.exec(true, command.as_str()).await,
        Opening::Subsystem(name) => started.channel.request_subsystem(true, *name).await,
    };
    asked.map_err(|_| NotStarted::Failed(started.gone()))?;
    loop {
        match started.channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::Failure) => return Err(NotStarted::Refused(Some(Unused(started.channel)))),
            // Some say nothing to the request and begin with the answer.
            Some(message @ (ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. })) => {
                started.waiting.push_back(message);
                break;
            }
            Some(ChannelMsg::Close) | None => match witness.end() {
                Some(end) => {
                    let failure = Failure::new(ErrorCode::Disconnected, Phase::Collect, how(&end));
                    return Err(NotStarted::Failed(failure));
                }
                None => return Err(NotStarted::Refused(None)),
            },
            Some(_) => {}
        }
    }
    Ok(started)
}
