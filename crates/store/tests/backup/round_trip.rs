use crate::bench::{Bench, content, made, restore_settings, settings};
use crate::support::{Fixture, changed_parts, finished, part};
use netraven_model::PartKind;
use netraven_store::access::Role;
use netraven_store::backup::{BackupSettings, create, restore, verify};
use netraven_store::credentials::{self, NewCredential};
use netraven_store::testing::TestDatabase;
use netraven_store::versions::{self, VersionSelector};
use netraven_store::{ConnectSettings, maintenance};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// What has no pattern that compression would find, with every byte in it.
fn binary(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

async fn fill(fixture: &Fixture) {
    let job = fixture.claim_new().await;
    let archive =
        netraven_seal::RawPart { kind: PartKind::Binary, ..part("archive", &binary(1_500_000), Vec::new()) };
    let config = part("running-config", b"line one\r\nnul \0 and \xff\xfe\n", Vec::new());
    fixture.finish_one(finished(&job, changed_parts(vec![config, archive]))).await;
    for key in [1u8, 7] {
        let id = credentials::next_id(&fixture.store).await.unwrap();
        let new = NewCredential {
            name: format!("key {key}"),
            username: "ops\t\\N".to_owned(),
            password: Some([&[1, 0, 0, 0, key][..], &binary(40)].concat()),
            tags: vec!["default".to_owned()],
            ..NewCredential::default()
        };
        credentials::insert(&fixture.store, id, new).await.unwrap();
    }
    // What wraps the data key of a capture begins with any byte, also with that of a credential's ciphertext.
    fixture
        .execute(
            "INSERT INTO netraven.sealed_keys (device_id, id, key_number, wrapped)
             SELECT id, gen_random_uuid(), 9, decode(repeat('02', 80), 'hex') FROM netraven.devices ORDER BY id LIMIT 1",
        )
        .await;
    maintenance::ensure_partitions_at(&fixture.store, "2024-01-15T00:00:00Z".parse().unwrap()).await.unwrap();
    fixture
        .execute("INSERT INTO netraven.connection_logs (log, timestamp) SELECT E'old\\n\\\\.\\nCOPY netraven.devices (id) FROM stdin;\\n' || n, '2024-01-20' FROM generate_series(1, 100) n")
        .await;
}

#[tokio::test]
async fn everything_comes_back_in_a_fresh_database_and_services_go_on_there() {
    let Some(bench) = Bench::new().await else { return };
    fill(&bench.fixture).await;
    let Some(created) = bench.backup().await else { return };
    let manifest = &created.manifest;
    assert_eq!((manifest.keys.as_slice(), manifest.netraven.as_str()), (&[1, 7, 9][..], "9.8.7"));
    assert_eq!((manifest.rows["device_configurations"], manifest.rows["connection_logs_y2024m01"]), (3, 100));
    assert!(!manifest.rows.contains_key("connection_logs"));
    for file in [created.dump.clone(), created.dump.with_extension("json")] {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600, "{}", file.display());
    }
    assert_eq!(verify(&created.dump, None, &|_| {}).await.unwrap().manifest, *manifest);

    let target = TestDatabase::empty().await.unwrap();
    let steps = Mutex::new(Vec::new());
    let progress = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let restored = restore(&created.dump, &restore_settings(&target).await, &progress).await.unwrap();
    assert_eq!((restored.manifest.clone(), restored.samples.len()), (manifest.clone(), 2));
    let numbers: Vec<u32> = restored.data_keys.iter().map(|sealed| sealed.key.number).collect();
    assert_eq!(numbers, [9]);
    assert!(steps.lock().unwrap().iter().any(|step| step == "loading the dump"));
    let (mut here, mut there) = (content(&bench.fixture.database).await, content(&target).await);
    // The audit trail goes on: it tells of the restoration.
    assert_ne!(here.remove("audit_log"), there.remove("audit_log"));
    assert_eq!(here, there);

    let again = Fixture { store: target.store().await, database: target };
    let told = "SELECT count(*) FROM netraven.audit_log WHERE action = 'database.restored'";
    assert_eq!(again.number(told).await, 1);
    again.store.ready().await.unwrap();
    let load = async |fixture: &Fixture| {
        versions::load(&fixture.store, "r1", VersionSelector::Latest).await.unwrap().parts
    };
    let (here, there) = (load(&bench.fixture).await, load(&again).await);
    assert_eq!(here.len(), 2);
    assert!(here.iter().zip(&there).all(|(here, there)| here.content == there.content));
    // Numbers go on where they were.
    let version = again.back_up("hostname three\n").await.version.unwrap();
    assert_eq!(version.1, 4);
    assert_eq!(again.number("SELECT count(*) FROM netraven.device_configurations").await, 4);
}

#[tokio::test]
async fn the_role_for_backups_may_do_it_also_with_partitions_that_came_later() {
    let Some(bench) = Bench::new().await else { return };
    let database = &bench.fixture.database;
    bench.fixture.execute("SELECT netraven.ensure_log_partitions('2033-05-01', 0)").await;
    let login = Some(database.login(Role::Backup).await);
    let backup = BackupSettings {
        database: ConnectSettings { login, ..ConnectSettings::new(database.url()) },
        ..bench.settings()
    };
    let Some(created) = made(create(&backup).await) else { return };
    assert_eq!(created.manifest.rows["job_logs_y2033m05"], 0);
    // The second one stands beside the first, whatever the second it was made in.
    let second = create(&backup).await.unwrap();
    assert_ne!(second.dump, created.dump);
}

#[tokio::test]
async fn a_manifest_instead_of_its_dump_means_the_dump() {
    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let verified = verify(&created.dump.with_extension("json"), None, &|_| {}).await.unwrap();
    assert_eq!(verified.dump, created.dump);
    let total: u64 = verified.manifest.rows.values().sum();
    assert_eq!(verified.manifest.total_rows(), total);
}

#[tokio::test]
async fn an_older_releases_backup_is_brought_to_this_releases_schema() {
    let Some(old) = TestDatabase::empty().await else { return };
    let fixture = Fixture { store: old.store().await, database: old };
    let first = include_str!("../../../../schema/migrations/0001_initial.sql");
    let checksum = {
        use sqlx::SqlSafeStr;
        let kind = sqlx::migrate::MigrationType::Simple;
        sqlx::migrate::Migration::new(1, "initial".into(), kind, first.into_sql_str(), false)
            .checksum
            .into_owned()
    };
    let hex: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut connection = fixture.connection().await;
    let sql = format!(
        "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public; CREATE SCHEMA netraven; SET search_path = netraven; {first};
         CREATE TABLE netraven._sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
             installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
             execution_time bigint NOT NULL);
         INSERT INTO netraven._sqlx_migrations VALUES (1, 'initial', now(), true, '\\x{hex}', 0);
         INSERT INTO netraven.tags (name, type) VALUES ('old tag', 'role')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let Some(created) = made(create(&settings(&fixture.database, temp.path())).await) else { return };
    assert_eq!((created.manifest.schema_version, created.manifest.installation), (1, None));

    let target = TestDatabase::empty().await.unwrap();
    let restored = restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap();
    assert_eq!(restored.schema.before, Some(1));
    assert!(restored.schema.now > 1);
    let again = Fixture { store: target.store().await, database: target };
    again.store.ready().await.unwrap();
    assert_eq!(again.number("SELECT count(*) FROM netraven.tags WHERE name = 'old tag'").await, 1);
}
