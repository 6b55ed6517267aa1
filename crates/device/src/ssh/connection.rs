use super::algorithms::{preferred, profile_of};
use super::auth::Course;
use super::command::{NotStarted, SshCommand, Unused};
use super::failures::{Bounds, handshake, handshake_timeout, lost};
use super::forward::{self, Forwarded};
use super::identity::Identity;
use super::settings::{SshSettings, Terminal};
use super::shell::SshShell;
use super::wire::{self, Line, Wire};
use super::witness::{End, Observer, Witness};
use crate::guard::{Permit, enter, settle};
use crate::request::{Access, DeviceSettings};
use crate::route::{self, Stream};
use netraven_model::{ErrorCode, Failure, HostKey, Phase, SshProfile};
use netraven_platform::{Fetched, FileRequest, Opening};
use russh::client::{Config, GexParams, Handle, connect_stream};
use russh::{Disconnect, SshId};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// How we introduce ourselves (RFC 4253, section 4.2).
pub(super) const IDENTIFICATION: &str = concat!("SSH-2.0-NetRaven_", env!("CARGO_PKG_VERSION"));

/// What a device may send before it is told that we have read.
const WINDOW: u32 = 2 * 1024 * 1024;

/// Largest packet that a device may send, payload only. What OpenSSH asks for: every device has been
/// tried with it.
const PACKET: u32 = 32 * 1024;

/// Packets that wait for the reader. With [`PACKET`] this bounds the memory that output nobody reads
/// can take: 1 MiB. Beyond it nothing is read from the socket.
const PACKETS_WAITING: usize = 32;

/// Sizes of Diffie-Hellman groups in bits. 2048 is the least that is allowed and the most that does
/// not cost a second of computing per login.
const GROUP_BITS: (usize, usize, usize) = (2048, 2048, 8192);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// An authenticated connection to a device. Dropping it closes the socket at once.
pub struct SshConnection {
    handle: Handle<Observer>,
    line: Line,
    witness: Witness,
    host_key: HostKey,
    learned: bool,
    /// What the key exchange agreed on, and the signature of the login.
    algorithms: Vec<String>,
    server_version: String,
    terminal: Terminal,
    request_timeout: Duration,
    permit: Permit,
}

/// No connection, and what was learned on the way.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{failure}")]
pub struct OpenFailure {
    /// Why.
    #[source]
    pub failure: Failure,
    /// The host key of a device seen for the first time, although the login failed afterwards.
    pub learned: Option<HostKey>,
    /// A secret of the credential was shown to the device and refused: showing it again may lock the
    /// account. An `auth_failed` without it says that the device wants something the credential lacks.
    pub auth_refused: bool,
}

impl From<Failure> for OpenFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, learned: None, auth_refused: false }
    }
}

impl OpenFailure {
    pub(super) fn authentication(message: String, auth_refused: bool) -> Self {
        let failure = Failure::new(ErrorCode::AuthFailed, Phase::Authenticate, message);
        Self { failure, learned: None, auth_refused }
    }
}

/// Connects, through the jump hosts if there are any, checks the host key and logs in. What is learned of jump hosts is
/// lost here; a [`crate::Gateway`] reports it.
///
/// Without known host keys any is accepted (and is then [`SshConnection::learned`]); otherwise the
/// device must show one of them. Every step has its deadline in `settings`. Dropping the future at
/// any point closes the socket.
pub async fn open(access: &Access, settings: &DeviceSettings) -> Result<SshConnection, OpenFailure> {
    // A credential that cannot be used is found before the device sees anything of us.
    let identity = Identity::read(&access.login).await?;
    let stream = route::open(access, settings).await.result?;
    connect(stream, &identity, access, &settings.ssh).await
}

/// [`open`] on a stream that leads to the device already.
pub(crate) async fn connect(
    stream: Stream,
    identity: &Identity,
    access: &Access,
    settings: &SshSettings,
) -> Result<SshConnection, OpenFailure> {
    let known = &access.host_keys[..];
    let bounds = Bounds { device: &access.target.hostname, stored: access.profile, limit: settings.weakest };
    let (wire, line) = wire::split(stream);
    let witness = Witness::default();
    let mut handle = shake_hands(wire, &line, &witness, known, bounds, settings).await?;
    let Some(host_key) = witness.host_key() else {
        let end = End::Broken("the key exchange ended without a host key".into());
        return Err(lost(&end, Phase::Handshake).into());
    };
    let learned = known.is_empty();
    let with_key = |failure| OpenFailure { learned: learned.then(|| host_key.clone()), ..failure };
    let mut permit = enter(access.guard.as_deref()).await.map_err(|failure| with_key(failure.into()))?;
    let course = Course::new(identity, &witness, &line, bounds.weakest());
    let signature = match course.run(&mut handle, settings.auth_timeout).await {
        Ok(signature) => signature,
        Err(failure) => {
            if failure.auth_refused {
                settle(&mut permit, false).await;
            }
            return Err(with_key(failure));
        }
    };
    settle(&mut permit, true).await;
    Ok(SshConnection {
        algorithms: witness.agreed().into_iter().chain(signature).collect(),
        server_version: line.identification().unwrap_or_default(),
        terminal: settings.terminal.clone(),
        request_timeout: settings.handshake_timeout,
        handle,
        line,
        witness,
        host_key,
        learned,
        permit,
    })
}

