use crate::session::SessionError;
use std::net::SocketAddr;

/// Why a lab was not started.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A session file is broken.
    #[error("session file {0}")]
    Session(#[from] SessionError),
    /// A platform without a session.
    #[error("the lab has no session for platform `{name}`; it knows {known}")]
    UnknownPlatform {
        /// The platform asked for.
        name: String,
        /// Those it has.
        known: String,
    },
    /// More devices than there are addresses, or none.
    #[error("{count} devices: a lab has from 1 to {max}")]
    Count {
        /// The number asked for.
        count: u32,
        /// The largest possible.
        max: u32,
    },
    /// A share that is none.
    #[error("{what} is {value}, which is not from {range}")]
    Number {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// The key that may log in cannot be read.
    #[error("`authorized_key` is not a public key in OpenSSH format: {0}")]
    AuthorizedKey(#[source] russh::keys::ssh_key::Error),
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Without the right to bind to the loopback interface each device needs a listener of its own.
    #[error(
        "{count} devices need one listener each, because binding to the loopback interface was refused ({source}); \
         {max} is the limit: ask for fewer devices, or give the process CAP_NET_RAW"
    )]
    TooManyListeners {
        /// Devices asked for.
        count: u32,
        /// Listeners that a lab opens at most.
        max: u32,
        /// Why the one listener for all was not possible.
        source: std::io::Error,
    },
}
