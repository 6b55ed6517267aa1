use crate::support::{initialize, place, place_of};
use netraven_store::StoreError;
use netraven_store::setup::{SetupError, SetupSettings};

#[tokio::test]
async fn a_server_of_a_too_old_version_is_refused_and_left_alone() {
    let Some(place) = place_of(13).await else { return };
    let error = initialize(&place.settings("postgres")).await.unwrap_err();
    assert!(
        matches!(&error, SetupError::ServerTooOld { found, needed: 14 } if found.starts_with("13.")),
        "{error}"
    );
    let roles = place.count("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'netraven%'").await;
    assert_eq!(roles, 0);
}

#[tokio::test]
async fn foreign_tables_in_the_way_are_named_and_left_alone() {
    let Some(place) = place().await else { return };
    place.execute("postgres", "CREATE DATABASE netraven").await;
    place.execute("netraven", "CREATE SCHEMA netraven; CREATE TABLE netraven.devices (mine text); INSERT INTO netraven.devices VALUES ('kept')").await;
    let settings = place.settings("netraven");
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(&error, SetupError::ForeignObjects { objects } if *objects == ["devices"]), "{error}");
    assert!(error.to_string().contains("ALTER SCHEMA netraven RENAME"), "{error}");
    assert_eq!(place.count("netraven", "SELECT count(*) FROM netraven.devices WHERE mine = 'kept'").await, 1);
    place.execute("netraven", "ALTER SCHEMA netraven RENAME TO something_else").await;
    initialize(&settings).await.unwrap();
}

#[tokio::test]
async fn a_foreign_table_in_the_way_of_a_later_migration_is_named() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    initialize(&settings).await.unwrap();
    // As the first release left it, with somebody's table on top.
    place.execute("netraven", "DROP TABLE netraven.api_tokens, netraven.users; DELETE FROM netraven._sqlx_migrations WHERE version = 2; CREATE TABLE netraven.users (mine text)").await;
    place.execute("netraven", "DROP TABLE netraven.installation, netraven.audit_log; ALTER TABLE netraven.device_tags DROP COLUMN rule_id; DROP TABLE netraven.tag_rules").await;
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(&error, SetupError::ForeignObjects { objects } if *objects == ["users"]), "{error}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_he_lacks() {
    let Some(place) = place().await else { return };
    place.execute("postgres", "CREATE ROLE nobody LOGIN PASSWORD 'pw'").await;
    let error = initialize(&place.settings_as("nobody", "pw", "fresh")).await.unwrap_err();
    assert!(
        matches!(&error, SetupError::NoDatabase { database, user } if database == "fresh" && user == "nobody"),
        "{error}"
    );
    let error = initialize(&place.settings_as("nobody", "pw", "postgres")).await.unwrap_err();
    assert!(
        matches!(&error, SetupError::NotAllowed { what, .. } if what.starts_with("create the role")),
        "{error}"
    );
    let error = initialize(&place.settings_as("nobody", "wrong", "postgres")).await.unwrap_err();
    assert!(matches!(error, SetupError::Store(StoreError::AuthRejected { .. })), "{error}");
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(place) = place().await else { return };
    place.execute("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await;
    let error = initialize(&place.settings("latin")).await.unwrap_err();
    assert!(matches!(&error, SetupError::WrongEncoding { found, .. } if found == "LATIN1"), "{error}");
}

#[tokio::test]
async fn a_file_of_passwords_for_another_server_is_not_used() {
    let Some(place) = place().await else { return };
    initialize(&place.settings("one")).await.unwrap();
    let error = initialize(&place.settings("two")).await.unwrap_err();
    assert!(matches!(&error, SetupError::OtherServer { found, .. } if found.ends_with("/one")), "{error}");
}

#[tokio::test]
async fn a_role_that_cannot_log_in_is_found_at_once() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    initialize(&settings).await.unwrap();
    place.execute("netraven", "ALTER ROLE netraven_joblog PASSWORD 'changed by somebody'").await;
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(&error, SetupError::LoginRefused { role, .. } if role == "netraven_joblog"), "{error}");
    assert!(error.needs_new_passwords() && error.to_string().contains("--new-passwords"), "{error}");
    initialize(&SetupSettings { new_passwords: true, ..settings }).await.unwrap();
}
