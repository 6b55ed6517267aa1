use crate::bench::{Bench, content, is_empty, made, names, restore_settings, settings_for};
use netraven_model::Hash256;
use netraven_store::ConnectSettings;
use netraven_store::access::Role;
use netraven_store::backup::{BackupError, create, restore, verify};
use netraven_store::testing::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A copy of a backup in a folder of its own.
fn copy(dump: &Path, folder: &Path) -> PathBuf {
    std::fs::create_dir(folder).unwrap();
    let target = folder.join("copy of it.dump");
    std::fs::copy(dump, &target).unwrap();
    std::fs::copy(dump.with_extension("json"), target.with_extension("json")).unwrap();
    target
}

fn flip(path: &Path, at: impl FnOnce(usize) -> usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Alters the manifest, and its checksum so that it fits again.
fn forge(manifest: &Path, alter: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    alter(&mut value);
    value.as_object_mut().unwrap().remove("manifest_sha256");
    let sorted: BTreeMap<&String, &Value> = value.as_object().unwrap().iter().collect();
    let checksum = Hash256::sha256(&serde_json::to_vec(&sorted).unwrap()).to_string();
    value["manifest_sha256"] = checksum.into();
    std::fs::write(manifest, value.to_string()).unwrap();
}

#[tokio::test]
async fn damaged_backups_are_refused_with_what_is_wrong_and_the_target_stays_empty() {
    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let target = TestDatabase::empty().await.unwrap();
    let settings = restore_settings(&target).await;
    let temp = tempfile::tempdir().unwrap();
    type Harm = fn(&Path);
    let harms: &[(Harm, &str)] = &[
        (
            |dump| std::fs::write(dump, &std::fs::read(dump).unwrap()[..4000]).unwrap(),
            "it has 4000 bytes, the manifest says",
        ),
        (|dump| std::fs::write(dump, "").unwrap(), "it has 0 bytes, the manifest says"),
        (|dump| flip(dump, |length| length / 2), "its SHA-256 is"),
        (|dump| flip(dump, |_| 0), "its SHA-256 is"),
        (|dump| flip(&dump.with_extension("json"), |length| length / 2), "cannot be used: "),
        (
            |dump| std::fs::remove_file(dump.with_extension("json")).unwrap(),
            "copy of it.json cannot be used: it is missing",
        ),
        (|dump| std::fs::remove_file(dump).unwrap(), "there is no backup"),
        (
            |dump| {
                let manifest = std::fs::read_to_string(dump.with_extension("json")).unwrap();
                let altered = manifest.replace("\"devices\": 1", "\"devices\": 2");
                assert_ne!(altered, manifest);
                std::fs::write(dump.with_extension("json"), altered).unwrap();
            },
            "it was altered: its content has SHA-256",
        ),
        (
            |dump| forge(&dump.with_extension("json"), |value| value["rows"]["devices"] = 2.into()),
            "table devices has 1 rows and has 2 rows in the manifest",
        ),
        (
            |dump| forge(&dump.with_extension("json"), |value| value["schema_version"] = 999.into()),
            "the backup has schema version 999 (NetRaven 9.8.7), this release knows",
        ),
        (
            |dump| forge(&dump.with_extension("json"), |value| value["pg_dump_major"] = 99.into()),
            "pg_restore of PostgreSQL 99 or newer is needed and only",
        ),
    ];
    for (number, (harm, message)) in harms.iter().enumerate() {
        let dump = copy(&created.dump, &temp.path().join(format!("case {number}")));
        harm(&dump);
        let refused = verify(&dump, None, &|_| {}).await.unwrap_err().to_string();
        assert!(refused.contains(message), "case {number}: {refused}");
        let refused = restore(&dump, &settings, &|_| {}).await.unwrap_err().to_string();
        assert!(refused.contains(message), "case {number}: {refused}");
        assert!(is_empty(&target).await, "case {number}");
    }
    // Nothing stands in the way of the good one.
    restore(&created.dump, &settings, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn a_backup_of_a_newer_releases_database_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    bench
        .fixture
        .execute("INSERT INTO netraven._sqlx_migrations VALUES (999, 'to come', now(), true, '\\x00', 0)")
        .await;
    let Some(created) = bench.backup().await else { return };
    let target = TestDatabase::empty().await.unwrap();
    let error = restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::SchemaTooNew { found: 999, .. }), "{error}");
    assert!(error.to_string().ends_with("; use NetRaven 9.8.7 or newer"), "{error}");
    assert!(is_empty(&target).await);
}

