//! Backup and restore of NetRaven's own database, with PostgreSQL's programs.
//!
//! A backup is two files: the dump (`pg_dump`, custom format, the schema `netraven` alone) and a manifest beside it
//! that says what must be in it. Both are written under names that end in `.partial` and renamed when they are complete,
//! the manifest last: what bears its own name is whole. Keys are in neither: `docs/backup_and_restore.md` tells what
//! else is needed to get an installation back.

mod archive;
mod client;
mod copy;
mod create;
mod error;
mod files;
mod manifest;
mod programs;
mod restore;
mod rotate;
mod schedule;
mod snapshot;
mod target;
mod verify;

pub use create::{BackupSettings, Created, create};
pub use error::BackupError;
pub use manifest::Manifest;
pub use restore::{RestoreSettings, Restored, restore};
pub use schedule::{create_if_due, due_in};
pub use target::SealedSample;
pub use verify::{Verified, verify};
