//! Comparing two clusters after a dump and load.

use super::build::SUPERUSER;
use super::error::PrivateError;
use super::secret::reveal;
use super::transfer::Access;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use std::collections::BTreeMap;

/// How many rows each table of each database has, and where each sequence stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    tables: BTreeMap<String, i64>,
    sequences: BTreeMap<String, Option<i64>>,
}

impl Content {
    /// Counts everything, database by database.
    pub(super) async fn read(access: &Access<'_>) -> Result<Self, PrivateError> {
        let mut content = Self::default();
        for database in databases(access).await? {
            let mut connection = connect(access, &database).await?;
            for table in names(&mut connection, TABLES, "listing tables").await? {
                let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM ONLY {table}")));
                let rows =
                    count.fetch_one(&mut connection).await.map_err(PrivateError::query("counting rows"))?;
                content.tables.insert(format!("{database}: {table}"), rows);
            }
            let sequences: Vec<(String, Option<i64>)> = sqlx::query_as(SEQUENCES)
                .fetch_all(&mut connection)
                .await
                .map_err(PrivateError::query("reading sequences"))?;
            let named = |(name, value)| (format!("{database}: {name}"), value);
            content.sequences.extend(sequences.into_iter().map(named));
            close(connection).await;
        }
        Ok(content)
    }

    pub(super) fn tables(&self) -> usize {
        self.tables.len()
    }

    pub(super) fn rows(&self) -> u64 {
        self.tables.values().map(|&rows| rows.unsigned_abs()).sum()
    }
}

/// Gives back the old content if the new one is the same, else names the first difference.
pub(super) fn compare(old: Content, new: &Content) -> Result<Content, PrivateError> {
    let difference = differing("table", "rows", &old.tables, &new.tables)
        .or_else(|| differing("sequence", "as last value", &old.sequences, &new.sequences));
    match difference {
        None => Ok(old),
        Some(difference) => Err(PrivateError::UpgradeDiffers { difference }),
    }
}

/// The databases that hold anything of anybody's.
pub(super) async fn databases(access: &Access<'_>) -> Result<Vec<String>, PrivateError> {
    let mut connection = connect(access, SUPERUSER).await?;
    let names = names(&mut connection, DATABASES, "listing databases").await;
    close(connection).await;
    names
}

/// Gathers the planner's statistics, which a dump does not carry.
pub(super) async fn analyze(access: &Access<'_>) -> Result<(), PrivateError> {
    for database in databases(access).await? {
        let mut connection = connect(access, &database).await?;
        sqlx::query("ANALYZE").execute(&mut connection).await.map_err(PrivateError::query("ANALYZE"))?;
        close(connection).await;
    }
    Ok(())
}

const DATABASES: &str = "SELECT datname::text FROM pg_database \
     WHERE datallowconn AND datname NOT IN ('template0', 'template1') ORDER BY datname";
const TABLES: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') \
     AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1";
const SEQUENCES: &str =
    "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences ORDER BY 1";

fn differing<V: PartialEq + std::fmt::Debug>(
    kind: &str,
    unit: &str,
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
) -> Option<String> {
    let lost_or_changed = old.iter().find(|(name, value)| new.get(*name) != Some(value));
    let (name, value) = lost_or_changed.or_else(|| new.iter().find(|(name, _)| !old.contains_key(*name)))?;
    match (old.get(name), new.get(name)) {
        (Some(_), Some(other)) => Some(format!("{kind} {name} had {value:?} {unit} and now has {other:?}")),
        (Some(_), None) => Some(format!("{kind} {name} is missing in the new cluster")),
        (None, _) => Some(format!("{kind} {name} is only in the new cluster")),
    }
}

async fn connect(access: &Access<'_>, database: &str) -> Result<PgConnection, PrivateError> {
    PgConnectOptions::new_without_pgpass()
        .socket(access.socket_dir)
        .port(access.port)
        .username(SUPERUSER)
        .password(reveal(access.password))
        .database(database)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(PrivateError::query("connecting for the comparison"))
}

/// Everything wanted has been read; a connection that does not close nicely loses nothing.
async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "connection not closed in order");
    }
}

async fn names(
    connection: &mut PgConnection,
    sql: &'static str,
    operation: &'static str,
) -> Result<Vec<String>, PrivateError> {
    sqlx::query_scalar(sql).fetch_all(connection).await.map_err(PrivateError::query(operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(tables: &[(&str, i64)], sequences: &[(&str, i64)]) -> Content {
        let named = |(name, value): &(&str, i64)| ((*name).to_owned(), *value);
        Content {
            tables: tables.iter().map(named).collect(),
            sequences: sequences.iter().map(named).map(|(name, value)| (name, Some(value))).collect(),
        }
    }

    #[test]
    fn equal_content_passes_and_is_counted() {
        let same = || content(&[("a: x", 3), ("b: y", 4)], &[("a: s", 9)]);
        let passed = compare(same(), &same()).unwrap();
        assert_eq!((passed.tables(), passed.rows()), (2, 7));
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let old = || content(&[("a: x", 3)], &[("a: s", 9)]);
        for (new, complaint) in [
            (content(&[("a: x", 2)], &[("a: s", 9)]), "table a: x had 3 rows and now has 2"),
            (content(&[], &[("a: s", 9)]), "table a: x is missing in the new cluster"),
            (content(&[("a: x", 3), ("a: z", 0)], &[("a: s", 9)]), "table a: z is only in the new cluster"),
            (
                content(&[("a: x", 3)], &[("a: s", 1)]),
                "sequence a: s had Some(9) as last value and now has Some(1)",
            ),
        ] {
            let error = compare(old(), &new).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
