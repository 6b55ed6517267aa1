use std::path::PathBuf;
use std::time::Duration;

/// What HTTP needs beyond a connection; the same for all devices.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// From the TCP connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// Certificates (PEM) of authorities that are believed besides the system's own.
    pub ca_file: Option<PathBuf>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { handshake_timeout: Duration::from_secs(20), ca_file: None }
    }
}
