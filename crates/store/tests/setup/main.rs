//! Making a database NetRaven's, and seeing whether it is: roles, rights, schema, first content.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod initializing;
mod refusals;
mod rights;
mod support;
mod upgrading;
mod validating;
