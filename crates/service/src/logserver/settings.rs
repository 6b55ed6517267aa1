use crate::http::{AuthSettings, TlsFiles};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How the job logging service is served.
#[derive(Clone, Debug)]
pub struct LogServerSettings {
    /// Where it listens; beyond loopback only with [`LogServerSettings::tls`].
    pub listen: SocketAddr,
    /// Certificate and key; without them it speaks HTTP.
    pub tls: Option<TlsFiles>,
    /// Who may call.
    pub auth: AuthSettings,
    /// Bounds of what callers may ask for.
    pub limits: LogServerLimits,
    /// Where events wait while the database is away: a file that no other process uses.
    pub spool: PathBuf,
    /// How many months of the job log are kept at least; `None` for all.
    pub job_log_months: Option<u32>,
    /// The same for the dialogues with devices.
    pub connection_log_months: Option<u32>,
}

/// Bounds of what callers may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct LogServerLimits {
    /// Requests per second and caller, on average.
    pub rate: u32,
    /// Bytes of a request's body.
    pub body: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// Answers without end at the same time: those who follow the log or a run.
    pub streams: usize,
    /// How long a caller may take to send a request's head, or its body.
    pub slowest_request: Duration,
}

impl Default for LogServerLimits {
    fn default() -> Self {
        Self {
            rate: 200,
            body: 8 << 20,
            connections: 2048,
            streams: 256,
            slowest_request: Duration::from_secs(30),
        }
    }
}
