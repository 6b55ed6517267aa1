//! One moment of the database: what is counted in it and what `pg_dump` reads of it agree, whatever is written meanwhile.

use super::error::BackupError;
use crate::access::{Class, Columns};
use crate::connect::connect_alone;
use crate::{ConnectSettings, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Enough of a ciphertext to tell its key; see the vault's envelope.
const HEAD_BYTES: usize = 17;
/// The secrets of captures name their key in a column of their own, and their ciphertexts begin with random bytes.
const CAPTURES: [&str; 2] = ["sealed_keys", "sealed_values"];
/// How often the tables are listed again when one has gone before it was locked.
const ATTEMPTS: u32 = 3;
/// SQLSTATE of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// An open transaction whose snapshot other connections can use as long as it lasts.
pub(super) struct Snapshot {
    connection: PgConnection,
    /// The name under which `pg_dump` takes it over.
    pub(super) id: String,
    /// What the manifest says about where the backup came from.
    pub(super) origin: Origin,
    tables: Vec<String>,
}

/// Where a backup came from.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Origin {
    pub(super) postgresql: String,
    pub(super) major: i32,
    pub(super) database: String,
    #[sqlx(skip)]
    pub(super) schema_version: i64,
    #[sqlx(skip)]
    pub(super) installation: Option<Uuid>,
    pub(super) trigrams_in: Option<String>,
}

impl Snapshot {
    /// Opens it and locks all tables against being dropped or altered, not against being written to.
    pub(super) async fn open(settings: &ConnectSettings) -> Result<Self, BackupError> {
        let mut attempt = 1;
        loop {
            match Self::try_open(settings).await {
                Err(BackupError::Store(StoreError::Query { source, .. }))
                    if attempt < ATTEMPTS && is_missing_table(&source) =>
                {
                    attempt += 1;
                }
                opened => return opened,
            }
        }
    }

    async fn try_open(settings: &ConnectSettings) -> Result<Self, BackupError> {
        // The server's own limits could end a transaction that waits for pg_dump.
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        const ORIGIN: &str = "SELECT current_setting('server_version') AS postgresql, \
             current_setting('server_version_num')::int / 10000 AS major, current_database()::text AS database, \
             (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
               WHERE e.extname = 'pg_trgm') AS trigrams_in";
        let failed = StoreError::query("take a snapshot for the backup");
        let mut connection = connect_alone(settings).await?;
        sqlx::raw_sql(BEGIN).execute(&mut connection).await.map_err(&failed)?;
        let lock_timeout = settings.lock_timeout.as_millis().clamp(1, i32::MAX as u128).to_string();
        let limit = sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(lock_timeout);
        limit.execute(&mut connection).await.map_err(&failed)?;
        let mut origin: Origin = sqlx::query_as(ORIGIN).fetch_one(&mut connection).await.map_err(&failed)?;
        origin.schema_version = schema_version(&mut connection).await?.ok_or(StoreError::SchemaMissing)?;
        origin.installation = installation(&mut connection).await?;
        check_readable(&mut connection).await?;
        let tables = tables(&mut connection).await?;
        let names: Vec<String> = tables.iter().map(|table| qualified(table)).collect();
        let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", names.join(", ONLY "));
        sqlx::query(AssertSqlSafe(lock)).execute(&mut connection).await.map_err(&failed)?;
        let id = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut connection).await;
        Ok(Self { id: id.map_err(&failed)?, connection, origin, tables })
    }

    /// The rows of every table; of a partitioned one those of its partitions, under their names.
    pub(super) async fn count(&mut self) -> Result<BTreeMap<String, u64>, StoreError> {
        count(&mut self.connection, &self.tables).await
    }

    /// The beginnings of the ciphertexts of credentials, one of each key.
    pub(super) async fn ciphertext_heads(&mut self) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let failed = StoreError::query("look which keys the stored secrets need");
        let mut heads = BTreeSet::new();
        for (table, column) in sealed_columns(&mut self.connection).await? {
            // Format and key number; the rest of the head differs from row to row.
            let sql = format!(
                "SELECT DISTINCT ON (substring({column} FOR 5)) substring({column} FOR {HEAD_BYTES}) FROM {} \
                 WHERE {column} IS NOT NULL",
                qualified(&table),
                column = quoted(&column),
            );
            let found: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_all(&mut self.connection)
                .await
                .map_err(&failed)?;
            heads.extend(found);
        }
        Ok(heads)
    }

    /// The numbers of the keys with which the data keys of captures are wrapped.
    pub(super) async fn data_key_numbers(&mut self) -> Result<BTreeSet<u32>, StoreError> {
        let failed = StoreError::query("look which keys the secrets of configurations need");
        // An older release has no such table.
        if !self.tables.iter().any(|table| table == "sealed_keys") {
            return Ok(BTreeSet::new());
        }
        let numbers: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT key_number FROM netraven.sealed_keys")
            .fetch_all(&mut self.connection)
            .await
            .map_err(&failed)?;
        Ok(numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect())
    }

    /// Ends the transaction.
    pub(super) async fn close(self) {
        // Nothing was written, so that there is nothing to lose.
        drop(self.connection.close().await);
    }
}

