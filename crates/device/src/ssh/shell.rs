use super::command::Unused;
use super::failures::{how, lost};
use super::settings::Terminal;
use super::witness::{End, Observer, Witness};
use crate::link::Chunk;
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, Phase};
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, Error, Pty};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A shell on a device: bytes in, bytes out.
///
/// What is not received stops the device: at most 1 MiB waits here, then nothing more is read from
/// the socket.
pub struct SshShell {
    channel: Channel<Msg>,
    witness: Witness,
    /// Came before the answer to the request for the shell, or was set aside when sending failed;
    /// never more than the channel's own buffer holds.
    waiting: VecDeque<ChannelMsg>,
    exit_status: Option<u32>,
    closed: bool,
}

impl SshShell {
    pub(super) async fn open(
        handle: &Handle<Observer>,
        witness: &Witness,
        terminal: &Terminal,
        within: Duration,
        channel: Option<Unused>,
    ) -> Result<Self, Failure> {
        match timeout(within, request(handle, witness, terminal, channel)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                ErrorCode::Timeout,
                Phase::Login,
                format!("the device did not open a shell within {}", seconds(within)),
            )),
        }
    }

    /// Sends bytes. `phase` is for the failure's sake; a device that takes nothing until `deadline`
    /// is a `timeout`. After a failure the shell is of no further use, except for what it still brings.
    pub async fn send(&mut self, bytes: &[u8], phase: Phase, deadline: Instant) -> Result<(), Failure> {
        match timeout_at(deadline, self.channel.data_bytes(bytes.to_vec())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                self.set_aside(deadline).await;
                Err(lost(&self.witness.end().unwrap_or(End::Lost), phase))
            }
            Err(_) => Err(Failure::new(
                ErrorCode::Timeout,
                phase,
                format!("the device takes no input: {} bytes could not be sent in time", bytes.len()),
            )),
        }
    }

    /// The next thing that the device sends; waits without limit. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Chunk {
        loop {
            if self.closed {
                return Chunk::Closed { exit_status: self.exit_status };
            }
            let message = match self.waiting.pop_front() {
                Some(message) => Some(message),
                None => self.channel.wait().await,
            };
            match message {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. })
                    if !data.is_empty() =>
                {
                    return Chunk::Data(data.into());
                }
                Some(ChannelMsg::Eof) => return Chunk::Eof,
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exit_status = Some(exit_status),
                Some(ChannelMsg::Close) | None => self.closed = true,
                Some(_) => {}
            }
        }
    }

    /// How the shell ended, as a sentence; `None` while it lives.
    pub fn end(&self) -> Option<String> {
        match self.witness.end() {
            Some(end) => Some(how(&end)),
            None => self.closed.then(|| "the device closed the shell".into()),
        }
    }

    /// After the library's task is gone: moves what it left behind out of the way, so that its last
    /// act, the reason for the end, has been noted.
    async fn set_aside(&mut self, deadline: Instant) {
        let drain = async {
            while let Some(message) = self.channel.wait().await {
                self.waiting.push_back(message);
            }
        };
        // Without the reason the message is less exact, no more.
        let _ = timeout_at(deadline, drain).await;
    }
}

impl std::fmt::Debug for SshShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshShell").field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// Why there is no channel.
pub(super) enum NoSession {
    /// The device has none left; the connection stands.
    Refused(Failure),
    /// The connection is gone.
    Lost(Failure),
}

impl NoSession {
    fn into_failure(self) -> Failure {
        match self {
            Self::Refused(failure) | Self::Lost(failure) => failure,
        }
    }
}

/// Opens a channel for a shell or a command.
pub(super) async fn open_session(
    handle: &Handle<Observer>,
    witness: &Witness,
    phase: Phase,
) -> Result<Channel<Msg>, NoSession> {
    handle.channel_open_session().await.map_err(|error| match error {
        Error::ChannelOpenFailure(why) => NoSession::Refused(Failure::new(
            ErrorCode::Disconnected,
            phase,
            format!("the device refuses to open a session: {}", why.description()),
        )),
        _ => NoSession::Lost(lost(&witness.end().unwrap_or(End::Lost), phase)),
    })
}

async fn request(
    handle: &Handle<Observer>,
    witness: &Witness,
    terminal: &Terminal,
    channel: Option<Unused>,
) -> Result<SshShell, Failure> {
    let gone = || lost(&witness.end().unwrap_or(End::Lost), Phase::Login);
    let channel = match channel {
        Some(Unused(channel)) => channel,
        None => open_session(handle, witness, Phase::Login).await.map_err(NoSession::into_failure)?,
    };
    let mut shell = SshShell {
        channel,
        witness: witness.clone(),
        waiting: VecDeque::new(),
        exit_status: None,
        closed: false,
    };
    // Both requests go out together: the device answers them in order, one round trip later.
    let Terminal { name, columns, rows } = terminal;
    let modes = [(Pty::ECHO, 1)];
    shell.channel.request_pty(true, name, *columns, *rows, 0, 0, &modes).await.map_err(|_| gone())?;
    shell.channel.request_shell(true).await.map_err(|_| gone())?;
    await_shell(&mut shell).await.map(|()| shell)
}

/// Waits for the answers to the two requests. Output says as much as the second answer, which some
/// devices send late.
async fn await_shell(shell: &mut SshShell) -> Result<(), Failure> {
    let mut answers = 0;
    while answers < 2 {
        match shell.channel.wait().await {
            Some(ChannelMsg::Success) => answers += 1,
            Some(ChannelMsg::Failure) if answers == 0 => answers += 1,
            Some(ChannelMsg::Failure) => {
                let message = "the device refuses to start a shell for this user";
                return Err(Failure::new(ErrorCode::CommandRejected, Phase::Login, message));
            }
            Some(ChannelMsg::Close) | None => {
                let message = match shell.witness.end() {
                    Some(end) => how(&end),
                    None => "the device closed the session before it opened a shell".into(),
                };
                return Err(Failure::new(ErrorCode::Disconnected, Phase::Login, message));
            }
            Some(message @ (ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. })) => {
                shell.waiting.push_back(message);
                return Ok(());
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => shell.exit_status = Some(exit_status),
            Some(_) => {}
        }
    }
    Ok(())
}
