//! The private PostgreSQL's ordinary life: first start, use, stop, start with other settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod private_support;

use netraven_store::private::{PrivateCluster, PrivateError, PrivateSettings};
use private_support::{DataDir, acquire, ask, execute, only_as_root, set_mode};
use sqlx::{Connection, PgConnection};
use std::os::unix::fs::MetadataExt;

#[tokio::test]
async fn a_first_start_makes_a_cluster_that_is_closed_to_others_and_checks_its_pages() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let show = async |name| ask(cluster.admin_url(), name).await;
    assert_eq!(show("SELECT current_setting('data_checksums')").await, "on");
    assert_eq!(show("SELECT current_setting('server_encoding')").await, "UTF8");
    assert_eq!(show("SELECT datcollate FROM pg_database WHERE datname = 'netraven'").await, "C");
    assert_eq!(show("SELECT current_setting('listen_addresses')").await, "");
    assert_eq!(show("SELECT current_setting('ssl')").await, "off");
    assert_eq!(show("SELECT current_setting('shared_buffers')").await, "32MB");
    assert_eq!(
        show("SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules").await,
        "scram-sha-256"
    );
    let stored =
        "SELECT string_agg(DISTINCT split_part(rolpassword, '$', 1), ',') FROM pg_authid WHERE rolcanlogin";
    assert_eq!(show(stored).await, "SCRAM-SHA-256");
    for (path, mode) in
        [("postgres", 0o700), ("postgres.secret", 0o600), ("run", 0o700), ("log/postgres.log", 0o600)]
    {
        let found = std::fs::metadata(dir.path().join(path)).unwrap();
        assert_eq!(found.mode() & 0o777, mode, "{path}");
    }
    assert!(!dir.path().join("postgres.initdb-password").exists());
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn the_application_role_owns_its_database_and_nothing_else() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    assert_eq!(
        ask(cluster.url(), "SELECT current_user || '@' || current_database()").await,
        "netraven@netraven"
    );
    let may = "SELECT concat(rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) \
               FROM pg_roles WHERE rolname = current_user";
    assert_eq!(ask(cluster.url(), may).await, "fffff");
    execute(cluster.url(), "CREATE SCHEMA mine; CREATE TABLE mine.t (x int)").await;
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_on_the_socket_and_on_tcp() {
    let dir = DataDir::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = PrivateSettings { listen: Some(port), ..dir.settings() };
    let Some(cluster) = acquire(&settings).await else { return };
    let password = password_in(cluster.url());
    let tcp = format!("postgresql://netraven:{password}@127.0.0.1:{port}/netraven");
    assert_eq!(ask(&tcp, "SELECT 'over tcp'").await, "over tcp");
    for url in [cluster.url().replace(&password, "guess"), tcp.replace(&password, "guess")] {
        let refused = PgConnection::connect(&url).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "28P01");
    }
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_stop_and_nothing_runs_in_between() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    execute(cluster.url(), "CREATE TABLE t AS SELECT 'kept' AS word").await;
    let url = cluster.url().to_owned();
    cluster.release().await.unwrap();
    assert!(dir.processes().is_empty());
    assert!(!dir.path().join("run").exists());
    let again = acquire(&dir.settings()).await.unwrap();
    assert_eq!(again.url(), url);
    assert_eq!(ask(again.url(), "SELECT word FROM t").await, "kept");
    again.release().await.unwrap();
}

#[tokio::test]
async fn changed_settings_take_effect_at_the_next_start() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    cluster.release().await.unwrap();
    let settings = PrivateSettings { memory_mib: 256, disposable: false, ..dir.settings() };
    let again = acquire(&settings).await.unwrap();
    let shown = "SELECT current_setting('shared_buffers') || ' ' || current_setting('fsync')";
    assert_eq!(ask(again.url(), shown).await, "64MB on");
    again.release().await.unwrap();
}

