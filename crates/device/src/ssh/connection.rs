use super::algorithms::preferred;
use super::auth::Course;
use super::failures::{handshake, handshake_timeout, lost};
use super::identity::Identity;
use super::settings::{SshSettings, Terminal};
use super::shell::SshShell;
use super::tcp;
use super::wire::{self, Line, Wire};
use super::witness::{End, Observer, Witness};
use netraven_model::{ErrorCode, Failure, HostKey, Login, Phase, Target};
use russh::client::{Config, GexParams, Handle, connect_stream};
use russh::{Disconnect, SshId};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// How we introduce ourselves (RFC 4253, section 4.2).
const IDENTIFICATION: &str = concat!("SSH-2.0-NetRaven_", env!("CARGO_PKG_VERSION"));

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
    server_version: String,
    terminal: Terminal,
    request_timeout: Duration,
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

/// Connects, checks the host key and logs in.
///
/// With `known` empty any host key is accepted (and is then [`SshConnection::learned`]); otherwise the
/// device must show one of them. Every step has its deadline in `settings`. Dropping the future at
/// any point closes the socket.
pub async fn open(
    target: &Target,
    login: &Login,
    known: &[HostKey],
    settings: &SshSettings,
) -> Result<SshConnection, OpenFailure> {
    let identity = Identity::read(login).await?;
    let stream = tcp::connect(&target.address, target.port, settings.connect_timeout).await?;
    let (wire, line) = wire::split(stream);
    let witness = Witness::default();
    let mut handle = shake_hands(wire, &line, &witness, known, settings).await?;
    let Some(host_key) = witness.host_key() else {
        let end = End::Broken("the key exchange ended without a host key".into());
        return Err(lost(&end, Phase::Handshake).into());
    };
    let learned = known.is_empty();
    let course = Course::new(&identity, &witness, settings.algorithms);
    if let Err(failure) = course.run(&mut handle, settings.auth_timeout).await {
        return Err(OpenFailure { learned: learned.then_some(host_key), ..failure });
    }
    Ok(SshConnection {
        server_version: line.identification().unwrap_or_default(),
        terminal: settings.terminal.clone(),
        request_timeout: settings.handshake_timeout,
        handle,
        line,
        witness,
        host_key,
        learned,
    })
}

async fn shake_hands(
    wire: Wire,
    line: &Line,
    witness: &Witness,
    known: &[HostKey],
    settings: &SshSettings,
) -> Result<Handle<Observer>, Failure> {
    let config = Arc::new(config(known, settings)?);
    let observer = Observer::new(known, witness.clone());
    match timeout(settings.handshake_timeout, connect_stream(config, wire, observer)).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(handshake(&error, line, witness, known, settings.algorithms)),
        Err(_) => Err(handshake_timeout(line, settings.handshake_timeout)),
    }
}

fn config(known: &[HostKey], settings: &SshSettings) -> Result<Config, Failure> {
    let (least, wanted, most) = GROUP_BITS;
    let gex = GexParams::new(least, wanted, most)
        .map_err(|error| Failure::new(ErrorCode::Internal, Phase::Handshake, error.to_string()))?;
    Ok(Config {
        client_id: SshId::Standard(Cow::Borrowed(IDENTIFICATION)),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: PACKETS_WAITING,
        preferred: preferred(settings.algorithms, known),
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
        SshShell::open(&self.handle, &self.witness, &self.terminal, self.request_timeout).await
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
