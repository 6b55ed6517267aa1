//! What goes into a session machine and what comes out.

use crate::{FileRequest, Part, Platform, hide_own};
use netraven_model::{Capture, Failure, Login, Secret};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What a session is to do.
#[derive(Debug)]
pub struct Plan {
    /// How to talk to the device.
    pub platform: Arc<Platform>,
    /// What to ask: the platform's own parts for a backup.
    pub parts: Arc<[Part]>,
    /// Whether the session stays open behind the last answer, for [`super::Machine::again`].
    pub stay: bool,
    /// Whether nobody has logged in yet, as over Telnet: then what devices ask in general is answered, too, and not only
    /// what the platform says.
    pub asks_login: bool,
    /// Whether files of the device can be fetched beside the session. Otherwise parts that are files are left out, or the
    /// session fails where they are not optional.
    pub files: bool,
    /// The login's user name, for devices that ask for it inside the session.
    pub username: String,
    /// The login's password: the answer to `enable` where there is no secret of its own.
    pub password: Option<Secret>,
    /// The enable secret.
    pub enable: Option<Secret>,
    /// Bounds.
    pub limits: Limits,
}

impl Plan {
    /// The login's own passwords, which a device may repeat.
    pub(crate) fn own_secrets(&self) -> Vec<&Secret> {
        [&self.password, &self.enable].into_iter().flatten().collect()
    }

    /// What a log may show of something that the device said.
    pub(crate) fn redact(&self, text: &[u8]) -> String {
        self.platform.redact_with(text, &self.own_secrets())
    }

    /// A transport's message, which may quote the device, without the login's own passwords.
    pub(crate) fn hide_own(&self, message: &str) -> String {
        hide_own(message, &self.own_secrets())
    }

    /// A command as a log may show it.
    pub(crate) fn show_command(&self, command: &str) -> String {
        self.platform.show_command(command, &self.own_secrets())
    }

    /// A backup: the platform's own parts, and then the end of the session.
    pub fn backup(platform: Arc<Platform>, login: &Login, limits: Limits) -> Self {
        Self {
            parts: platform.parts.clone(),
            stay: false,
            asks_login: false,
            files: true,
            platform,
            username: login.username.clone(),
            password: login.password.clone(),
            enable: login.enable.clone(),
            limits,
        }
    }
}

/// Bounds of one session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence before the first prompt.
    pub login: Duration,
    /// The longest silence while a command is answered.
    pub silence: Duration,
    /// The whole session, from the first byte of ours to the last.
    pub session: Duration,
    /// How long the device may take to close after the logout command.
    pub logout: Duration,
    /// The largest answer to one command in bytes.
    pub max_output: usize,
}

/// What the driver has to do next.
#[derive(PartialEq, Eq)]
pub enum Next {
    /// Send these bytes, then ask again. They may be a secret.
    Send(Zeroizing<Vec<u8>>),
    /// Wait for bytes, at most until then.
    Wait(Instant),
    /// Fetch this file and hand in what came of it, with [`super::Machine::fetched`].
    Fetch(FileRequest),
    /// Take the report.
    Finished,
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Wait(until) => write!(f, "Wait({until:?})"),
            Self::Fetch(request) => write!(f, "Fetch({request:?})"),
            Self::Finished => f.write_str("Finished"),
        }
    }
}

/// One part of the backup as it came.
#[derive(Debug)]
pub struct Output {
    /// Index into the plan's parts.
    pub part: usize,
    /// VDOM, virtual system or the like; `None` for the device as a whole.
    pub context: Option<String>,
    /// The command that brought it.
    pub command: String,
    /// The answer, without echo and prompt.
    pub capture: Capture,
    /// Whether the device carried the command out.
    pub accepted: bool,
    /// From the command until the prompt came back.
    pub duration: Duration,
}

/// One command of the session, for the job log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRecord {
    /// The command as a log may show it.
    pub command: String,
    /// Size of the answer in bytes.
    pub bytes: usize,
    /// From the start of the session until the prompt came back.
    pub at: Duration,
    /// From the command until the prompt came back.
    pub duration: Duration,
    /// Whether the device carried it out.
    pub accepted: bool,
}

/// What became of a session.
#[derive(Debug)]
pub struct Report {
    /// The parts in the platform's order, or why there are none.
    pub result: Result<Vec<Output>, Failure>,
    /// Parts whose files could not be fetched while the shell was open: indices into the plan's parts. What removes them from
    /// the device was not asked either.
    pub later: Vec<usize>,
    /// Every command of the backup.
    pub commands: Vec<CommandRecord>,
    /// The readable record, redacted.
    pub dialogue: String,
    /// What the prompt's `host` group read.
    pub host: Option<String>,
    /// From the start to the first prompt.
    pub login_time: Option<Duration>,
    /// Whether the login's password was sent as the answer to a question.
    pub password_sent: bool,
}
