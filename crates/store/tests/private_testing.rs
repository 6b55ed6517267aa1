//! The test harness itself: databases of their own, cloned, empty, and gone afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_store::testing::{TestDatabase, skip_or_fail};
use sqlx::{Connection, PgConnection};
use std::process::Command;

async fn count(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'netraven'";

#[tokio::test]
async fn an_empty_database_has_nothing_in_it_and_belongs_to_netravens_role() {
    let Some(database) = TestDatabase::empty().await else { return };
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    assert_eq!(count(&mut connection, TABLES).await, 0);
    sqlx::raw_sql("CREATE SCHEMA netraven; CREATE TABLE netraven.t (x int)")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(count(&mut connection, TABLES).await, 1);
}

#[tokio::test]
async fn a_created_database_has_this_releases_schema() {
    let Some(database) = TestDatabase::create().await else { return };
    database.store().await.ready().await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    assert!(count(&mut connection, TABLES).await > 0);
}

#[tokio::test]
async fn two_databases_know_nothing_of_each_other() {
    let (Some(one), Some(other)) = tokio::join!(TestDatabase::create(), TestDatabase::create()) else {
        return;
    };
    let mut connection = PgConnection::connect(one.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE netraven.only_here (x int)").execute(&mut connection).await.unwrap();
    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    let found = "SELECT count(*) FROM pg_class WHERE relname = 'only_here'";
    assert_eq!(count(&mut connection, found).await, 0);
}

#[tokio::test]
async fn a_dropped_database_is_gone_even_with_connections_open() {
    let Some(database) = TestDatabase::empty().await else { return };
    let mut open = PgConnection::connect(database.url()).await.unwrap();
    let url = database.url().to_owned();
    drop(database);
    assert!(sqlx::query("SELECT 1").execute(&mut open).await.is_err());
    let error = PgConnection::connect(&url).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "3D000");
}

#[tokio::test]
async fn the_url_stays_out_of_debug_output() {
    let Some(database) = TestDatabase::empty().await else { return };
    let password = database.url().split_once("netraven:").unwrap().1.split_once('@').unwrap().0;
    assert!(!format!("{database:?}").contains(password));
}

/// Skips itself only when the next test runs this program again for it.
#[test]
fn skipping() {
    if std::env::var_os("NETRAVEN_TEST_ROLE").is_some() {
        skip_or_fail("the moon is not full");
    }
}

#[test]
fn a_skip_is_written_down_and_fails_in_continuous_integration() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("skipped");
    let run = |ci: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "skipping", "--nocapture"]).env("NETRAVEN_TEST_ROLE", "skipping");
        command.env("CI", ci).env("NETRAVEN_SKIP_LOG", &log).output().unwrap()
    };
    let skipped = run("");
    assert!(skipped.status.success());
    let line = "SKIPPED skipping: the moon is not full\n";
    assert!(String::from_utf8_lossy(&skipped.stderr).contains(line));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), line);
    let failed = run("true");
    assert!(!failed.status.success());
    assert!(
        String::from_utf8_lossy(&failed.stderr)
            .contains("skipping cannot be skipped in CI: the moon is not full")
    );
}
