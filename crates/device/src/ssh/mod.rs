//! SSH to devices: connect, check the host key, authenticate, open a shell.
//!
//! `russh` speaks the protocol; nothing of it leaves this module. What is ours: the deadlines, the
//! host key policy, the order of authentication, failures that say what happened, and a socket that
//! closes the moment nobody wants it any more.
//!
//! One connection costs one task of the library, which owns the [`wire::Wire`]. Everything else holds
//! the other end, the [`wire::Line`]; dropping that closes the socket, whatever the task is doing.

mod algorithms;
mod auth;
mod command;
mod connection;
mod failures;
mod fetch;
mod forward;
mod greeting;
mod identity;
mod keyboard;
mod known_hosts;
mod preamble;
mod settings;
mod shell;
mod text;
mod wire;
mod witness;

pub(crate) use command::{NotStarted, Piece, SshCommand, Unused};
pub(crate) use connection::connect;
pub use connection::{OpenFailure, SshConnection, open};
pub(crate) use forward::Forwarded;
pub(crate) use greeting::greeting;
pub(crate) use identity::Identity;
pub use identity::{KeyProblem, check_private_key};
pub use known_hosts::{KnownHosts, SkippedLine, TooManyEntries};
pub use settings::{SshSettings, Terminal};
pub use shell::SshShell;
