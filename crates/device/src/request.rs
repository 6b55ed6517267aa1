use crate::gateway::Networks;
use crate::guard::LoginGuard;
use crate::{HttpSettings, SshSettings};
use netraven_model::{Backoff, Hash256, HostKey, JobId, Login, SshProfile, Target, TlsTrust};
use netraven_platform::{Limits, Platform};
use netraven_seal::{FingerprintKey, Sealing};
use std::sync::Arc;
use std::time::Duration;

/// Everything one backup needs to know.
#[derive(Debug)]
pub struct CollectRequest {
    /// The job it belongs to; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// How the device is reached.
    pub access: Access,
    /// How to talk to it.
    pub platform: Arc<Platform>,
    /// The device's own fingerprint key.
    pub fingerprint_key: FingerprintKey,
    /// How the values of its secrets are kept; without it they are not.
    pub sealing: Option<Sealing>,
    /// The newest version there is.
    pub previous: Option<Previous>,
}

/// How one device is reached and let in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where to.
    pub target: Target,
    /// The one credential to try.
    pub login: Login,
    /// Host keys seen before; empty at the first contact.
    pub host_keys: Vec<HostKey>,
    /// What it is believed over TLS.
    pub tls: TlsTrust,
    /// The weakest SSH algorithms that may be agreed on, learned at an earlier contact or set by a person; `None` offers
    /// everything, the best first, and learns.
    pub profile: Option<SshProfile>,
    /// The jump hosts on the way, the first one first; each is reached through the one before it, its own `via` is not
    /// looked at. They are always spoken to with SSH.
    pub via: Vec<Access>,
    /// Where the device stands: sessions of one site share its limits.
    pub site: Option<String>,
    /// The addresses to which the login may be shown.
    pub login_networks: Networks,
    /// Asked before the login is shown.
    pub guard: Option<Arc<dyn LoginGuard>>,
}

impl Access {
    /// A first contact without jump hosts.
    pub fn new(target: Target, login: Login) -> Self {
        Self {
            target,
            login,
            host_keys: Vec::new(),
            tls: TlsTrust::default(),
            profile: None,
            via: Vec::new(),
            site: None,
            login_networks: Networks::default(),
            guard: None,
        }
    }
}

/// Commands to have answered by one device.
#[derive(Debug)]
pub struct ExecuteRequest {
    /// The job it belongs to; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// How the device is reached.
    pub access: Access,
    /// How to talk to it.
    pub platform: Arc<Platform>,
    /// What to ask, in order.
    pub commands: Vec<String>,
    /// All of it together, waiting for a free session included.
    pub within: Duration,
}

/// A device that is to be reached, not logged in to.
#[derive(Debug)]
pub struct ReachRequest {
    /// The job it belongs to; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// How the device is reached; its own login is not used.
    pub access: Access,
    /// How the family is spoken to; `None` where that is not known.
    pub platform: Option<Arc<Platform>>,
}

/// What must be known of the newest version to tell whether something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its significant hash.
    pub significant: Hash256,
    /// Size of its parts in bytes.
    pub size: u64,
}

/// Limits of the sessions that share a bottleneck: a site's line, a jump host, the AAA server behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Sessions at the same time; `None` for no limit of its own.
    pub sessions: Option<usize>,
    /// Logins per second; `None` for as many as there are.
    pub logins_per_second: Option<f64>,
}

/// Bounds and habits, the same for all devices.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSettings {
    /// Sessions at the same time.
    pub parallel_sessions: usize,
    /// Limits of each site.
    pub site: Pace,
    /// Limits of each jump host.
    pub jump_host: Pace,
    /// Which addresses may be connected to.
    pub networks: Networks,
    /// When a connection that did not come about is tried again.
    pub connect: Backoff,
    /// Idle sessions that are kept for the next request; 0 keeps none.
    pub max_pool_size: usize,
    /// How long an idle session is kept.
    pub idle_timeout: Duration,
    /// How connections for SSH are made.
    pub ssh: SshSettings,
    /// How connections for HTTP are made.
    pub http: HttpSettings,
    /// The longest silence before the first prompt.
    pub login_timeout: Duration,
    /// The longest silence while a command is answered.
    pub command_timeout: Duration,
    /// One session from its first command to its end.
    pub session_timeout: Duration,
    /// How long a device may take to close after the logout command.
    pub logout_timeout: Duration,
    /// The largest answer to one command in bytes.
    pub max_output: usize,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self {
            parallel_sessions: 1000,
            site: Pace::default(),
            jump_host: Pace::default(),
            networks: Networks::default(),
            connect: Backoff {
                attempts: 3,
                base: Duration::from_secs(1),
                factor: 2,
                limit: Duration::from_secs(30),
            },
            max_pool_size: 10,
            idle_timeout: Duration::from_secs(60),
            ssh: SshSettings::default(),
            http: HttpSettings::default(),
            login_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(60),
            session_timeout: Duration::from_secs(600),
            logout_timeout: Duration::from_secs(2),
            max_output: 64 << 20,
        }
    }
}

impl DeviceSettings {
    /// Those of a session's machine.
    pub fn limits(&self) -> Limits {
        Limits {
            login: self.login_timeout,
            silence: self.command_timeout,
            session: self.session_timeout,
            logout: self.logout_timeout,
            max_output: self.max_output,
        }
    }

    /// The longest a whole collection can take: two sessions, each with its connection and the tries before it.
    pub fn longest(&self) -> Duration {
        let ssh = &self.ssh;
        let pauses: Duration = (1..self.connect.attempts).filter_map(|tried| self.connect.after(tried)).sum();
        let connecting = (ssh.connect_timeout + ssh.handshake_timeout) * self.connect.attempts + pauses;
        2 * (connecting + ssh.handshake_timeout + ssh.auth_timeout + self.session_timeout)
    }
}
