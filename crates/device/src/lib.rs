//! How NetRaven speaks to devices.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod ssh;

pub use ssh::{AlgorithmProfile, Chunk, OpenFailure, SshConnection, SshSettings, SshShell, Terminal, open};