#[tokio::test]
async fn a_target_with_something_in_it_is_left_alone() {
    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let occupied = TestDatabase::create().await.unwrap();
    let before = content(&occupied).await;
    let error = restore(&created.dump, &restore_settings(&occupied).await, &|_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Occupied { .. }), "{error}");
    assert!(error.to_string().contains("already has a schema netraven with _sqlx_migrations, "), "{error}");
    assert_eq!(content(&occupied).await, before);

    // One foreign function is enough; an empty schema is not in the way.
    let target = TestDatabase::empty().await.unwrap();
    let mut connection = PgConnection::connect(target.url()).await.unwrap();
    let foreign =
        "CREATE SCHEMA netraven; CREATE FUNCTION netraven.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    sqlx::raw_sql(foreign).execute(&mut connection).await.unwrap();
    let error =
        restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap_err().to_string();
    assert!(
        error.contains("with theirs; restore into an empty database, or move the schema away with"),
        "{error}"
    );
    sqlx::raw_sql("DROP FUNCTION netraven.theirs").execute(&mut connection).await.unwrap();
    restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn a_server_or_an_extension_that_does_not_fit_is_told_before_anything_is_loaded() {
    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let target = TestDatabase::empty().await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let newer = copy(&created.dump, &temp.path().join("newer"));
    forge(&newer.with_extension("json"), |value| value["postgresql_major"] = 99.into());
    let error = restore(&newer, &restore_settings(&target).await, &|_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::ServerTooOld { backup: 99, .. }), "{error}");

    let mut connection = PgConnection::connect(target.url()).await.unwrap();
    sqlx::raw_sql("CREATE SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext")
        .execute(&mut connection)
        .await
        .unwrap();
    let error =
        restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("`ALTER EXTENSION pg_trgm SET SCHEMA \"public\"`"), "{error}");
    assert!(is_empty(&target).await);
}

#[tokio::test]
async fn what_arrives_different_is_removed_again() {
    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let target = TestDatabase::empty().await.unwrap();
    // Somebody's trigger swallows rows while they are loaded.
    let admin = target.admin_settings();
    let url = admin.url.replace("/postgres?", &format!("/{}?", admin.database.unwrap()));
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let swallow = "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE FUNCTION public.attach() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'netraven.installation') THEN
                CREATE TRIGGER swallow BEFORE INSERT ON netraven.installation FOR EACH ROW EXECUTE FUNCTION public.swallow();
            END IF;
        END $$;
        CREATE EVENT TRIGGER attach ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.attach()";
    sqlx::raw_sql(swallow).execute(&mut connection).await.unwrap();
    let error = restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Differs { .. }), "{error}");
    assert!(
        error.to_string().contains("table installation has 0 rows and has 1 rows in the manifest"),
        "{error}"
    );
    assert!(is_empty(&target).await);
}

#[tokio::test]
async fn a_table_that_the_backup_may_not_read_is_named_with_what_lets_it() {
    let Some(bench) = Bench::new().await else { return };
    let database = &bench.fixture.database;
    let (role, password) = database.login(Role::Backup).await;
    let mut owner = PgConnection::connect(database.url()).await.unwrap();
    let sql =
        format!("CREATE TABLE netraven.\"My own\" (a int); REVOKE ALL ON netraven.\"My own\" FROM {role}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    let login = ConnectSettings { login: Some((role, password)), ..ConnectSettings::new(database.url()) };
    let settings = settings_for(login, &bench.folder());
    let error = create(&settings).await.unwrap_err();
    let BackupError::Unreadable { objects, sql, .. } = &error else { panic!("{error}") };
    assert_eq!(*objects, ["My own"]);
    assert!(error.to_string().contains(sql.as_str()), "{error}");
    assert_eq!(names(&bench.folder()), [""; 0]);
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut owner).await.unwrap();
    let Some(created) = made(create(&settings).await) else { return };
    assert_eq!(created.manifest.rows["My own"], 0);
}
