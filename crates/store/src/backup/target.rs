//! The database into which a backup is restored: whether it may be, and whether all arrived.

use super::archive::Archive;
use super::error::{BackupError, listed};
use super::manifest::Manifest;
use super::snapshot::{count, qualified, quoted, sealed_columns, tables};
use super::verify::difference;
use crate::StoreError;
use crate::audit::{self, Action, Actor, Details, Entry};
use crate::secrets::SealedKey;
use sqlx::{AssertSqlSafe, PgConnection};

/// Where a new database gets the extension.
const USUAL_SCHEMA: &str = "public";

/// One ciphertext as it stands in the database, and its place, which is authenticated with it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SealedSample {
    /// The table.
    #[sqlx(skip)]
    pub table: String,
    /// The column.
    #[sqlx(skip)]
    pub column: String,
    /// The row's id.
    pub row: i64,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

/// Refuses a server that is too old, an extension in the wrong place, and a schema that is not empty. Answers the
/// server's major version.
pub(super) async fn check(connection: &mut PgConnection, manifest: &Manifest) -> Result<u32, BackupError> {
    const LOOK: &str = "SELECT current_setting('server_version_num')::int / 10000, current_database()::text, \
         (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
           WHERE e.extname = 'pg_trgm'), \
         ARRAY (SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('netraven') \
             AND relkind NOT IN ('i', 'I', 't') \
           UNION SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace('netraven') ORDER BY 1)";
    let (server, database, trigrams_in, content): (i32, String, Option<String>, Vec<String>) =
        sqlx::query_as(LOOK)
            .fetch_one(connection)
            .await
            .map_err(StoreError::query("look at the database"))?;
    let server = u32::try_from(server).unwrap_or_default();
    if !content.is_empty() {
        return Err(BackupError::Occupied { database, content: listed(&content) });
    }
    if server < manifest.postgresql_major {
        return Err(BackupError::ServerTooOld { backup: manifest.postgresql_major, server });
    }
    check_extension(manifest.trigrams_in.as_deref(), trigrams_in)?;
    Ok(server)
}

/// Indexes in the dump name the schema of the extension.
fn check_extension(wanted: Option<&str>, found: Option<String>) -> Result<(), BackupError> {
    let Some(wanted) = wanted.filter(|wanted| *wanted != found.as_deref().unwrap_or(USUAL_SCHEMA)) else {
        return Ok(());
    };
    let schema = quoted(wanted);
    let (found, sql) = match found {
        Some(found) => {
            (format!("is in schema '{found}'"), format!("ALTER EXTENSION pg_trgm SET SCHEMA {schema}"))
        }
        None => ("does not exist".to_owned(), format!("CREATE EXTENSION pg_trgm SCHEMA {schema}")),
    };
    Err(BackupError::Extension { wanted: wanted.to_owned(), found, sql })
}

/// Compares the rows of every table with the manifest. Where they differ, the schema is dropped.
pub(super) async fn compare(connection: &mut PgConnection, manifest: &Manifest) -> Result<(), BackupError> {
    let tables = tables(connection).await?;
    let found = count(connection, &tables).await?;
    let Some(difference) = difference(&manifest.rows, &found) else { return Ok(()) };
    sqlx::raw_sql("DROP SCHEMA netraven CASCADE")
        .execute(connection)
        .await
        .map_err(StoreError::query("remove what was restored, because it differs from the backup"))?;
    Err(BackupError::Differs { difference })
}

/// What the tables' owner does last: statistics, without which the services' first statements would be planned badly,
/// and the entry of the audit trail, which continues the one that was restored.
pub(super) async fn complete(
    connection: &mut PgConnection,
    owner: &str,
    actor: &Actor,
    archive: &Archive,
) -> Result<(), BackupError> {
    let failed = StoreError::query("gather statistics of the restored tables");
    let names: Vec<String> = tables(connection).await?.iter().map(|table| qualified(table)).collect();
    let sql = format!("SET ROLE {owner}; ANALYZE {}", names.join(", "));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.map_err(&failed)?;
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(&failed)?;
    let (file, bytes) = (archive.path.display().to_string(), archive.manifest.size_bytes);
    let entry = Entry::new(Action::DatabaseRestored, database).with(Details::Dump { file, bytes });
    audit::write(connection, actor, &entry).await?;
    sqlx::raw_sql("RESET ROLE").execute(connection).await.map_err(&failed)?;
    Ok(())
}

/// One data key of a capture for each key that wraps them.
pub(super) async fn data_keys(connection: &mut PgConnection) -> Result<Vec<SealedKey>, BackupError> {
    const ONE_OF_EACH: &str =
        "SELECT DISTINCT ON (k.key_number) k.device_id, d.uuid, k.id, k.key_number, k.wrapped
        FROM netraven.sealed_keys k JOIN netraven.devices d ON d.id = k.device_id ORDER BY k.key_number";
    let found = sqlx::query_as(ONE_OF_EACH).fetch_all(connection).await;
    Ok(found.map_err(StoreError::query("look at the stored data keys"))?)
}

/// One ciphertext of each key and column.
pub(super) async fn samples(connection: &mut PgConnection) -> Result<Vec<SealedSample>, BackupError> {
    let mut samples = Vec::new();
    for (table, column) in sealed_columns(connection).await? {
        // The first five bytes are format and key number.
        let sql = format!(
            "SELECT DISTINCT ON (substring({column} FOR 5)) id AS row, {column} AS ciphertext FROM {} \
             WHERE {column} IS NOT NULL",
            qualified(&table),
            column = quoted(&column),
        );
        let found: Vec<SealedSample> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::query("look at the stored secrets"))?;
        samples.extend(found.into_iter().map(|sample| SealedSample {
            table: table.clone(),
            column: column.clone(),
            ..sample
        }));
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_must_stand_where_the_indexes_look_for_it() {
        for (wanted, found) in [(None, None), (Some("public"), None), (Some("ext"), Some("ext"))] {
            assert!(check_extension(wanted, found.map(str::to_owned)).is_ok(), "{wanted:?} {found:?}");
        }
        let error = check_extension(Some("my ext"), None).unwrap_err().to_string();
        assert!(
            error.ends_with("let an administrator run `CREATE EXTENSION pg_trgm SCHEMA \"my ext\"`"),
            "{error}"
        );
        let error = check_extension(Some("public"), Some("ext".to_owned())).unwrap_err().to_string();
        assert!(error.contains("here it is in schema 'ext'; let"), "{error}");
        assert!(error.ends_with("run `ALTER EXTENSION pg_trgm SET SCHEMA \"public\"`"), "{error}");
    }

    #[test]
    fn what_stands_in_the_way_is_named_briefly() {
        let names: Vec<String> = (1..=7).map(|number| format!("t{number}")).collect();
        assert_eq!(listed(&names[..2]), "t1, t2");
        assert_eq!(listed(&names), "t1, t2, t3, t4, t5 and 2 more");
    }
}
