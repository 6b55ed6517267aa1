use crate::support::{initialize, place, place_of};
use netraven_store::StoreError;
use netraven_store::setup::{self, SetupError, SetupSettings};

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
    place.execute("netraven", "CREATE ROLE somebody; CREATE SCHEMA netraven AUTHORIZATION somebody; SET ROLE somebody; CREATE TABLE netraven.devices (mine text); INSERT INTO netraven.devices VALUES ('kept')").await;
    let settings = place.settings("netraven");
    let script = setup::administrators_script(&settings, &|_| {}).await.unwrap_err();
    assert!(matches!(script, SetupError::ForeignObjects { .. }), "{script}");
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(&error, SetupError::ForeignObjects { objects } if *objects == ["devices"]), "{error}");
    assert!(error.to_string().contains("ALTER SCHEMA netraven RENAME"), "{error}");
    assert_eq!(place.count("netraven", "SELECT count(*) FROM netraven.devices WHERE mine = 'kept'").await, 1);
    let owned = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE relname = 'devices' AND relowner = 'somebody'::regrole AND nspowner = 'somebody'::regrole";
    assert_eq!(place.count("netraven", owned).await, 1, "its owner can still use it");
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

#[tokio::test]
async fn new_passwords_cost_nobody_the_old_ones_before_the_server_has_taken_them() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    initialize(&settings).await.unwrap();
    place.execute("netraven", "CREATE ROLE helper LOGIN PASSWORD 'pw'").await;
    let before = std::fs::read(&settings.logins_file).unwrap();
    let helper = SetupSettings { new_passwords: true, ..place.settings_as("helper", "pw", "netraven") };
    let error = initialize(&helper).await.unwrap_err();
    assert!(
        matches!(&error, SetupError::NotAllowed { what, .. } if what.starts_with("set the password")),
        "{error}"
    );
    assert!(error.to_string().contains("--new-passwords"), "{error}");
    assert_eq!(std::fs::read(&settings.logins_file).unwrap(), before);
    initialize(&settings).await.unwrap();

    // What an administrator runs for him gives the roles the passwords that the file has now.
    let script = setup::administrators_script(&helper, &|_| {}).await.unwrap();
    assert_ne!(std::fs::read(&settings.logins_file).unwrap(), before);
    assert!(matches!(initialize(&settings).await, Err(SetupError::LoginRefused { .. })));
    place.execute("netraven", &script).await;
    initialize(&settings).await.unwrap();
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_never_replaced() {
    let Some(place) = place().await else { return };
    initialize(&place.settings("one")).await.unwrap();
    let other = SetupSettings { new_passwords: true, ..place.settings("two") };
    let before = std::fs::read(&other.logins_file).unwrap();
    let error = initialize(&other).await.unwrap_err();
    assert!(matches!(error, SetupError::OtherServer { .. }) && !error.needs_new_passwords(), "{error}");
    assert_eq!(std::fs::read(&other.logins_file).unwrap(), before);

    std::fs::write(&other.logins_file, "the only key").unwrap();
    let error =
        initialize(&SetupSettings { new_passwords: true, ..place.settings("one") }).await.unwrap_err();
    assert!(matches!(error, SetupError::Logins(_)) && !error.needs_new_passwords(), "{error}");
    assert_eq!(std::fs::read(&other.logins_file).unwrap(), b"the only key");
}

#[tokio::test]
async fn what_only_looks_creates_no_database() {
    let Some(place) = place().await else { return };
    let settings = place.settings("misspelt");
    let error = setup::administrators_script(&settings, &|_| {}).await.unwrap_err();
    assert!(matches!(error, SetupError::Store(StoreError::DatabaseMissing { .. })), "{error}");
    let error = setup::Setup::begin_existing(&settings, &|_| {}).await.err().unwrap();
    assert!(matches!(error, SetupError::Store(StoreError::DatabaseMissing { .. })), "{error}");
    let count = "SELECT count(*) FROM pg_database WHERE datname = 'misspelt'";
    assert_eq!(place.count("postgres", count).await, 0);
    assert!(!settings.logins_file.exists());
}
