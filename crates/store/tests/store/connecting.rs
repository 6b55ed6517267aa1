use crate::support::fixture;
use netraven_store::testing::TestDatabase;
use netraven_store::{ConnectSettings, Store, StoreError, devices};
use std::time::Duration;

/// The test database's URL with something else in one place.
fn with(database: &TestDatabase, old: &str, new: &str) -> String {
    let url = database.url();
    assert!(url.contains(old), "the test database's URL is of another form");
    url.replace(old, new)
}

async fn refusal(url: String) -> StoreError {
    let settings = ConnectSettings { connect_timeout: Duration::from_secs(20), ..ConnectSettings::new(url) };
    Store::connect(&settings).await.unwrap_err()
}

fn name_of(database: &TestDatabase) -> String {
    let url = database.url();
    let place = url.split('?').next().unwrap_or(url);
    place.rsplit('/').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let Some(database) = TestDatabase::empty().await else { return };
    let error = refusal(with(&database, &name_of(&database), "no_such_database")).await;
    assert!(
        matches!(&error, StoreError::DatabaseMissing { database, .. } if database == "no_such_database"),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_server_that_is_away_and_never_shown() {
    let Some(database) = TestDatabase::empty().await else { return };
    let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string().replace('/', "%2F"),
        None => options.get_host().to_owned(),
    };
    let (user, port) = (options.get_username(), options.get_port());
    let error = refusal(format!("postgresql://{user}:canary@{place}:{port}/{}", name_of(&database))).await;
    assert!(matches!(&error, StoreError::AuthRejected { user: named, .. } if named == user), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_server_that_is_away_is_said_at_once_and_worth_a_retry() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let error = refusal(format!("postgresql://u:canary@127.0.0.1:{port}/d")).await;
    assert!(
        matches!(&error, StoreError::Unreachable { server, .. } if *server == format!("127.0.0.1:{port}")),
        "{error}"
    );
    assert!(error.is_transient());
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u@127.0.0.1:{}/d", silent.local_addr().unwrap().port());
    let settings =
        ConnectSettings { connect_timeout: Duration::from_millis(50), ..ConnectSettings::new(url) };
    let error = Store::connect(&settings).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn the_server_says_who_it_is_with_and_without_the_schema() {
    let Some(empty) = TestDatabase::empty().await else { return };
    let store = empty.store().await;
    let info = store.check().await.unwrap();
    assert_eq!((info.database, info.schema_version), (name_of(&empty), None));
    assert!(info.size_bytes > 0 && !info.server_version.is_empty() && !info.user.is_empty());
    netraven_store::setup::initialize(&empty.setup().await, None, &|_| {}).await.unwrap();
    assert_eq!(store.check().await.unwrap().schema_version, Some(6));
    store.close().await;
}

#[tokio::test]
async fn each_connection_has_its_limits() {
    let Some(database) = TestDatabase::create().await else { return };
    let settings = ConnectSettings {
        statement_timeout: Duration::from_millis(20),
        ..ConnectSettings::new(database.url())
    };
    let store = Store::connect(&settings).await.unwrap();
    let mut blocker = <sqlx::PgConnection as sqlx::Connection>::connect(database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE netraven.devices").execute(&mut blocker).await.unwrap();
    let error = devices::get(&store, "x").await.unwrap_err();
    assert!(matches!(error, StoreError::Query { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn connections_that_the_server_cut_are_replaced() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'netraven' AND datname = current_database()")
        .await;
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().hostname, "r1");
}
