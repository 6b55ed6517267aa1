//! Everything that speaks SQL: the inventory, the job queue, versions, logs, settings.
//!
//! One [`Store`] holds a pool of connections; each module has concrete functions that take it. No other crate
//! contains SQL. `schema/schema.sql` shows the tables; `docs/decisions/0002-runtime-sql.md` says why the
//! statements are checked by tests rather than by macros.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
pub mod audit;
pub mod backup;
pub mod changes;
mod connect;
pub mod credentials;
pub mod devices;
mod error;
pub mod jobs;
pub mod logins;
pub mod logs;
pub mod maintenance;
pub mod notifications;
pub mod private;
mod rows;
pub mod schedules;
mod schema;
pub mod secrets;
pub mod settings;
pub mod setup;
mod store;
pub mod tag_rules;
pub mod tags;
pub mod testing;
mod text;
mod tls;
pub mod users;
pub mod validate;
pub mod versions;
pub mod workers;

pub use connect::ConnectSettings;
pub use error::StoreError;
pub use schema::Initialized;
pub use store::{DatabaseInfo, Store};
