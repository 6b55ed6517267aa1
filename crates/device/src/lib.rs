//! How NetRaven speaks to devices: transports, the driver of a session, and one whole backup.
//!
//! No database and no key that opens anything: what a backup must know travels in [`CollectRequest`],
//! what it learned in [`CollectOutcome`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod collect;
mod course;
mod outcome;
mod recognise;
mod request;
mod session;
mod ssh;

pub use collect::collect;
pub use outcome::{CollectOutcome, Collected, LoginResult, Outcome};
pub use recognise::recognise;
pub use request::{CollectRequest, DeviceSettings, Previous};
pub use ssh::{
    AlgorithmProfile, Chunk, KeyProblem, OpenFailure, SshConnection, SshSettings, SshShell, Terminal,
    check_private_key, open,
};
