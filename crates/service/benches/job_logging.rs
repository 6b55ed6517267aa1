//! Rows per second through the job logging service: `cargo bench -p netraven-service --bench job_logging`.
//!
//! Senders post batches over loopback and wait for each answer, which comes when the batch is in the database; the service
//! redacts every text, and a private PostgreSQL with durable settings writes. `crates/store/benches/joblog.rs` measures the
//! database's part alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use chrono::Utc;
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_platform::Redactor;
use netraven_service::gateway::{AuthSettings, KeyFile, Right};
use netraven_service::logserver::{LogServer, LogServerLimits, LogServerSettings};
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::set_up;
use netraven_store::{ConnectSettings, Store};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of each measurement.
const ROWS: usize = 60_000;
/// Senders at the same time, and rows of each of their batches.
const SHAPES: [(usize, usize); 4] = [(1, 1_000), (4, 1_000), (4, 100), (16, 20)];

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    // The server's user, who is not us when we are root, must get through.
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let cluster = PrivateCluster::acquire(&PrivateSettings::new(dir.path())).await.unwrap();
    let admin = ConnectSettings::new(cluster.admin_url());
    set_up(ConnectSettings { database: Some("netraven".to_owned()), ..admin }, dir.path()).await;
    let store = Store::connect(&ConnectSettings::new(cluster.url())).await.unwrap();
    let settings = settings(dir.path());
    let key = KeyFile::new(&settings.auth.key_file).add("bench", [Right::Write].into()).unwrap();
    let key = key.expose_text().unwrap().to_owned();
    let redactor = Arc::new(Redactor::standard().unwrap());
    let server = LogServer::start(store.clone(), redactor, settings).await.unwrap();
    let url = format!("http://{}/events", server.address());

    println!("{:>7} | {:>10} | {:>10} | {:>12}", "senders", "batch rows", "rows/s", "ms per batch");
    for (senders, batch) in SHAPES {
        let batches = ROWS / senders / batch;
        let begin = Instant::now();
        let sending =
            (0..senders).map(|sender| tokio::spawn(send(url.clone(), key.clone(), sender, batches, batch)));
        for sender in sending.collect::<Vec<_>>() {
            sender.await.unwrap();
        }
        let seconds = begin.elapsed().as_secs_f64();
        let rows = (senders * batches * batch) as f64;
        println!(
            "{senders:>7} | {batch:>10} | {:>10.0} | {:>12.1}",
            rows / seconds,
            1_000.0 * seconds / batches as f64
        );
    }
    println!("{:?}", server.counters());
    server.stop(Duration::from_secs(10)).await;
    store.close().await;
    cluster.release().await.unwrap();
}

async fn send(url: String, key: String, sender: usize, batches: usize, rows: usize) {
    let client = netraven_service::web::client(None, Duration::from_secs(10)).unwrap();
    for batch in 0..batches {
        let event = |row| {
            let event =
                Event::CommandOutput { command: "show running-config".into(), bytes: row as u64, millis: 1 };
            let job = (sender * batches + batch + 1) as i64;
            JobEvent::new(Some(JobId(job)), Some(DeviceId(job % 10_000)), Utc::now(), event)
        };
        let events: Vec<_> = (0..rows).map(event).collect();
        let body = serde_json::to_vec(&json!({ "events": events })).unwrap();
        let request = client.post(&url).header("x-api-key", &key).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
    }
}

fn settings(folder: &Path) -> LogServerSettings {
    LogServerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        auth: AuthSettings {
            key_file: folder.join("bench_keys.yaml"),
            api_key: None,
            issuer: "bench".into(),
            audience: "bench".into(),
            token_secrets: folder.join("tokens.secret"),
            public_keys: None,
        },
        limits: LogServerLimits { rate: 100_000, ..LogServerLimits::default() },
        spool: folder.join("spools/joblog.spool"),
        job_log_months: None,
        connection_log_months: None,
    }
}
