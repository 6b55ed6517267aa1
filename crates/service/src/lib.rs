//! The services of NetRaven. Each can run alone or all in one process.
//!
//! Today: the [`Worker`], which claims jobs, has the devices collected, commits what came and keeps
//! leases, schedules and log partitions in order; the [`gateway`]'s API, by which other services have devices spoken to; and the
//! [`JobLog`], which takes events and dialogues of work outside any job's result; the job logging service's API, the
//! [`logserver`], to which other processes send theirs; the [`Rotation`] of keys; and the
//! [`notify`] service, which tells people what changed.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod collector;
mod committer;
mod definitions;
pub mod gateway;
mod http;
mod joblog;
mod logins;
pub mod logserver;
pub mod notify;
mod references;
mod retention;
mod rotation;
mod scheduler;
mod stores;
pub mod web;
mod wire;
mod worker;

pub use collector::{Collector, DispatchSettings, GatewaySettings, Gateways, ask_gateway};
pub use definitions::Definitions;
pub use joblog::{
    JobLog, JobLogCounters, JobLogSettings, LogService, LogServiceError, LogServiceSettings, LogSink,
    SpoolError,
};
pub use logins::{Care, Guard, Logins};
pub use references::{Aliases, Reference, ReferenceError, References};
pub use rotation::{Rotated, Rotation, RotationError};
pub use scheduler::{Keys, OpenError, open_access, open_hop, reached_at};
pub use stores::Stores;
pub use wire::GatewayState;
pub use worker::{Worker, WorkerSettings};
