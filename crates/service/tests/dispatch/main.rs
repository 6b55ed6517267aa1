//! Jobs that are carried out by gateways elsewhere: real servers on loopback, real devices of the lab behind them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asking;
mod liar;
mod refusals;
mod runs;
mod station;
#[path = "../support/mod.rs"]
mod support;
mod trouble;