#[tokio::test]
async fn the_socket_moves_to_a_short_directory_when_the_path_is_too_long_for_one() {
    let dir = DataDir::new();
    let deep = dir.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let settings = PrivateSettings { data_dir: deep.clone(), ..dir.settings() };
    let Some(cluster) = acquire(&settings).await else { return };
    let socket_dir = ask(cluster.admin_url(), "SELECT current_setting('unix_socket_directories')").await;
    assert!(!socket_dir.starts_with(deep.to_str().unwrap()));
    let found = std::fs::symlink_metadata(&socket_dir).unwrap();
    assert!(found.is_dir() && found.mode() & 0o777 == 0o700);
    cluster.release().await.unwrap();
    assert!(!std::path::Path::new(&socket_dir).exists());

    // Whoever gets there first cannot make us use a place of theirs.
    std::os::unix::fs::symlink("/tmp", &socket_dir).unwrap();
    let error = PrivateCluster::acquire(&settings).await.unwrap_err();
    std::fs::remove_file(&socket_dir).unwrap();
    assert!(matches!(error, PrivateError::NotADirectory { .. }), "{error}");
}

#[tokio::test]
async fn the_passwords_show_neither_in_debug_output_nor_in_the_log_nor_in_the_configuration() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let secret = "INSERT INTO nowhere VALUES ('canary-in-statement')";
    let mut connection = PgConnection::connect(cluster.url()).await.unwrap();
    sqlx::query(secret).execute(&mut connection).await.unwrap_err();
    connection.close().await.unwrap();
    let passwords = [password_in(cluster.url()), password_in(cluster.admin_url())];
    let debug = format!("{cluster:?}");
    cluster.release().await.unwrap();
    let written = ["log/postgres.log", "postgres.conf", "postgres/postgresql.conf", "postgres/pg_hba.conf"]
        .map(|path| std::fs::read_to_string(dir.path().join(path)).unwrap())
        .concat();
    assert!(written.contains("does not exist"), "the log has the error: {written}");
    for word in passwords.iter().map(String::as_str).chain(["canary-in-statement"]) {
        assert!(!debug.contains(word) && !written.contains(word));
    }
}

#[tokio::test]
async fn a_lost_password_file_is_replaced() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    execute(cluster.url(), "CREATE TABLE t AS SELECT 'kept' AS word").await;
    let before = cluster.url().to_owned();
    cluster.release().await.unwrap();
    std::fs::remove_file(dir.path().join("postgres.secret")).unwrap();
    let again = acquire(&dir.settings()).await.unwrap();
    assert_ne!(again.url(), before);
    assert_eq!(ask(again.url(), "SELECT word FROM t").await, "kept");
    assert_eq!(ask(again.admin_url(), "SELECT current_user::text").await, "postgres");
    again.release().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = DataDir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = PrivateSettings { listen: Some(taken.local_addr().unwrap().port()), ..dir.settings() };
    match PrivateCluster::acquire(&settings).await {
        Err(PrivateError::NoBinaries { .. }) => return,
        Err(error @ PrivateError::StartFailed { .. }) => {
            assert!(error.to_string().contains("Address already in use"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(dir.processes().is_empty());
    drop(taken);
    acquire(&settings).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_parent_directory_that_bars_the_way_is_named() {
    if !only_as_root() {
        return;
    }
    let dir = DataDir::new();
    let barred = dir.path().join("barred");
    std::fs::create_dir(&barred).unwrap();
    set_mode(&barred, 0o700);
    let settings = PrivateSettings { data_dir: barred.join("data"), ..dir.settings() };
    match PrivateCluster::acquire(&settings).await {
        Err(PrivateError::NoBinaries { .. }) => {}
        Err(PrivateError::NotTraversable { directory, .. }) => assert_eq!(directory, barred),
        other => panic!("{other:?}"),
    }
}

fn password_in(url: &str) -> String {
    url.split_once("://").unwrap().1.split_once(':').unwrap().1.split_once('@').unwrap().0.to_owned()
}
