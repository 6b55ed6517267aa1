//! Key rotation of 100,000 secrets: `cargo bench --bench rotation [-- NUMBER]`.
//!
//! Half of them are data keys of captures, half are secrets of credentials; the database is a private PostgreSQL with
//! durable settings. Printed: secrets per second, CPU time of this process and of PostgreSQL, peak memory of this process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "pipeline/measure.rs"]
mod measure;

use measure::{own_cpu, own_peak_mib, postgres_cpu};
use netraven_model::Secret;
use netraven_service::Rotation;
use netraven_store::access::Role;
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::set_up;
use netraven_store::{ConnectSettings, Store};
use netraven_vault::{Place, Vault};
use sqlx::PgPool;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const USUAL: usize = 100_000;
const DEVICES: usize = 500;
/// Rows of one statement while the database is filled.
const BATCH: usize = 1000;

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let secrets = words.next().map_or(USUAL, |number| number.parse().expect("the number of secrets"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data_dir = folder.path().canonicalize().unwrap();
    let cluster = PrivateCluster::acquire(&PrivateSettings::new(&data_dir)).await.unwrap();
    let admin = ConnectSettings::new(cluster.admin_url());
    let admin = ConnectSettings { database: Some("netraven".to_owned()), ..admin };
    let logins = set_up(admin, &data_dir).await;
    let login = logins.login(Role::Rotator).map(|(user, password)| (user.clone(), password.clone()));
    let settings = ConnectSettings { login, ..ConnectSettings::new(cluster.url()) };
    let store = Store::connect(&settings).await.unwrap();
    let vault = Arc::new(Vault::open_or_create(&data_dir.join("master.key")).unwrap());
    let pool = PgPool::connect(cluster.url()).await.unwrap();
    fill(&pool, &vault, secrets).await;

    let rotation = Rotation::new(store.clone(), vault);
    let (cpu, postgres, start) = (own_cpu(), postgres_cpu(&data_dir), Instant::now());
    rotation.add_key().await.unwrap();
    let done = rotation.run(&|_| {}).await.unwrap();
    let wall = start.elapsed();
    assert_eq!((done.renewed, done.unopened), (secrets as u64, 0));
    assert_eq!(rotation.left().await.unwrap(), 0);
    let (cpu, postgres) = (own_cpu() - cpu, postgres_cpu(&data_dir) - postgres);
    println!(
        "{secrets} secrets | {:.1} s | {:.0} secrets/s | CPU {:.1} s | PostgreSQL {:.1} s | peak {:.0} MiB",
        wall.as_secs_f64(),
        secrets as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64(),
        postgres.as_secs_f64(),
        own_peak_mib()
    );
    pool.close().await;
    store.close().await;
    cluster.release().await.unwrap();
}

async fn fill(pool: &PgPool, vault: &Vault, secrets: usize) {
    let devices: Vec<(i64, Uuid)> = sqlx::query_as(
        "INSERT INTO netraven.devices (hostname, ip_address, device_type)
         SELECT 'r' || n, '127.0.0.1', 'frr' FROM generate_series(1, $1) n RETURNING id, uuid",
    )
    .bind(DEVICES as i32)
    .fetch_all(pool)
    .await
    .unwrap();
    let keys = secrets / 2;
    for begin in (0..keys).step_by(BATCH) {
        data_keys(pool, vault, &devices, BATCH.min(keys - begin)).await;
    }
    for begin in (keys..secrets).step_by(BATCH) {
        credentials(pool, vault, begin, BATCH.min(secrets - begin)).await;
    }
    sqlx::raw_sql("ANALYZE netraven.credentials, netraven.sealed_keys").execute(pool).await.unwrap();
}

async fn data_keys(pool: &PgPool, vault: &Vault, devices: &[(i64, Uuid)], count: usize) {
    let (mut rows, mut ids, mut wrapped) = (Vec::new(), Vec::new(), Vec::new());
    for (device, uuid) in devices.iter().cycle().take(count) {
        let id = Uuid::new_v4();
        let public = vault.sealing(*uuid, false).public;
        rows.push(*device);
        wrapped.push(public.wrap(*uuid, id, &[7; 32]).unwrap());
        ids.push(id);
    }
    sqlx::query(
        "INSERT INTO netraven.sealed_keys (device_id, id, key_number, wrapped)
         SELECT device, id, 1, wrapped FROM UNNEST($1::bigint[], $2::uuid[], $3::bytea[]) AS k (device, id, wrapped)",
    )
    .bind(rows)
    .bind(ids)
    .bind(wrapped)
    .execute(pool)
    .await
    .unwrap();
}

async fn credentials(pool: &PgPool, vault: &Vault, begin: usize, count: usize) {
    let ids: Vec<i64> = (begin..begin + count).map(|id| id as i64 + 1).collect();
    let seal = |row: &i64| {
        let place = Place { table: "credentials", column: "password", row: *row };
        vault.seal(&place, &Secret::from("some twenty characters")).unwrap()
    };
    sqlx::query(
        "INSERT INTO netraven.credentials (id, name, username, password) OVERRIDING SYSTEM VALUE
         SELECT id, 'c' || id, 'u', password FROM UNNEST($1::bigint[], $2::bytea[]) AS c (id, password)",
    )
    .bind(&ids)
    .bind(ids.iter().map(seal).collect::<Vec<_>>())
    .execute(pool)
    .await
    .unwrap();
}
