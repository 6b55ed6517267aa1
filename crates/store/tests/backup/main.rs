//! Backup and restore against a real PostgreSQL and its programs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod consistency;
mod folder;
mod refusals;
mod round_trip;
mod servers;
#[path = "../store/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the store")]
mod support;
