//! A line to a device on which a session is held: bytes in, bytes out, whatever carries them.

use crate::guard::{Permit, enter};
use crate::outcome::{LearnedHop, LoginResult};
use crate::request::{Access, DeviceSettings};
use crate::route;
use crate::ssh::{self, Identity, SshConnection, SshShell, Unused};
use crate::telnet::TelnetLine;
use netraven_model::{ErrorCode, Failure, HostKey, Phase, Protocol, SshProfile};
use netraven_platform::{Fetched, FileRequest};
use std::fmt;
use tokio::time::Instant;

/// What comes from a device.
#[derive(Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Output; never empty.
    Data(Vec<u8>),
    /// The device sends no more output, but may still take input.
    Eof,
    /// The channel or the connection is closed.
    Closed {
        /// The shell's exit status, when the device told it.
        exit_status: Option<u32>,
    },
}

/// What a device says may hold secrets.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Eof => f.write_str("Eof"),
            Self::Closed { exit_status } => write!(f, "Closed({exit_status:?})"),
        }
    }
}

/// An open line. Dropping it closes its socket at once.
#[derive(Debug)]
pub(crate) enum Link {
    /// A shell over SSH.
    Ssh(SshConnection, SshShell),
    /// SSH without a shell, for commands on channels of their own.
    Exec(SshConnection),
    /// Text over Telnet, on which nobody has logged in.
    Telnet(TelnetLine),
}

/// What was learned while a line was opened, or failed to open.
#[derive(Debug)]
pub(crate) struct Opening<T> {
    pub(crate) result: Result<T, Failure>,
    /// The host key, when none was known before.
    pub(crate) learned: Option<HostKey>,
    /// The weakest SSH profile that the device needs, when none was given, and the algorithms that need it.
    pub(crate) profile: Option<(SshProfile, Vec<String>)>,
    /// What was learned of the jump hosts on the way.
    pub(crate) hops: Vec<LearnedHop>,
    /// What the device said to the credential.
    pub(crate) login: LoginResult,
    /// What allowed the login.
    pub(crate) permit: Permit,
}

impl<T> Opening<T> {
    fn failed(failure: Failure) -> Self {
        let login = LoginResult::NotTried;
        Self { result: Err(failure), learned: None, profile: None, hops: Vec::new(), login, permit: None }
    }
}

impl Link {
    /// Connects and logs in as far as the protocol itself does that; what stands on the terminal then is the session's.
    /// With `exec` no shell is opened where the protocol has commands without one.
    pub(crate) async fn open(access: &Access, exec: bool, settings: &DeviceSettings) -> Opening<Self> {
        match access.target.protocol {
            Protocol::Ssh => open_ssh(access, exec, settings).await,
            Protocol::Telnet => open_telnet(access, settings).await,
            Protocol::Http => {
                let message = format!("{} is not spoken yet", access.target.protocol.as_str());
                Opening::failed(Failure::new(ErrorCode::Unsupported, Phase::Connect, message))
            }
        }
    }

    /// The connection, where commands are asked on channels of their own.
    pub(crate) fn exec(&self) -> Option<&SshConnection> {
        match self {
            Self::Exec(connection) => Some(connection),
            Self::Ssh(..) | Self::Telnet(_) => None,
        }
    }

    /// Fetches a file beside the session.
    pub(crate) async fn fetch(&mut self, request: &FileRequest) -> Fetched {
        match self {
            Self::Ssh(connection, shell) => connection.fetch(request, Some(shell)).await,
            Self::Exec(connection) => connection.fetch(request, None).await,
            Self::Telnet(_) => {
                let message = "files are not fetched over Telnet";
                Fetched::Failed(Failure::new(ErrorCode::Unsupported, Phase::Collect, message))
            }
        }
    }