async fn shake_hands(
    wire: Wire,
    line: &Line,
    witness: &Witness,
    known: &[HostKey],
    bounds: Bounds<'_>,
    settings: &SshSettings,
) -> Result<Handle<Observer>, Failure> {
    let config = Arc::new(config(known, bounds, settings)?);
    let observer = Observer::new(known, witness.clone());
    match timeout(settings.handshake_timeout, connect_stream(config, wire, observer)).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(handshake(&error, line, witness, known, bounds)),
        Err(_) => Err(handshake_timeout(line, settings.handshake_timeout)),
    }
}

fn config(known: &[HostKey], bounds: Bounds<'_>, settings: &SshSettings) -> Result<Config, Failure> {
    let (least, wanted, most) = GROUP_BITS;
    let gex = GexParams::new(least, wanted, most)
        .map_err(|error| Failure::new(ErrorCode::Internal, Phase::Handshake, error.to_string()))?;
    Ok(Config {
        client_id: SshId::Standard(Cow::Borrowed(IDENTIFICATION)),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: PACKETS_WAITING,
        preferred: preferred(bounds.weakest(), known),
        keepalive_interval: settings.keepalive,
        gex,
        ..Config::default()
    })
}

impl SshConnection {
    /// The key that the device proved to have.
    pub fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    /// Whether no key was known before, so that this one was taken on trust.
    pub fn learned(&self) -> bool {
        self.learned
    }

    /// The safest profile that has all algorithms of this connection, the signature of the login's key included.
    pub fn profile(&self) -> SshProfile {
        self.algorithms.iter().map(|name| profile_of(name)).max().unwrap_or(SshProfile::Modern)
    }

    /// The names of the algorithms of this connection that no safer profile has.
    pub fn weakest_algorithms(&self) -> Vec<String> {
        let profile = self.profile();
        self.algorithms.iter().filter(|name| profile_of(name) == profile).cloned().collect()
    }

    /// The text shown before the login (RFC 4252, section 5.4), at most 4 KiB, as the device sent it.
    pub fn banner(&self) -> Option<String> {
        self.witness.banner()
    }

    /// The server's identification, e.g. `SSH-2.0-Cisco-1.25`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Opens a channel with a pseudo-terminal and a shell on it, within the handshake's deadline.
    ///
    /// A device that refuses the channel is out of sessions (`disconnected`), one that refuses the
    /// shell does not let this user have one (`command_rejected`). A refused pseudo-terminal is no
    /// failure, since some devices need none.
    pub async fn shell(&mut self) -> Result<SshShell, Failure> {
        self.shell_on(None).await
    }

    /// [`Self::shell`] on a channel that is there already.
    pub(crate) async fn shell_on(&mut self, channel: Option<Unused>) -> Result<SshShell, Failure> {
        SshShell::open(&self.handle, &self.witness, &self.terminal, self.request_timeout, channel).await
    }

    /// Starts a command on a channel of its own, within the handshake's deadline. Its input is at its end from the beginning.
    pub(crate) async fn command(&self, command: &str) -> Result<SshCommand, NotStarted> {
        let started = self.converse(&Opening::Command(command.to_owned())).await?;
        started.end_input().await.map_err(NotStarted::Failed)?;
        Ok(started)
    }

    /// Starts a command or a subsystem that is spoken with, within the handshake's deadline.
    pub(crate) async fn converse(&self, opening: &Opening) -> Result<SshCommand, NotStarted> {
        SshCommand::start(&self.handle, &self.witness, opening, self.request_timeout).await
    }

    /// Fetches a file of the device on a channel of its own, within the request's limits. What the shell says meanwhile, if
    /// there is one, is thrown away.
    pub async fn fetch(&self, request: &FileRequest, shell: Option<&mut SshShell>) -> Fetched {
        super::fetch::fetch(self, request, shell).await
    }

    /// Has the server, a jump host, connect to an address and port and carry bytes there and back.
    pub(crate) async fn forward(
        &self,
        address: &str,
        port: u16,
        within: Duration,
    ) -> Result<Forwarded, Failure> {
        forward::open(&self.handle, &self.witness, (address, port), within).await
    }

    /// What allowed the login: a shell may still refuse it.
    pub(crate) fn take_permit(&mut self) -> Permit {
        self.permit.take()
    }

    /// Says goodbye and closes the socket, after a second even if the device does not take notice.
    pub async fn disconnect(self) {
        let Self { handle, line, .. } = self;
        let farewell = async {
            if handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                let _ = handle.await;
            }
        };
        // A device that is gone already has nothing to be told.
        let _ = timeout(FAREWELL, farewell).await;
        line.close();
    }
}

impl std::fmt::Debug for SshConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnection")
            .field("server_version", &self.server_version)
            .field("host_key", &self.host_key.fingerprint)
            .finish_non_exhaustive()
    }
}
