//! The gateway's API as its callers see it: a real server on loopback, real devices of the lab behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batch;
mod canaries;
mod client;
mod collecting;
mod executing;
mod inventory;
mod keys;
mod overload;
mod place;
mod refusals;
mod rights;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod tokens;
