//! What stands before the routes of every service of NetRaven that is reached over HTTP.
//!
//! ```text
//! listen (TLS, slow callers) -> guard (request id, log, who calls, how often) -> the service's routes
//! ```

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod error;
mod front;
pub(crate) mod guard;
pub(crate) mod health;
mod listen;
pub(crate) mod metrics;
pub(crate) mod openapi;
mod patience;
mod rates;
mod schemes;
mod tls;

pub use auth::{AuthSettings, KeyEntry, KeyFile, KeyFileError, Right, TokenError, TokenSecrets, issue};
pub use front::ListenError;
pub use tls::{TlsError, TlsFiles};

pub(crate) use front::{Front, FrontSettings, Server, open};
pub(crate) use schemes::Schemes;
