use crate::http::{AuthSettings, TlsFiles};
use std::net::SocketAddr;
use std::time::Duration;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where it listens; beyond loopback only with [`ApiSettings::tls`].
    pub listen: SocketAddr,
    /// Certificate and key; without them it speaks HTTP.
    pub tls: Option<TlsFiles>,
    /// Who may call.
    pub auth: AuthSettings,
    /// Bounds of what callers may ask for.
    pub limits: ApiLimits,
}

/// Bounds of what callers may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiLimits {
    /// Devices spoken to for callers at the same time.
    pub parallel: usize,
    /// Requests that may wait for room; more are sent away.
    pub queue: usize,
    /// How long one waits for room.
    pub queue_wait: Duration,
    /// Requests per second and caller, on average.
    pub rate: u32,
    /// Bytes of a request's body.
    pub body: usize,
    /// Devices in one batch.
    pub batch_devices: usize,
    /// Batches at the same time.
    pub batches: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// The longest that a caller may wait for one device.
    pub longest: Duration,
    /// How long a caller may take to send a request's head, or its body.
    pub slowest_request: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            parallel: 200,
            queue: 1000,
            queue_wait: Duration::from_secs(10),
            rate: 50,
            body: 1 << 20,
            batch_devices: 1000,
            batches: 8,
            connections: 2048,
            longest: Duration::from_secs(600),
            slowest_request: Duration::from_secs(30),
        }
    }
}
