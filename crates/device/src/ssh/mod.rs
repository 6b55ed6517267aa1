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
mod connection;
mod failures;
mod identity;
mod keyboard;
mod preamble;
mod settings;
mod shell;
mod tcp;
mod text;
mod wire;
mod witness;

pub use connection::{OpenFailure, SshConnection, open};
pub use identity::{KeyProblem, check_private_key};
pub use settings::{AlgorithmProfile, SshSettings, Terminal};
pub use shell::SshShell;
