//! What can go wrong with the private PostgreSQL, and what to do about it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the private PostgreSQL could not be found, created, started, stopped or upgraded.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// A setting cannot be used as it is.
    #[error("the setting {setting} of the private PostgreSQL cannot be used: {problem}")]
    Setting {
        /// The field of [`super::PrivateSettings`].
        setting: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// There are no server programs on this machine.
    #[error(
        "no PostgreSQL server programs ({lacking}) were found; looked in {}. Install PostgreSQL 14 or newer \
         (Debian, Ubuntu: `apt-get install postgresql`; RHEL, Fedora: `dnf install postgresql-server`; \
         SUSE: `zypper install postgresql-server`), set the directory of its programs in the configuration, \
         or name an existing server with DATABASE_URL",
        list(searched)
    )]
    NoBinaries {
        /// The programs that were looked for.
        lacking: &'static str,
        /// The directories that were searched.
        searched: Vec<PathBuf>,
    },
    /// The configured directory does not hold usable server programs.
    #[error("{} holds no usable PostgreSQL programs: {problem}", directory.display())]
    UnusableBinaries {
        /// The directory that was named in the settings.
        directory: PathBuf,
        /// What is missing or did not work.
        problem: String,
    },
    /// The data directory was made by another major version than the programs on this machine.
    #[error(
        "the data directory {} was made by PostgreSQL {cluster}, but this machine has the programs of {}. \
         Install PostgreSQL {cluster} again, or move the data with `netraven db upgrade-cluster` (which needs \
         the programs of both versions)",
        directory.display(), majors(found)
    )]
    VersionMismatch {
        /// The cluster's directory.
        directory: PathBuf,
        /// Major version that wrote it.
        cluster: u32,
        /// Major versions whose programs were found.
        found: Vec<u32>,
    },
    /// Started as root and no unprivileged user can be used.
    #[error(
        "PostgreSQL refuses to run as root and no unprivileged user was found (tried: {tried}). \
         Create one, for example `useradd --system netraven`, or set the user in the configuration"
    )]
    NoAccount {
        /// The user names that were looked up.
        tried: String,
    },
    /// A directory on the way cannot be entered by the user who runs PostgreSQL.
    #[error(
        "the user {user}, who runs PostgreSQL, may not enter {}. Allow it with `chmod o+x {}`, or choose \
         another data directory",
        directory.display(), directory.display()
    )]
    NotTraversable {
        /// The first directory from the root that bars the way.
        directory: PathBuf,
        /// The user who runs the server.
        user: String,
    },
    /// A file or directory belongs to somebody else than it must.
    #[error("{} belongs to {owner}, but {expected} must own it: {hint}", path.display())]
    WrongOwner {
        /// The file or directory.
        path: PathBuf,
        /// Its owner's name or number.
        owner: String,
        /// Who must own it.
        expected: String,
        /// What to do.
        hint: String,
    },
    /// A file or directory is open to other users.
    #[error("{} has mode {mode:04o}, which lets others in; set it with `chmod {wanted:04o} {}`", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it needs.
        wanted: u32,
    },
    /// Something stands where a directory is needed.
    #[error("{} is not a directory of its own (a file or a symbolic link stands there); move it away", path.display())]
    NotADirectory {
        /// The path in question.
        path: PathBuf,
    },
    /// The current cluster is gone while an older one, kept by an upgrade, is still there.
    #[error(
        "{} is missing although {} is there; an empty database is not created in its place. Restore the \
         directory, or rename the older one back",
        cluster.display(), kept.display()
    )]
    ClusterMissing {
        /// Where the cluster should be.
        cluster: PathBuf,
        /// The older cluster found beside it.
        kept: PathBuf,
    },
    /// Another process was starting or stopping the cluster for too long.
    #[error(
        "another process held {} for more than {}; it is starting, stopping or upgrading the same \
         PostgreSQL. Wait for it or end it, then try again",
        path.display(), seconds(*waited)
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The cluster must not be in use for this, but is.
    #[error("the private PostgreSQL under {} is in use by another NetRaven process; stop it first", data_dir.display())]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// A PostgreSQL program failed.
    #[error("{what} failed ({status}): {output}")]
    Tool {
        /// The step.
        what: &'static str,
        /// Exit status in words.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A step took longer than its deadline.
    #[error("{what} was not finished within {}; {hint}", seconds(*limit))]
    Timeout {
        /// The step.
        what: &'static str,
        /// The deadline that passed.
        limit: Duration,
        /// What to do.
        hint: String,
    },
    /// The server ended while it was starting.
    #[error("PostgreSQL did not start ({status}). The end of its log {}:\n{tail}", log.display())]
    StartFailed {
        /// Exit status in words.
        status: String,
        /// The server's log file.
        log: PathBuf,
        /// The last lines written during this start.
        tail: String,
    },
    /// The password file is there but is not one.
    #[error("{} does not hold the passwords of the private PostgreSQL: {problem}. Move it away and new ones are set", path.display())]
    SecretFile {
        /// The password file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        problem: &'static str,
    },
    /// The dump and load did not bring over everything.
    #[error("the upgraded cluster differs from the old one, which stays in use: {difference}")]
    UpgradeDiffers {
        /// What differs, with both values.
        difference: String,
    },
    /// A query of the upgrade failed.
    #[error("{operation} failed: {source}")]
    Query {
        /// What the query was for.
        operation: &'static str,
        /// The database's answer.
        source: sqlx::Error,
    },
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl PrivateError {
    /// For `map_err`: wraps an IO error with what was tried on which path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PrivateError {
        let path = path.to_path_buf();
        move |source| PrivateError::Io { operation, path, source }
    }

    /// For `map_err`: wraps a database error with what the query was for.
    pub(super) fn query(operation: &'static str) -> impl FnOnce(sqlx::Error) -> PrivateError {
        move |source| PrivateError::Query { operation, source }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn majors(found: &[u32]) -> String {
    if found.is_empty() {
        return "no version".to_owned();
    }
    found.iter().fold(String::from("version"), |mut text, major| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{major}", if text.ends_with("version") { " " } else { ", " });
        text
    })
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}
