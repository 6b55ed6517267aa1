//! Rows per second into the job log: `cargo bench -p netraven-store --bench joblog`.
//!
//! `logs::write`, as services call it, with batches of 1,000 events and a transaction for each, against one plain `COPY` of
//! the same rows into the same table, with its indexes, on the same private PostgreSQL with durable settings. The `COPY`
//! gets its rows ready-made, while `logs::write` makes them out of events. The rounds of both alternate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use chrono::{TimeDelta, Utc};
use netraven_model::{CredentialId, DeviceId, Event, JobEvent, JobId, VersionId};
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::set_up;
use netraven_store::{ConnectSettings, Store, logs};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolCopyExt};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const JOBS: i64 = 20_000;
const EVENTS_PER_JOB: i64 = 5;
const BATCH: usize = 1_000;
const ROUNDS: usize = 7;
const COLUMNS: &str = "id, job_id, device_id, timestamp, level, event, message, success, details";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    // The server's user, who is not us when we are root, must get through.
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let cluster = PrivateCluster::acquire(&PrivateSettings::new(dir.path())).await.unwrap();
    let admin = ConnectSettings::new(cluster.admin_url());
    set_up(ConnectSettings { database: Some("netraven".to_owned()), ..admin }, dir.path()).await;
    let store = Store::connect(&ConnectSettings::new(cluster.url())).await.unwrap();
    // The superuser, who may ask for a checkpoint, in NetRaven's database.
    let admin: PgConnectOptions = cluster.admin_url().parse().unwrap();
    let plain = PgPool::connect_with(admin.database("netraven")).await.unwrap();

    let events = events();
    insert(&store, &events).await;
    let rows = copied_out(&plain).await;
    let (mut inserts, mut copies) = (Vec::new(), Vec::new());
    println!("{} rows per round, {} MiB as text", events.len(), rows.len() >> 20);
    println!("{:>6} | {:>12} | {:>12} | ratio", "round", "write rows/s", "COPY rows/s");
    for round in 1..=ROUNDS {
        empty(&plain).await;
        inserts.push(rate(events.len(), insert(&store, &events).await));
        empty(&plain).await;
        copies.push(rate(events.len(), copy_in(&plain, &rows).await));
        show(round, inserts[round - 1], copies[round - 1]);
    }
    // Noise hits both of a round alike, so the ratios are compared round by round.
    let ratios = inserts.iter().zip(&copies).map(|(insert, copy)| insert / copy).collect();
    show("median", median(inserts), median(copies));
    println!("median of the rounds' ratios: {:.2}", median(ratios));
    plain.close().await;
    store.close().await;
    cluster.release().await.unwrap();
}

/// What backups of many devices write, in the order in which they end.
fn events() -> Vec<JobEvent> {
    let start = Utc::now();
    let of_job = |job: i64| {
        let command = "show running-config".to_owned();
        let kinds = [
            Event::Started { attempt: 1 },
            Event::LoggedIn { credential: Some(CredentialId(7)), millis: 180 },
            Event::CommandOutput { command, bytes: 65_536, millis: 900 },
            Event::VersionStored { version: VersionId(job), seq: 12, bytes: 65_536 },
            Event::Unchanged,
        ];
        assert_eq!(kinds.len() as i64, EVENTS_PER_JOB);
        kinds.into_iter().zip(0..).map(move |(event, step)| {
            let at = start + TimeDelta::milliseconds(job * 10 + step);
            JobEvent::new(Some(JobId(job)), Some(DeviceId(job % 10_000)), at, event)
        })
    };
    (0..JOBS).flat_map(of_job).collect()
}

async fn insert(store: &Store, events: &[JobEvent]) -> Duration {
    let start = Instant::now();
    for batch in events.chunks(BATCH) {
        logs::write(store, &batch.iter().collect::<Vec<_>>(), &[]).await.unwrap();
    }
    start.elapsed()
}

async fn copy_in(pool: &PgPool, rows: &[u8]) -> Duration {
    let start = Instant::now();
    let sql = format!("COPY netraven.job_logs ({COLUMNS}) FROM STDIN");
    let mut copy = pool.copy_in_raw(&sql).await.unwrap();
    for piece in rows.chunks(64 << 10) {
        copy.send(piece).await.unwrap();
    }
    copy.finish().await.unwrap();
    start.elapsed()
}

/// The rows that are in the table, as `COPY` takes them.
async fn copied_out(pool: &PgPool) -> Vec<u8> {
    let sql = format!("COPY (SELECT {COLUMNS} FROM netraven.job_logs) TO STDOUT");
    let mut pieces = pool.copy_out_raw(&sql).await.unwrap();
    let mut rows = Vec::new();
    while let Some(piece) = std::future::poll_fn(|context| pieces.as_mut().poll_next(context)).await {
        rows.extend_from_slice(&piece.unwrap());
    }
    rows
}

/// Neither side writes out what the other has left.
async fn empty(pool: &PgPool) {
    for sql in ["TRUNCATE netraven.job_logs", "CHECKPOINT"] {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
}

fn show(what: impl std::fmt::Display, write: f64, copy: f64) {
    println!("{what:>6} | {write:>12.0} | {copy:>12.0} | {:>5.2}", write / copy);
}

fn rate(rows: usize, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
