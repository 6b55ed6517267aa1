use crate::StoreError;
use crate::setup::SetupError;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a backup was not made, is not good, or was not restored. What follows the last semicolon of a message is what
/// to do.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database could not be made ready for what is restored, or is not as it should be afterwards.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Somebody's own table stands in the schema, and whoever makes the backup may not read it.
    #[error(
        "user '{user}' may not read {} in the schema netraven, which is backed up as a whole; let the owner run `{sql}`, or move \
         what is not NetRaven's into another schema",
        listed(objects)
    )]
    Unreadable {
        /// Who makes the backup.
        user: String,
        /// Names of tables and sequences.
        objects: Vec<String>,
        /// What lets him read the first of them.
        sql: String,
    },
    /// The program is not on this machine in a version that will do.
    #[error(
        "{program} of PostgreSQL {needed} or newer is needed and {}; install it (Debian, Ubuntu: `apt-get install \
         postgresql-client-{needed}`, RHEL, Fedora: `dnf install postgresql{needed}`)",
        found_instead(found)
    )]
    NoProgram {
        /// `pg_dump` or `pg_restore`.
        program: &'static str,
        /// The oldest major version that will do.
        needed: u32,
        /// Where it was found, in which major version.
        found: Vec<(PathBuf, u32)>,
    },
    /// A program of PostgreSQL's failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program.
        program: &'static str,
        /// Its exit status in words.
        status: String,
        /// What it said, without what it quoted of the data.
        output: String,
    },
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another backup is being written into the same folder.
    #[error("another backup is being written to {}; wait for it, or name another folder", directory.display())]
    Busy {
        /// The folder.
        directory: PathBuf,
    },
    /// There is no such dump.
    #[error("there is no backup {}; a backup is a file that ends in .dump, with its manifest (.json) beside it", path.display())]
    Missing {
        /// The dump.
        path: PathBuf,
    },
    /// The manifest is missing, altered, or of another form.
    #[error("the manifest {} cannot be used: {reason}; use another backup, or a good copy of this one", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The dump is not the one that the manifest tells of.
    #[error("the backup {} is damaged: {reason}; use another backup, or a good copy of this one", path.display())]
    Damaged {
        /// The dump.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// The backup was made by a newer release.
    #[error(
        "the backup has schema version {found} (NetRaven {release}), this release knows {known}; use NetRaven {release} or newer"
    )]
    SchemaTooNew {
        /// Schema version in the backup.
        found: i64,
        /// Schema version of this release.
        known: i64,
        /// The release that made the backup.
        release: String,
    },
    /// The server is older than the one the backup was made from.
    #[error(
        "the backup was made from PostgreSQL {backup}, this server is PostgreSQL {server}; restore it on PostgreSQL {backup} or newer"
    )]
    ServerTooOld {
        /// Major version in the backup.
        backup: u32,
        /// Major version of the server.
        server: u32,
    },
    /// Something stands where the backup should be restored.
    #[error(
        "database '{database}' already has a schema netraven with {content}; restore into an empty database, or move the schema \
         away with `ALTER SCHEMA netraven RENAME TO netraven_before`"
    )]
    Occupied {
        /// The database.
        database: String,
        /// What stands there.
        content: String,
    },
    /// The extension for searching in texts stands in another schema than where the backup came from.
    #[error(
        "the backup's indexes need the extension pg_trgm in schema '{wanted}', here it {found}; let an administrator run `{sql}`"
    )]
    Extension {
        /// The schema in the backup.
        wanted: String,
        /// Where it is, as "is in schema 'x'".
        found: String,
        /// What mends it.
        sql: String,
    },
    /// What was restored is not what the backup holds.
    #[error(
        "the restored database differs from the backup: {difference}; it was removed again, nothing is left of it"
    )]
    Differs {
        /// The first differences.
        difference: String,
    },
}

impl BackupError {
    /// For `map_err`: names what was tried on which path.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { operation, path: path.clone(), source }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }
}

/// The first names, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn found_instead(found: &[(PathBuf, u32)]) -> String {
    let mut text = String::new();
    for (path, major) in found {
        // Writing to a String cannot fail.
        let _ = write!(text, "{} {major} ({})", if text.is_empty() { "only" } else { "," }, path.display());
    }
    if text.is_empty() { "none was found".to_owned() } else { format!("{text} was found") }
}