/// The schema is dumped as a whole: without somebody's own table, a view of it could not be restored.
async fn check_readable(connection: &mut PgConnection) -> Result<(), BackupError> {
    const UNREADABLE: &str = "SELECT current_user::text, c.relname::text, \
             format('GRANT SELECT ON %s netraven.%I TO %I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, \
                 c.relname, current_user) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'netraven' AND c.relkind IN ('r', 'p', 'm', 'S') \
             AND NOT has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname";
    let found: Vec<(String, String, String)> = sqlx::query_as(UNREADABLE)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("see whether all tables may be read"))?;
    let Some((user, _, sql)) = found.first().cloned() else { return Ok(()) };
    let objects = found.into_iter().map(|(_, name, _)| name).collect();
    Err(BackupError::Unreadable { user, objects, sql })
}

/// The tables that have rows of their own, with a schema that has none of them an empty list.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'netraven' AND c.relkind = 'r' ORDER BY c.relname",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::query("list the tables"))
}

/// The rows of each table.
pub(super) async fn count(
    connection: &mut PgConnection,
    tables: &[String],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!("SELECT count(*) FROM ONLY {}", qualified(table));
        let counted: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::query("count the rows of a table"))?;
        rows.insert(table.clone(), counted.max(0).unsigned_abs());
    }
    Ok(rows)
}

/// Table and column of every ciphertext of a single secret that this database has, which may be an older release's.
pub(super) async fn sealed_columns(
    connection: &mut PgConnection,
) -> Result<Vec<(String, String)>, StoreError> {
    let columns = Columns::shipped()?;
    let there: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'netraven' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::query("list the columns"))?;
    let is_sealed = |table: &str, column: &str| {
        !CAPTURES.contains(&table)
            && columns.of(table).any(|(name, class)| name == column && class == Class::Sealed)
    };
    Ok(there.into_iter().filter(|(table, column)| is_sealed(table, column)).collect())
}

/// The newest migration that was applied; `None` without a schema.
async fn schema_version(connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let failed = StoreError::query("read the schema's version");
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('netraven._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(&failed)?;
    if !exists {
        return Ok(None);
    }
    let newest = sqlx::query_scalar("SELECT max(version) FROM netraven._sqlx_migrations");
    newest.fetch_one(connection).await.map_err(&failed)
}

/// Which installation the database belongs to; `None` in one of a release before that, or without the row.
pub(super) async fn installation(connection: &mut PgConnection) -> Result<Option<Uuid>, StoreError> {
    let failed = StoreError::query("ask which installation this is");
    let known: bool = sqlx::query_scalar("SELECT to_regclass('netraven.installation') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(&failed)?;
    if !known {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT id FROM netraven.installation")
        .fetch_optional(connection)
        .await
        .map_err(&failed)
}

/// A table's name in SQL.
pub(super) fn qualified(table: &str) -> String {
    format!("netraven.{}", quoted(table))
}

/// A name in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == UNDEFINED_TABLE)
}
