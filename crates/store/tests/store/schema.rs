use netraven_model::{
    ChangeKind, ChannelKind, DeliveryStatus, EventLevel, JobKind, JobStatus, Outcome, PartKind,
};
use netraven_store::setup::{self, SetupError};
use netraven_store::testing::{TestDatabase, skip_or_fail};
use netraven_store::{StoreError, jobs};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::{Path, PathBuf};
use std::process::Command;

async fn connection(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

async fn execute(database: &TestDatabase, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut connection(database).await).await.unwrap();
}

async fn set_up(database: &TestDatabase) -> Result<(), StoreError> {
    match setup::initialize(&database.setup().await, None, &|_| {}).await {
        Err(SetupError::Store(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let Some(database) = TestDatabase::create().await else { return };
    execute(
        &database,
        "INSERT INTO netraven._sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', true, '', 0)",
    )
    .await;
    let store = database.store().await;
    for refused in [store.ready().await, set_up(&database).await] {
        assert!(matches!(refused, Err(StoreError::SchemaTooNew { found: 9999, expected: 6 })), "{refused:?}");
    }
}

#[tokio::test]
async fn an_altered_or_half_made_migration_is_refused() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.store().await;
    for sql in [
        "UPDATE netraven._sqlx_migrations SET checksum = 'x'",
        "UPDATE netraven._sqlx_migrations SET success = false",
    ] {
        execute(&database, sql).await;
        for refused in [store.ready().await, set_up(&database).await] {
            assert!(matches!(refused, Err(StoreError::SchemaAltered { version: 1 })), "{refused:?}");
        }
    }
}

/// Set this variable to write `schema/schema.sql` anew from the migrations.
const REGENERATE: &str = "NETRAVEN_WRITE_SCHEMA";

#[tokio::test]
async fn schema_sql_is_what_the_migrations_make() {
    let Some(pg_dump) = pg_dump() else {
        return skip_or_fail("pg_dump is not installed; the package is called postgresql-client");
    };
    let Some(migrated) = TestDatabase::create().await else { return };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/schema.sql");
    let dump = dump(&pg_dump, &migrated);
    if std::env::var_os(REGENERATE).is_some() {
        let head = "-- The whole schema at a glance: what the migrations make, written by a test (see README.md here).\n\n";
        std::fs::write(&file, format!("{head}{dump}")).unwrap();
    }
    // Loaded and dumped again, so that the words of one release of pg_dump do not matter.
    let Some(loaded) = TestDatabase::empty().await else { return };
    let sql = std::fs::read_to_string(&file).unwrap();
    execute(&loaded, "CREATE EXTENSION pg_trgm SCHEMA public").await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection(&loaded).await).await.unwrap();
    let from_file = self::dump(&pg_dump, &loaded);
    assert!(from_file == dump, "schema.sql is not what the migrations make; write it with {REGENERATE}=1");
}

fn pg_dump() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).map(|folder| folder.join("pg_dump")).collect::<Vec<_>>())
        .unwrap_or_default();
    // Debian keeps each major version in a folder of its own; the newest can dump all older ones.
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin/pg_dump")))
        })
        .collect();
    versions.sort_unstable();
    let versions = versions.into_iter().rev().map(|(_, path)| path);
    versions.chain(on_path).find(|path| path.exists())
}

/// The schema without the months' partitions, which depend on the day, and without the migrator's own table.
fn dump(pg_dump: &Path, database: &TestDatabase) -> String {
    let output = Command::new(pg_dump)
        .args(["--schema-only", "--no-owner", "--no-privileges", "--schema=netraven"])
        .args(["--exclude-table=netraven.*_y[0-9]*m[0-9]*", "--exclude-table=netraven._sqlx_migrations"])
        .arg(format!("--dbname={}", database.url()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let noise =
        |line: &str| ["--", "SET ", "SELECT pg_catalog.", "\\"].iter().any(|start| line.starts_with(start));
    let mut lines: Vec<&str> = text.lines().filter(|line| !noise(line)).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    format!("{}\n", lines.join("\n").trim())
}

#[tokio::test]
async fn checked_words_are_the_models() {
    let Some(database) = TestDatabase::create().await else { return };
    let kinds: Vec<_> = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let statuses: Vec<_> = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    let parts = [PartKind::Config, PartKind::State, PartKind::Binary].map(PartKind::as_str);
    let levels =
        [EventLevel::Debug, EventLevel::Info, EventLevel::Warning, EventLevel::Error].map(EventLevel::as_str);
    let changes: Vec<_> = ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let channels: Vec<_> = ChannelKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let deliveries: Vec<_> = DeliveryStatus::ALL.iter().map(|status| status.as_str()).collect();
    for (constraint, words) in [
        ("device_events_event_check", &changes[..]),
        ("notification_channels_kind_check", &channels),
        ("notification_deliveries_status_check", &deliveries),
        ("jobs_kind_check", &kinds),
        ("runs_kind_check", &kinds),
        ("schedules_kind_check", &kinds),
        ("jobs_status_check", &statuses),
        ("jobs_outcome_check", &outcomes),
        ("job_attempts_outcome_check", &outcomes),
        ("configuration_parts_kind_check", &parts),
        ("job_logs_level_check", &levels),
    ] {
        let definition: String = sqlx::query_scalar(
            "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
             WHERE c.conname = $1 AND NOT t.relispartition",
        )
        .bind(constraint)
        .fetch_one(&mut connection(&database).await)
        .await
        .unwrap();
        let mut checked: Vec<_> = definition.split('\'').skip(1).step_by(2).collect();
        let mut expected = words.to_vec();
        checked.sort_unstable();
        expected.sort_unstable();
        assert_eq!(checked, expected, "{constraint}");
    }
}

#[tokio::test]
async fn every_foreign_key_has_an_index_behind_it() {
    let Some(database) = TestDatabase::create().await else { return };
    // A removed device, credential or run would otherwise read whole tables once for each referring table.
    let naked: Vec<String> = sqlx::query_scalar(
        "SELECT c.conrelid::regclass || ' ' || c.conname FROM pg_constraint c
         WHERE c.contype = 'f' AND c.connamespace = 'netraven'::regnamespace
           AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid
               AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)",
    )
    .fetch_all(&mut connection(&database).await)
    .await
    .unwrap();
    assert_eq!(naked, Vec::<String>::new());
}

#[tokio::test]
async fn the_default_priority_is_the_schemas() {
    let Some(database) = TestDatabase::create().await else { return };
    let mut connection = connection(&database).await;
    for (table, expected) in
        [("jobs", jobs::DEFAULT_PRIORITY), ("credentials", netraven_store::credentials::DEFAULT_PRIORITY)]
    {
        let stored: String = sqlx::query_scalar(
            "SELECT column_default FROM information_schema.columns
             WHERE table_schema = 'netraven' AND table_name = $1 AND column_name = 'priority'",
        )
        .bind(table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(stored, expected.to_string());
    }
}
