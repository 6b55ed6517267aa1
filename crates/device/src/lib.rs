//! How NetRaven speaks to devices: transports, the driver of a session, and one whole backup.
//!
//! No database and no key that opens anything: what a backup must know travels in [`CollectRequest`],
//! what it learned in [`CollectOutcome`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod course;
mod gateway;
mod guard;
mod http;
mod learned;
mod link;
mod outcome;
mod request;
mod route;
mod session;
mod ssh;
mod tcp;
mod telnet;

pub use gateway::{Answer, Counts, Gateway, Networks, NotANetwork, Status};
pub use guard::{Guarding, LoginGuard, LoginPermit};
pub use http::HttpSettings;
pub use link::Chunk;
pub use outcome::{CollectOutcome, Collected, LearnedHop, LoginResult, Outcome};
pub use request::{Access, CollectRequest, DeviceSettings, ExecuteRequest, Pace, Previous, ReachRequest};
pub use ssh::{
    KeyProblem, KnownHosts, OpenFailure, SkippedLine, SshConnection, SshSettings, SshShell, Terminal,
    TooManyEntries, check_private_key, open,
};
pub use telnet::TelnetParser;
