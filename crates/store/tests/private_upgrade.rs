//! Moving a private cluster from an older major version to the one installed, with both versions real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod private_support;

use netraven_store::private::{PrivateCluster, PrivateError, PrivateSettings, upgrade_cluster};
use netraven_store::testing::skip_or_fail;
use private_support::{DataDir, Other, acquire, ask, execute, postgres_is_here, role};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Where the test set-up puts the older version's programs.
fn old_binaries() -> Option<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = checkout.join("target/test-tools/postgresql-14/bin").canonicalize().ok();
    if found.is_none() {
        skip_or_fail("PostgreSQL 14 is not in target/test-tools (scripts/setup.sh puts it there)");
    }
    found
}

fn upgrade_settings(data_dir: &Path, old: &Path) -> PrivateSettings {
    PrivateSettings {
        disposable: true,
        old_binaries: Some(old.to_path_buf()),
        start_timeout: private_support::PATIENCE,
        ..PrivateSettings::new(data_dir)
    }
}

/// A stopped cluster of the older version with something of every kind in it.
async fn old_cluster(dir: &DataDir, old: &Path) {
    let settings = PrivateSettings { binaries: Some(old.to_path_buf()), ..dir.settings() };
    let cluster = PrivateCluster::acquire(&settings).await.unwrap();
    assert_eq!(cluster.version(), 14);
    execute(
        cluster.url(),
        "CREATE SCHEMA netraven;
         CREATE TABLE netraven.devices (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE, content bytea);
         INSERT INTO netraven.devices (name, content)
             SELECT 'sw-' || n || ' Zürich', decode(repeat('00ff', 100), 'hex') FROM generate_series(1, 5000) n;
         CREATE TABLE netraven.logs (at timestamptz, line text) PARTITION BY RANGE (at);
         CREATE TABLE netraven.logs_rest PARTITION OF netraven.logs DEFAULT;
         INSERT INTO netraven.logs SELECT now(), 'line ' || n FROM generate_series(1, 300) n;
         CREATE VIEW netraven.names AS SELECT name FROM netraven.devices",
    )
    .await;
    let admin = cluster.admin_url();
    execute(admin, "CREATE ROLE reader NOLOGIN; COMMENT ON DATABASE netraven IS 'backups'").await;
    execute(admin, "CREATE DATABASE \"an Other\" OWNER netraven").await;
    cluster.release().await.unwrap();
}

/// What [`old_cluster`] stored, in one line.
const CONTENT: &str = "SELECT concat_ws(' ', (SELECT count(*) FROM netraven.devices), (SELECT count(*) FROM netraven.logs), \
     (SELECT max(name) FROM netraven.names), (SELECT last_value FROM netraven.devices_id_seq), \
     (SELECT md5(string_agg(content, '' ORDER BY id)) FROM netraven.devices))";
const EXPECTED: &str = "5000 300 sw-999 Zürich 5000 ";

async fn assert_content(cluster: &PrivateCluster) {
    let content = ask(cluster.url(), CONTENT).await;
    assert!(content.starts_with(EXPECTED) && content.len() == EXPECTED.len() + 32, "{content}");
    let roles = "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'";
    assert_eq!(ask(cluster.admin_url(), roles).await, "netraven,postgres,reader");
    let databases =
        "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate";
    assert_eq!(ask(cluster.admin_url(), databases).await, "an Other,netraven,postgres");
}

#[tokio::test]
async fn everything_is_there_after_an_upgrade_and_the_old_cluster_is_kept() {
    let Some(old) = old_binaries() else { return };
    if !postgres_is_here().await {
        return;
    }
    let dir = DataDir::new();
    old_cluster(&dir, &old).await;

    let settings = upgrade_settings(&dir.path(), &old);
    let error = PrivateCluster::acquire(&settings).await.unwrap_err();
    assert!(matches!(error, PrivateError::VersionMismatch { cluster: 14, .. }), "{error}");

    let upgraded = upgrade_cluster(&settings, |_| {}).await.unwrap();
    assert_eq!((upgraded.from, upgraded.tables, upgraded.rows), (14, 2, 5300));
    assert!(upgraded.to > 14);
    assert!(dir.processes().is_empty());

    let cluster = acquire(&settings).await.unwrap();
    assert_eq!(cluster.version(), upgraded.to);
    assert_content(&cluster).await;
    assert_eq!(ask(cluster.admin_url(), "SELECT current_setting('data_checksums')").await, "on");
    let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'netraven'";
    assert_eq!(ask(cluster.admin_url(), comment).await, "backups");
    let others = "SELECT has_database_privilege('reader', 'netraven', 'CONNECT')::text";
    assert_eq!(ask(cluster.admin_url(), others).await, "false");
    cluster.release().await.unwrap();

    let kept = upgraded.kept.unwrap();
    assert_eq!(std::fs::read_to_string(kept.join("PG_VERSION")).unwrap().trim(), "14");
    let nothing = upgrade_cluster(&settings, |_| {}).await.unwrap();
    assert_eq!((nothing.from, nothing.to, nothing.kept), (upgraded.to, upgraded.to, None));
}

