//! The private PostgreSQL: a cluster of NetRaven's own, created on first use, started when the
//! first NetRaven process needs it and stopped when the last one leaves.
//!
//! Several processes may use it at once (`netraven up` and any number of commands). Each holds a
//! shared lock on `users.lock` while it does; starting and stopping happen under an exclusive
//! `cluster.lock`. A process that is killed loses its locks with its life, so that it is neither
//! counted as a user nor in anybody's way; the server it leaves behind is taken over by the next start.
//!
//! `docs/private_postgresql.md` describes files, security and upgrades for those who run it.

mod account;
mod binaries;
mod build;
mod cluster;
mod deadline;
mod error;
mod layout;
mod lock;
mod log;
mod open;
mod postmaster;
mod process;
mod profile;
mod secret;
mod server;
mod settings;
mod tool;
mod transfer;
mod upgrade;
mod verify;

pub(crate) use account::Account;
pub(crate) use binaries::{Available, major_of, usual_directories};
pub use cluster::PrivateCluster;
pub(crate) use cluster::connection_url;
pub use error::PrivateError;
pub use settings::PrivateSettings;
pub use upgrade::{Upgraded, upgrade_cluster};
