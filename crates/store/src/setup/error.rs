use crate::StoreError;
use crate::access::LoginsError;
use crate::validate::Report;
use std::path::PathBuf;
use thiserror::Error;

/// Why a database could not be made NetRaven's. What was done before stays; the same call goes on from there.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file with the roles' passwords.
    #[error(transparent)]
    Logins(#[from] LoginsError),
    /// The server did not get ready in time.
    #[error("waited {seconds} s for PostgreSQL: {last}")]
    NotReady {
        /// How long.
        seconds: u64,
        /// The last error.
        last: StoreError,
    },
    /// PostgreSQL is too old.
    #[error(
        "PostgreSQL {found} is too old, NetRaven needs {needed} or later; upgrade the server, or use another one"
    )]
    ServerTooOld {
        /// Its version.
        found: String,
        /// The oldest major version that will do.
        needed: u32,
    },
    /// The server cannot be written to.
    #[error("the server is a standby and takes no changes; name the primary in the database URL")]
    Standby,
    /// Texts of devices would not fit.
    #[error(
        "database '{database}' has the encoding {found}, NetRaven needs UTF8; create it with `createdb -E UTF8 -T template0 {database}`"
    )]
    WrongEncoding {
        /// The database.
        database: String,
        /// Its encoding.
        found: String,
    },
    /// There is no such database, and the user may not create it.
    #[error(
        "there is no database '{database}', and user '{user}' may not create it; let an administrator run `createdb -E UTF8 -T template0 {database}`"
    )]
    NoDatabase {
        /// The database.
        database: String,
        /// Who tried.
        user: String,
    },
    /// The schema `netraven` has things that NetRaven did not make.
    #[error(
        "the schema 'netraven' holds what NetRaven did not make: {}; move it away with `ALTER SCHEMA netraven RENAME TO something_else`, or drop it if nobody needs it",
        .objects.join(", ")
    )]
    ForeignObjects {
        /// Names of tables, views and sequences, some of them at least.
        objects: Vec<String>,
    },
    /// The user lacks a right.
    #[error(
        "user '{user}' may not {what}; give its URL to somebody who may, or let an administrator run what `netraven db init --sql` prints, with `--new-passwords` for new passwords"
    )]
    NotAllowed {
        /// Who tried.
        user: String,
        /// What was tried.
        what: String,
    },
    /// The roles were made from another machine.
    #[error(
        "the roles {} exist on the server, and {path} with their passwords is not here; copy it from the machine where `netraven db init` ran, or set new passwords with `netraven db init --new-passwords` and give every machine the new file, or choose another `database.role_prefix` where they are another installation's",
        .roles.join(", ")
    )]
    RolesWithoutPasswords {
        /// Their names.
        roles: Vec<String>,
        /// Where the passwords should be.
        path: PathBuf,
    },
    /// The file is for another server or other roles.
    #[error(
        "{path} holds the passwords for {found}, the settings name {expected}; move it away, or use the setting `database.logins_file` for another place"
    )]
    OtherServer {
        /// The file.
        path: PathBuf,
        /// The server it is for.
        found: String,
        /// The server in use.
        expected: String,
    },
    /// A role cannot log in.
    #[error(
        "role '{role}' cannot log in: {reason}; if its password was changed, set new ones with `netraven db init --new-passwords`, else see that pg_hba.conf lets it in with scram-sha-256"
    )]
    LoginRefused {
        /// The role's name.
        role: String,
        /// What the server said.
        reason: StoreError,
    },
    /// The schema is not what this release ships.
    #[error(
        "the schema is not this release's: {0}; see all differences with `netraven db validate`, then mend them or restore a backup"
    )]
    Differs(Report),
}

impl SetupError {
    /// Whether new passwords for all roles would help, and nothing else would be lost with the file they stand in.
    pub fn needs_new_passwords(&self) -> bool {
        match self {
            Self::RolesWithoutPasswords { .. } => true,
            Self::LoginRefused { reason, .. } => matches!(reason, StoreError::AuthRejected { .. }),
            _ => false,
        }
    }
}