/// Does nothing of its own: another test runs this program again to have it killed at a step.
#[tokio::test]
async fn another_process() {
    let Some((step, dir)) = role() else { return };
    let old = old_binaries().unwrap();
    let step: usize = step.parse().unwrap();
    let done = Cell::new(0);
    let report = |_: &str| {
        done.set(done.get() + 1);
        if done.get() == step {
            println!("reached");
            private_support::until_told_to_leave();
        }
    };
    upgrade_cluster(&upgrade_settings(&dir, &old), report).await.unwrap();
}

#[tokio::test]
async fn killed_at_any_step_the_data_stays_usable_and_the_next_try_succeeds() {
    let Some(old) = old_binaries() else { return };
    if !postgres_is_here().await {
        return;
    }
    let dir = DataDir::new();
    old_cluster(&dir, &old).await;
    let steps = Cell::new(0);
    let with_old = PrivateSettings { binaries: Some(old.clone()), ..dir.settings() };
    for step in 1_usize.. {
        let other = Other::start("another_process", &step.to_string(), &dir.path());
        other.expect("reached");
        other.kill();
        steps.set(step);
        if dir.path().join("postgres.old-14").exists() {
            break;
        }
        let cluster = PrivateCluster::acquire(&with_old).await.unwrap();
        assert_eq!(cluster.version(), 14, "after step {step}");
        assert_content(&cluster).await;
        cluster.release().await.unwrap();
        assert!(dir.processes().is_empty(), "after step {step}");
    }
    assert!(steps.get() >= 7, "killed at each of the steps, last at {}", steps.get());
    let cluster = acquire(&upgrade_settings(&dir.path(), &old)).await.unwrap();
    assert_content(&cluster).await;
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn an_upgrade_killed_between_its_two_renames_is_finished_and_one_before_them_discarded() {
    if !postgres_is_here().await {
        return;
    }
    let dir = DataDir::new();
    let cluster = acquire(&dir.settings()).await.unwrap();
    execute(cluster.url(), "CREATE TABLE t AS SELECT 'upgraded' AS word").await;
    cluster.release().await.unwrap();
    std::fs::rename(dir.cluster(), dir.path().join("postgres.upgraded")).unwrap();
    std::fs::create_dir(dir.path().join("postgres.old-14")).unwrap();
    let cluster = acquire(&dir.settings()).await.unwrap();
    assert_eq!(ask(cluster.url(), "SELECT word FROM t").await, "upgraded");
    cluster.release().await.unwrap();

    std::fs::create_dir(dir.path().join("postgres.upgraded")).unwrap();
    let cluster = acquire(&dir.settings()).await.unwrap();
    assert!(!dir.path().join("postgres.upgraded").exists());
    assert_eq!(ask(cluster.url(), "SELECT word FROM t").await, "upgraded");
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn an_upgrade_waits_for_nobody_and_refuses_while_the_cluster_is_in_use() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let error = upgrade_cluster(&dir.settings(), |_| {}).await.unwrap_err();
    assert!(matches!(error, PrivateError::InUse { .. }), "{error}");
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn without_a_cluster_or_the_old_programs_the_error_says_so() {
    if !postgres_is_here().await {
        return;
    }
    let dir = DataDir::new();
    let error = upgrade_cluster(&dir.settings(), |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("there is no cluster at"), "{error}");

    let cluster = acquire(&dir.settings()).await.unwrap();
    let installed = cluster.version();
    cluster.release().await.unwrap();
    std::fs::write(dir.cluster().join("PG_VERSION"), "13\n").unwrap();
    let error = upgrade_cluster(&dir.settings(), |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL 13") && error.contains(&installed.to_string()), "{error}");
}
