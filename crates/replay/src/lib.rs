//! Proves platform definitions with sessions: a session of the lab is played through the session machine without IO,
//! both directions checked, and what comes out is compared with what the session says must come out.
//!
//! `netraven platform test` and the project's own tests run the same [`check`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod check;
mod explain;
mod folder;
mod poll;
pub mod record;
mod suite;
mod transcript;

pub use check::{Check, Finding, check};
pub use folder::{FolderError, FoundSession, sessions_below};
pub use suite::{Case, check_all};
pub use transcript::{Event, Step, Transcript};
