//! The store against a real PostgreSQL. Each test has a database of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod changes;
mod claiming;
mod concurrency;
mod connecting;
mod credentials;
mod devices;
mod finishing;
mod finishing_edges;
mod following;
mod history;
mod leases;
mod lifecycle;
mod logins;
mod logs;
mod maintenance;
mod notifications;
mod plans;
mod reach;
mod runs;
mod schedules;
mod schema;
mod secrets;
mod settings;
mod support;
mod tag_rules;
mod tags;
mod users;
