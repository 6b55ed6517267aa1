//! The job logging service as its callers see it: a real server on loopback with a real database behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../gateway/client.rs"]
mod client;
mod following;
mod listing;
mod outage;
mod place;
mod refusals;
mod runs;
mod sending;
mod sink;
#[path = "../support/mod.rs"]
mod support;
