use crate::{Store, StoreError};
use serde::Serialize;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr};
use std::collections::HashSet;

/// Number, title and text of each migration, oldest first.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../../schema/migrations/0001_initial.sql")),
    (2, "customers", include_str!("../../../schema/migrations/0002_customers.sql")),
    (3, "gateway", include_str!("../../../schema/migrations/0003_gateway.sql")),
    (4, "vault", include_str!("../../../schema/migrations/0004_vault.sql")),
    (5, "credentials", include_str!("../../../schema/migrations/0005_credentials.sql")),
    (6, "scheduling", include_str!("../../../schema/migrations/0006_scheduling.sql")),
];

/// Where the migrator notes what it has applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// The texts of all migrations, oldest first.
pub(crate) fn migrations() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|(.., text)| *text)
}

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Initialized {
    /// Schema version before; `None` for a database without the schema.
    pub before: Option<i64>,
    /// Schema version now.
    pub now: i64,
}

/// One row of the table in which the applied migrations stand.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

impl Store {
    /// Whether the schema is exactly this release's.
    ///
    /// # Errors
    /// [`StoreError::SchemaMissing`], [`StoreError::SchemaOutdated`], [`StoreError::SchemaTooNew`],
    /// [`StoreError::SchemaAltered`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut connection = self.reader().acquire().await.map_err(StoreError::query("get a connection"))?;
        judge(&applied(&mut connection).await?, &migrator())
    }

    pub(crate) async fn schema_version(&self) -> Result<Option<i64>, StoreError> {
        let mut connection = self.reader().acquire().await.map_err(StoreError::query("get a connection"))?;
        Ok(applied(&mut connection).await?.last().map(|newest| newest.version))
    }
}

/// Applies the migrations that are missing, with the log tables' partitions. The schema is there, the connection acts as
/// its owner with `netraven` as its search path, and nobody else migrates at the same time.
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<Initialized, StoreError> {
    const PARTITIONS: &str = "SELECT netraven.ensure_log_partitions(now(), 2)";
    let applied = applied(connection).await?;
    let before = applied.last().map(|newest| newest.version);
    let expected = newest();
    if let Some(found) = before.filter(|found| *found > expected) {
        return Err(StoreError::SchemaTooNew { found, expected });
    }
    migrator().run(&mut *connection).await.map_err(migrate_error)?;
    let made = sqlx::query(PARTITIONS).execute(connection).await;
    made.map_err(StoreError::query("make the log tables' partitions"))?;
    Ok(Initialized { before, now: expected })
}

/// What stands in the schema in the way of the migrations: anything at all where none was applied, else what has the
/// name of a table that is still to come.
pub(crate) async fn foreign_objects(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    const OBJECTS: &str = "SELECT relname::text FROM pg_class
        WHERE relnamespace = to_regnamespace('netraven') AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY relname";
    let applied = applied(connection).await?;
    let found: Vec<String> = sqlx::query_scalar(OBJECTS)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("look at what the schema holds"))?;
    if applied.is_empty() {
        // The migrator's own table comes first, before any migration.
        return Ok(found.into_iter().filter(|name| name != MIGRATIONS_TABLE).collect());
    }
    let pending = MIGRATIONS.iter().filter(|(version, ..)| applied.iter().all(|row| row.version != *version));
    let coming: HashSet<&str> = pending
        .flat_map(|(.., sql)| sql.lines())
        .filter_map(|line| line.strip_prefix("CREATE TABLE netraven."))
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    Ok(found.into_iter().filter(|name| coming.contains(name.as_str())).collect())
}

/// Version of the schema; `None` where there is none.
pub(crate) async fn version(connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    Ok(applied(connection).await?.last().map(|newest| newest.version))
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, StoreError> {
    let failed = StoreError::query("read the schema's version");
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('netraven._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(&failed)?;
    if !exists {
        return Ok(Vec::new());
    }
    sqlx::query_as("SELECT version, success, checksum FROM netraven._sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(&failed)
}

/// Compares what was applied to a database with what this release would apply to a new one.
fn judge(applied: &[Applied], migrator: &Migrator) -> Result<(), StoreError> {
    let found = applied.last().ok_or(StoreError::SchemaMissing)?.version;
    let expected = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > expected {
        return Err(StoreError::SchemaTooNew { found, expected });
    }
    for row in applied {
        let known = migrator.iter().find(|migration| migration.version == row.version);
        if !row.success || known.is_none_or(|migration| *migration.checksum != *row.checksum) {
            return Err(StoreError::SchemaAltered { version: row.version });
        }
    }
    if found < expected { Err(StoreError::SchemaOutdated { found, expected }) } else { Ok(()) }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, title, sql)| {
            Migration::new(*version, (*title).into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    // We hold our own lock, which also covers the creation of the schema.
    migrator.set_locking(false);
    migrator
}

/// Version of this release's schema.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            StoreError::Query { operation: "bring the schema to this release", source }
        }
        MigrateError::VersionMismatch(version)
        | MigrateError::VersionMissing(version)
        | MigrateError::Dirty(version) => StoreError::SchemaAltered { version },
        other => StoreError::Query { operation: "bring the schema to this release", source: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: i64, sql: &'static str) -> Migration {
        Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false)
    }

    fn applied(version: i64, sql: &'static str) -> Applied {
        Applied { version, success: true, checksum: migration(version, sql).checksum.into_owned() }
    }

    #[test]
    fn a_schema_is_ready_when_it_is_exactly_this_releases() {
        let known = Migrator::with_migrations(vec![migration(1, "a"), migration(2, "b")]);
        let judge = |rows: &[Applied]| judge(rows, &known);
        assert!(judge(&[applied(1, "a"), applied(2, "b")]).is_ok());
        assert!(matches!(judge(&[]), Err(StoreError::SchemaMissing)));
        assert!(matches!(
            judge(&[applied(1, "a")]),
            Err(StoreError::SchemaOutdated { found: 1, expected: 2 })
        ));
        let newer = [applied(1, "a"), applied(2, "b"), applied(3, "c")];
        assert!(matches!(judge(&newer), Err(StoreError::SchemaTooNew { found: 3, expected: 2 })));
        assert!(matches!(judge(&[applied(1, "other")]), Err(StoreError::SchemaAltered { version: 1 })));
        let half = Applied { success: false, ..applied(1, "a") };
        assert!(matches!(judge(&[half]), Err(StoreError::SchemaAltered { version: 1 })));
    }
}
