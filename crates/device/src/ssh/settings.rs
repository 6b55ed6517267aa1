use netraven_model::SshProfile;
use std::borrow::Cow;
use std::time::Duration;

/// How a connection is made; the same for many devices.
#[derive(Clone, Debug, PartialEq)]
pub struct SshSettings {
    /// Name resolution and TCP connection together, however many addresses the name has.
    pub connect_timeout: Duration,
    /// From the TCP connection to the end of the key exchange; also the time for opening a shell.
    pub handshake_timeout: Duration,
    /// All authentication methods together.
    pub auth_timeout: Duration,
    /// Ask for a sign of life after this much silence; the third question without an answer ends the
    /// connection. `None` never asks, which devices that know no global requests need.
    pub keepalive: Option<Duration>,
    /// The weakest algorithms that may be agreed on with any device, whatever is stored for it.
    pub weakest: SshProfile,
    /// What the pseudo-terminal claims to be.
    pub terminal: Terminal,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(20),
            auth_timeout: Duration::from_secs(30),
            keepalive: None,
            weakest: SshProfile::Legacy,
            terminal: Terminal::default(),
        }
    }
}

/// The pseudo-terminal (RFC 4254, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Terminal type, the value of `TERM`.
    pub name: Cow<'static, str>,
    /// Width in characters. Wide, because devices wrap or cut lines at it.
    pub columns: u32,
    /// Height in lines. High, because devices that cannot switch their pager off page at it.
    pub rows: u32,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { name: Cow::Borrowed("vt100"), columns: 511, rows: 1000 }
    }
}
