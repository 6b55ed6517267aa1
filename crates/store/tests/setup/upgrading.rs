//! A database of an older release and a fresh one end as the same thing.

use crate::support::{Place, initialize, log_in, place};
use netraven_store::access::Role;
use netraven_store::setup::SetupSettings;
use netraven_store::testing::skip_or_fail;
use netraven_store::{devices, tags, versions};
use std::process::Command;

/// The first release's schema, and some content.
const FIRST: &str = include_str!("../../../../schema/migrations/0001_initial.sql");
const CONTENT: &str = "
    INSERT INTO netraven.devices (hostname, ip_address, device_type) VALUES ('r1', '192.0.2.1', 'frr'), ('r2', 'r2.example', 'frr');
    INSERT INTO netraven.credentials (name, username, password) VALUES ('ops', 'backup', '\\x00'), ('none', 'x', NULL);
    INSERT INTO netraven.device_tags SELECT d.id, t.id FROM netraven.devices d, netraven.tags t;
    INSERT INTO netraven.device_configurations (device_id, seq, config_data, retrieved_at, last_seen, significant_hash, platform_digest, size_bytes)
        SELECT id, 1, 'hostname r', now(), now(), sha256('a'), sha256('b'), 10 FROM netraven.devices;
    CREATE TABLE netraven.job_logs_y2026m01 PARTITION OF netraven.job_logs FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
    INSERT INTO netraven.job_logs (timestamp, level, event, message) VALUES ('2026-01-05Z', 'info', 'x', 'old line'), ('2020-01-01Z', 'info', 'x', 'older')";

/// As the first release left a database: made and owned by the user of its URL.
async fn first_release(place: &Place, database: &str) {
    place.execute("postgres", "DO $$ BEGIN CREATE ROLE raven LOGIN CREATEROLE PASSWORD 'pw'; EXCEPTION WHEN duplicate_object THEN NULL; END $$").await;
    place.execute("postgres", &format!("CREATE DATABASE {database} OWNER raven")).await;
    let mut connection = {
        use sqlx::Connection;
        let url = place.server.url_as("raven", "pw", database);
        sqlx::PgConnection::connect(url.expose_text().unwrap()).await.unwrap()
    };
    // The migrator itself, so that its table is the real one.
    let first = sqlx::migrate::Migration::new(
        1,
        "initial".into(),
        sqlx::migrate::MigrationType::Simple,
        sqlx::SqlSafeStr::into_sql_str(FIRST),
        false,
    );
    let mut migrator = sqlx::migrate::Migrator::with_migrations(vec![first]);
    migrator.set_locking(false);
    sqlx::raw_sql("CREATE SCHEMA netraven; SET search_path = netraven")
        .execute(&mut connection)
        .await
        .unwrap();
    migrator.run(&mut connection).await.unwrap();
    sqlx::raw_sql(CONTENT).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_fresh_database_and_one_of_the_first_release_end_as_the_same() {
    let Some(place) = place().await else { return };
    let fresh = place.settings("fresh");
    initialize(&fresh).await.unwrap();
    first_release(&place, "upgraded").await;
    let upgraded = SetupSettings {
        logins_file: fresh.logins_file.clone(),
        server: Some(netraven_store::setup::server_label(&fresh.admin).unwrap()),
        ..place.settings_as("postgres", place.server.password(), "upgraded")
    };
    let done = initialize(&upgraded).await.unwrap();
    assert_eq!((done.schema.before, done.schema.now), (Some(1), 6));
    assert_eq!(done.report.warnings, []);

    let store = log_in(&upgraded, &done, Role::Api).await;
    let names: Vec<_> = devices::list(&store, &Default::default())
        .await
        .unwrap()
        .into_iter()
        .map(|device| device.hostname)
        .collect();
    assert_eq!(names, ["r1", "r2"]);
    assert_eq!(versions::list(&store, "r1", 10, None).await.unwrap().len(), 1);
    assert_eq!(
        tags::list(&store).await.unwrap().iter().find(|tag| tag.name == "default").unwrap().devices,
        2
    );
    let logs = place.count("upgraded", "SELECT count(*) FROM netraven.job_logs").await;
    assert_eq!(logs, 2);
    let with_password =
        place.count("upgraded", "SELECT count(*) FROM netraven.credentials WHERE has_password").await;
    assert_eq!(with_password, 1);

    let (Some(a), Some(b)) = (dump(&place, "fresh"), dump(&place, "upgraded")) else { return };
    assert!(a.contains("GRANT") && a.contains("OWNER TO netraven_owner"));
    for (at, (fresh, upgraded)) in a.lines().zip(b.lines()).enumerate() {
        assert_eq!(fresh, upgraded, "line {at}");
    }
    assert_eq!(a.lines().count(), b.lines().count());
}

/// Schema with owners and rights, but without the months' partitions, which depend on the day.
fn dump(place: &Place, database: &str) -> Option<String> {
    let programs = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut programs: Vec<_> =
        programs.map(|entry| entry.path().join("bin/pg_dump")).filter(|path| path.exists()).collect();
    programs.sort();
    let Some(pg_dump) = programs.pop() else {
        skip_or_fail("pg_dump is not installed; the package is called postgresql-client");
        return None;
    };
    let output = Command::new(pg_dump)
        .args(["--schema-only", "--schema=netraven", "--exclude-table=netraven.*_y[0-9]*m[0-9]*"])
        .arg(format!(
            "--dbname={}",
            place.server.url_as("postgres", place.server.password(), database).expose_text().unwrap()
        ))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Random in newer versions.
    let text = String::from_utf8(output.stdout).unwrap();
    let lines =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}
