use thiserror::Error;

/// Why the database did not do what it was asked. No message holds a password or a connection URL.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Nothing answers where the server should be.
    #[error(
        "no PostgreSQL answers at {server}: {reason}; check that the server runs and that host and port are right"
    )]
    Unreachable {
        /// Host and port, or the socket's folder.
        server: String,
        /// What the operating system or the driver said.
        reason: String,
    },
    /// The connection could not be secured as the URL demands.
    #[error("the connection to PostgreSQL at {server} cannot be secured: {reason}; {hint}")]
    Tls {
        /// Host and port.
        server: String,
        /// What is wrong.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The server does not accept the user, the password, the certificate or the way of connecting.
    #[error(
        "PostgreSQL at {server} does not let user '{user}' in ({reason}); check user and password of the database URL, sslmode and sslcert in it, and the server's pg_hba.conf"
    )]
    AuthRejected {
        /// Host and port, or the socket's folder.
        server: String,
        /// The user of the URL.
        user: String,
        /// What the server said.
        reason: String,
    },
    /// The server has no such database.
    #[error(
        "PostgreSQL at {server} has no database '{database}'; check its name in the database URL, or create it with `netraven db init`"
    )]
    DatabaseMissing {
        /// Host and port, or the socket's folder.
        server: String,
        /// The database of the URL.
        database: String,
    },
    /// The database has no NetRaven schema.
    #[error("the database has no NetRaven schema; create it with `netraven db init`")]
    SchemaMissing,
    /// The schema is an older release's.
    #[error(
        "the database schema has version {found}, this release needs {expected}; make a backup with `netraven db backup`, then bring it there with `netraven db migrate`"
    )]
    SchemaOutdated {
        /// Version of the database.
        found: i64,
        /// Version of this release.
        expected: i64,
    },
    /// The schema is a newer release's.
    #[error("the database schema has version {found}, this release knows {expected}; use the newer NetRaven")]
    SchemaTooNew {
        /// Version of the database.
        found: i64,
        /// Version of this release.
        expected: i64,
    },
    /// A migration that was applied is not the one this release ships, or it was left half-way.
    #[error(
        "migration {version} in the database is not this release's; restore a backup or use the NetRaven that made it"
    )]
    SchemaAltered {
        /// The migration's number.
        version: i64,
    },
    /// There is no such row.
    #[error("there is no {what} '{name}'")]
    NotFound {
        /// Kind of thing, e.g. `device`.
        what: &'static str,
        /// How it was asked for.
        name: String,
    },
    /// The name is taken.
    #[error("there is already a {what} '{name}'; choose another name")]
    Duplicate {
        /// Kind of thing, e.g. `device`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The caller's value cannot be stored.
    #[error("{what} cannot be used: {reason}")]
    Invalid {
        /// What was given, e.g. `the database URL`.
        what: &'static str,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// Something else still needs it.
    #[error("{what} '{name}' is still used by {by}; change or remove that first")]
    InUse {
        /// Kind of thing, e.g. `tag`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What needs it.
        by: String,
    },
    /// A rule gives the device the tag, and would at once give it again.
    #[error(
        "device '{device}' has the tag '{tag}' by rule {rule} ({condition}); remove it with `netraven tag rule remove {rule}`, or change what the device fits"
    )]
    GivenByRule {
        /// The device, as it was asked for.
        device: String,
        /// The tag.
        tag: String,
        /// The oldest rule that the device fits.
        rule: i64,
        /// What the rule asks for.
        condition: String,
    },
    /// Nobody could administer users any more.
    #[error("user '{name}' is the last active administrator; make somebody else an administrator first")]
    LastAdmin {
        /// The user.
        name: String,
    },
    /// Stored content is not what was stored.
    #[error(
        "version {seq} of device {device} is damaged in part '{part}': {reason}; restore the database from a backup"
    )]
    Corrupt {
        /// The device's id.
        device: i64,
        /// The version's number.
        seq: i64,
        /// Name of the part.
        part: String,
        /// What was found.
        reason: String,
    },
    /// The server or the connection failed in the middle of an operation.
    #[error("could not {operation}: {source}")]
    Query {
        /// What was being done.
        operation: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing: the server restarts, a lock or a
    /// connection was not to be had in time, two transactions got in each other's way.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Query { source, .. } => is_transient(source),
            _ => false,
        }
    }

    /// Whether the database refused what was in the rows, so that the same rows will be refused again: a value out of range, a
    /// broken constraint, a field that is too large (SQLSTATE classes 22, 23 and 54).
    pub fn is_about_the_rows(&self) -> bool {
        let Self::Query { source, .. } = self else { return false };
        let code = source.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
    }

    /// Whether the database role lacks a right.
    pub fn is_denied(&self) -> bool {
        let Self::Query { source, .. } = self else { return false };
        source.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42501")
    }

    /// For `map_err`: names the operation.
    pub(crate) fn query(operation: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Query { operation, source }
    }

    /// For `map_err`: an insert or a rename that may meet a name that is taken.
    pub(crate) fn unless_taken(
        operation: &'static str,
        what: &'static str,
        name: &str,
    ) -> impl Fn(sqlx::Error) -> Self {
        move |source| match source.as_database_error() {
            Some(error) if error.is_unique_violation() => Self::Duplicate { what, name: name.to_owned() },
            _ => Self::Query { operation, source },
        }
    }

    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { what, reason: reason.into() }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
        _ => false,
    }
}

/// SQLSTATE codes, PostgreSQL manual appendix A.
fn is_transient_code(code: &str) -> bool {
    matches!(
        code,
        // Serialization failure, deadlock, lock not available, statement timeout, idle transaction ended.
        "40001" | "40P01" | "55P03" | "57014" | "25P03"
        // A read-only server: a standby during a failover.
        | "25006"
        // Shutdown, crash of another session, start-up.
        | "57P01" | "57P02" | "57P03"
    ) || code.starts_with("08")
        // Disk, memory or connections used up.
        || code.starts_with("53")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_worth_a_retry_and_a_wrong_value_is_not() {
        for code in ["57P01", "57P03", "08006", "53300", "40P01"] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "28P01"] {
            assert!(!is_transient_code(code), "{code}");
        }
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(StoreError::query("list devices")(lost).is_transient());
        assert!(!StoreError::SchemaMissing.is_transient());
    }
}