    /// Opens the shell that was left out, on that channel if there is one.
    pub(crate) async fn with_shell(self, channel: Option<Unused>) -> Result<Self, Failure> {
        match self {
            Self::Exec(mut connection) => match connection.shell_on(channel).await {
                Ok(shell) => Ok(Self::Ssh(connection, shell)),
                Err(failure) => {
                    connection.disconnect().await;
                    Err(failure)
                }
            },
            other => Ok(other),
        }
    }

    /// How the server introduced itself; empty where the protocol has no such thing.
    pub(crate) fn server_version(&self) -> &str {
        match self {
            Self::Ssh(connection, _) | Self::Exec(connection) => connection.server_version(),
            Self::Telnet(_) => "",
        }
    }

    /// What proves who answered, for the connection log.
    pub(crate) fn proof(&self) -> String {
        match self {
            Self::Ssh(connection, _) | Self::Exec(connection) => {
                let key = connection.host_key();
                format!("{} {}", key.algorithm, key.fingerprint)
            }
            Self::Telnet(_) => "nothing, and all of it is sent in clear".to_owned(),
        }
    }

    /// Sends bytes. `phase` is for the failure's sake; a device that takes nothing until `deadline` is a `timeout`.
    pub(crate) async fn send(
        &mut self,
        bytes: &[u8],
        phase: Phase,
        deadline: Instant,
    ) -> Result<(), Failure> {
        match self {
            Self::Ssh(_, shell) => shell.send(bytes, phase, deadline).await,
            Self::Exec(_) => Err(Failure::new(ErrorCode::Internal, phase, "there is no shell to type into")),
            Self::Telnet(line) => line.send(bytes, phase, deadline).await,
        }
    }

    /// The next thing that the device sends; waits without limit. Dropping the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Chunk {
        match self {
            Self::Ssh(_, shell) => shell.recv().await,
            Self::Exec(_) => Chunk::Closed { exit_status: None },
            Self::Telnet(line) => line.recv().await,
        }
    }

    /// Says goodbye, and closes the socket even where nobody takes notice.
    pub(crate) async fn close(self) {
        match self {
            Self::Ssh(connection, _) | Self::Exec(connection) => connection.disconnect().await,
            Self::Telnet(line) => line.close().await,
        }
    }
}

async fn open_ssh(access: &Access, exec: bool, settings: &DeviceSettings) -> Opening<Link> {
    let identity = match Identity::read(&access.login).await {
        Ok(identity) => identity,
        Err(failure) => return Opening::failed(failure),
    };
    let route::Routed { result, hops } = route::open(access, settings).await;
    let stream = match result {
        Ok(stream) => stream,
        Err(failure) => return Opening { hops, ..Opening::failed(failure) },
    };
    let mut connection = match ssh::connect(stream, &identity, access, &settings.ssh).await {
        Ok(connection) => connection,
        Err(open) => {
            let login = if open.auth_refused { LoginResult::Refused } else { LoginResult::NotTried };
            return Opening { learned: open.learned, hops, login, ..Opening::failed(open.failure) };
        }
    };
    let profile = access.profile.is_none().then(|| (connection.profile(), connection.weakest_algorithms()));
    let learned = connection.learned().then(|| connection.host_key().clone());
    let permit = connection.take_permit();
    let link = Link::Exec(connection);
    let result = if exec { Ok(link) } else { link.with_shell(None).await };
    Opening { result, learned, profile, hops, login: LoginResult::Accepted, permit }
}

async fn open_telnet(access: &Access, settings: &DeviceSettings) -> Opening<Link> {
    let route::Routed { result, hops } = route::open(access, settings).await;
    let opened = match result {
        Ok(stream) => enter(access.guard.as_deref()).await.map(|permit| (stream, permit)),
        Err(failure) => Err(failure),
    };
    match opened {
        Ok((stream, permit)) => {
            let line = TelnetLine::new(stream, settings.ssh.terminal.clone());
            let login = LoginResult::NotTried;
            Opening { result: Ok(Link::Telnet(line)), learned: None, profile: None, hops, login, permit }
        }
        Err(failure) => Opening { hops, ..Opening::failed(failure) },
    }
}
