//! Is the database exactly what this release ships? Tables, columns, types, indexes, constraints, triggers, functions,
//! the extension, and who may do what. `schema/catalog.txt` is what it should be; a test writes it from a fresh schema.

mod catalog;
mod rights;

use crate::access::RolePrefix;
use crate::{Store, StoreError};
use catalog::Catalog;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use std::fmt;

/// How the database differs from what this release ships.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Number of objects and rights that were compared.
    pub checked: usize,
    /// What is missing or different: services refuse to work with that.
    pub errors: Vec<Difference>,
    /// What is there in addition, such as an index of the customer's own.
    pub warnings: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// `table`, `column`, `index`, `constraint`, `right`, ...
    pub kind: String,
    /// Its name, with its table's where it belongs to one.
    pub name: String,
    /// What this release ships; `None` for what is there in addition.
    pub expected: Option<String>,
    /// What is there; `None` where it is missing.
    pub found: Option<String>,
}

impl Report {
    /// Whether services may work with the database.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

impl fmt::Display for Report {
    /// The first differences, for one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (at, difference) in self.errors.iter().take(SHOWN).enumerate() {
            write!(f, "{}{difference}", if at == 0 { "" } else { "; " })?;
        }
        match self.errors.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, expected, found } = self;
        match (expected, found) {
            (Some(_), None) => write!(f, "{kind} {name} is missing"),
            (None, Some(_)) => write!(f, "{kind} {name} is there in addition"),
            (Some(expected), Some(found)) => write!(f, "{kind} {name} is `{found}`, expected `{expected}`"),
            (None, None) => write!(f, "{kind} {name}"),
        }
    }
}

impl Store {
    /// Compares the database with what this release ships, the rights for roles of this prefix. Every role may do this.
    ///
    /// # Errors
    /// [`StoreError::SchemaMissing`], [`StoreError::SchemaOutdated`] and the like where a comparison would say nothing.
    pub async fn validate(&self, prefix: &RolePrefix) -> Result<Report, StoreError> {
        self.ready().await?;
        let mut connection = self.reader().acquire().await.map_err(StoreError::query("get a connection"))?;
        compare(&mut connection, prefix).await
    }
}

/// As [`Store::validate`], on one connection.
pub(crate) async fn compare(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
) -> Result<Report, StoreError> {
    let failed = StoreError::query("compare the schema");
    // What one statement finds must fit what the next one finds.
    let mut tx =
        connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(&failed)?;
    let mut report = Catalog::shipped()?.compare(&Catalog::read(&mut tx).await?);
    rights::compare(&mut tx, prefix, &mut report).await?;
    tx.rollback().await.map_err(&failed)?;
    report.errors.sort();
    report.warnings.sort();
    Ok(report)
}

/// The names of the tables and functions that this release ships; what else stands in the schema is a customer's.
pub(crate) fn known_names() -> Result<Vec<String>, StoreError> {
    Ok(Catalog::shipped()?.names().chain(["_sqlx_migrations"]).map(str::to_owned).collect())
}

/// What the database's catalogue says now, in the form of `schema/catalog.txt`.
pub async fn catalog_text(store: &Store) -> Result<String, StoreError> {
    let mut tx = store.begin("read the catalogue").await?;
    Ok(Catalog::read(&mut tx).await?.to_text())
}
