//! Who may do what in the database: the roles, their rights and their logins.
//!
//! `schema/access.txt` says which role may do what, `schema/columns.txt` which column may be seen by whom. Both are
//! read here and nowhere else; grants, validation and tests all follow from them.

mod columns;
mod logins;
mod matrix;
mod password;

pub(crate) use columns::TEXT as COLUMNS;
pub use columns::{Class, Columns};
pub use logins::{Logins, LoginsError};
pub(crate) use matrix::TEXT as MATRIX;
pub use matrix::{Matrix, Right, Verb};
pub(crate) use password::verifier;

use crate::StoreError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A role of NetRaven's in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Owns the tables. Nobody logs in as it; administrators act as it in migrations.
    Owner,
    /// Commits what sessions brought.
    Gateway,
    /// Keeps schedules, runs and jobs.
    Scheduler,
    /// Writes the job log.
    Joblog,
    /// Does what people ask for: command line, public API.
    Api,
    /// Encrypts secrets anew.
    Rotator,
    /// Gives back the secrets of configurations.
    Revealer,
    /// Tells people and other systems what changed.
    Notifier,
    /// Reads everything for dumps.
    Backup,
    /// Reads what may stand in reports.
    Readonly,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 10] = [
        Self::Owner,
        Self::Gateway,
        Self::Scheduler,
        Self::Joblog,
        Self::Api,
        Self::Rotator,
        Self::Revealer,
        Self::Notifier,
        Self::Backup,
        Self::Readonly,
    ];

    /// Those that log in: all but the owner.
    pub fn services() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|role| *role != Self::Owner)
    }

    /// Its name without the prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gateway => "gateway",
            Self::Scheduler => "scheduler",
            Self::Joblog => "joblog",
            Self::Api => "api",
            Self::Rotator => "rotator",
            Self::Revealer => "revealer",
            Self::Notifier => "notifier",
            Self::Backup => "backup",
            Self::Readonly => "readonly",
        }
    }

    /// What it is for, as a short phrase.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Owner => "owns the tables; nobody logs in as it",
            Self::Gateway => "commits versions and the state of devices and jobs",
            Self::Scheduler => "keeps schedules, runs and jobs, and chooses credentials",
            Self::Joblog => "writes the job log, alone",
            Self::Api => "command line and API: inventory, people, settings",
            Self::Rotator => "reads and writes ciphertexts, and nothing else",
            Self::Revealer => "reads the secrets of configurations, each time with an audit entry",
            Self::Notifier => "hands state changes of devices to webhooks and e-mail",
            Self::Backup => "reads everything for dumps",
            Self::Readonly => "reports: reads public columns",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether it may write nothing at all.
    pub(crate) fn is_read_only(self) -> bool {
        matches!(self, Self::Backup | Self::Readonly)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the names of NetRaven's roles begin with. Roles belong to a whole server, so two installations on one server
/// need two prefixes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePrefix(String);

impl RolePrefix {
    /// Longest prefix: with the longest role it stays within PostgreSQL's 63 bytes for a name.
    const LONGEST: usize = 48;

    /// A prefix of lower-case letters, digits and underscores that begins with a letter.
    ///
    /// # Errors
    /// [`StoreError::Invalid`].
    pub fn new(prefix: &str) -> Result<Self, StoreError> {
        let fits = prefix.len() <= Self::LONGEST
            && prefix.starts_with(|c: char| c.is_ascii_lowercase())
            && prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !prefix.starts_with("pg_");
        if fits {
            return Ok(Self(prefix.to_owned()));
        }
        let reason = format!(
            "'{prefix}' was given; expected 1 to {} lower-case letters, digits and underscores, a letter first, not 'pg_'",
            Self::LONGEST
        );
        Err(StoreError::invalid("the prefix of the database roles", reason))
    }

    /// The name of a role on the server. Needs no quotes in SQL.
    pub fn role_name(&self, role: Role) -> String {
        format!("{}_{}", self.0, role.as_str())
    }

    /// The prefix itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RolePrefix {
    fn default() -> Self {
        Self("netraven".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_names_fit_postgresql_and_need_no_quotes() {
        let longest = RolePrefix::new(&"x".repeat(RolePrefix::LONGEST)).unwrap();
        for role in Role::ALL {
            assert!(longest.role_name(role).len() <= 63);
            assert_eq!(Role::from_name(role.as_str()), Some(role));
        }
        for wrong in ["", "Netraven", "1x", "a-b", "a b", "x;drop", "pg_x", "_x", "ü", &"x".repeat(49)] {
            assert!(RolePrefix::new(wrong).is_err(), "{wrong}");
        }
    }
}
