//! Jobs per second through the queue: `cargo bench -p netraven-service --bench queue`.
//!
//! Four workers, each with its own connections, claim jobs in batches and finish them as a worker does: the session's
//! events into the job log, then versions, jobs and devices in one transaction. No sessions with devices: what is measured is the
//! database's share, on a private PostgreSQL with durable settings (every COMMIT waits for the disk).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "pipeline/measure.rs"]
mod measure;

use chrono::Utc;
use measure::{own_cpu, own_peak_mib, postgres_cpu};
use netraven_model::{Capture, CredentialId, DeviceName, Event, Facts, Hash256, JobEvent, JobKind, PartKind};
use netraven_seal::{FingerprintKey, RawPart, SealedConfig, mask};
use netraven_store::devices::{NewDevice, OnExisting, Reach};
use netraven_store::jobs::{ClaimedJob, Finished, FinishedResult, NewRun, Origin, TargetSelection};
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::set_up;
use netraven_store::{ConnectSettings, Store, devices, jobs, logs};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const JOBS: usize = 10_000;
const WORKERS: usize = 4;
/// As many as a dispatcher claims and a committer records at once.
const CLAIM: u32 = 64;
const LEASE: Duration = Duration::from_secs(60);
/// Bytes of each configuration.
const SIZE: usize = 16 << 10;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    // The server's user, who is not us when we are root, must get through.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = PrivateCluster::acquire(&PrivateSettings::new(folder.path())).await.unwrap();
    let admin = ConnectSettings::new(cluster.admin_url());
    set_up(ConnectSettings { database: Some("netraven".to_owned()), ..admin }, folder.path()).await;
    let store = Store::connect(&ConnectSettings::new(cluster.url())).await.unwrap();
    let new = |number| NewDevice {
        hostname: DeviceName::parse(&format!("r{number}")).unwrap(),
        address: "192.0.2.1".to_owned(),
        port: None,
        device_type: "cisco_ios".to_owned(),
        site: Some(format!("site-{}", number % 20)),
        description: None,
        reach: Reach::default(),
        tags: Vec::new(),
    };
    devices::add_many(&store, (0..JOBS).map(new).collect(), OnExisting::Fail).await.unwrap();

    println!("{JOBS} jobs, {WORKERS} workers, batches of {CLAIM}, {} KiB each", SIZE >> 10);
    println!("{:>12} | jobs/s | own CPU ms/job | PostgreSQL CPU ms/job | peak RSS MiB", "round");
    for (round, revision) in [("all new", 1), ("all changed", 2), ("unchanged", 2)] {
        let run = NewRun::new(JobKind::Backup, Origin::Person, TargetSelection::All, "bench");
        let run = jobs::create_run(&store, &run).await.unwrap().run;
        let (cpu, postgres, start) = (own_cpu(), postgres_cpu(folder.path()), Instant::now());
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            let settings = ConnectSettings { max_connections: 2, ..ConnectSettings::new(cluster.url()) };
            let store = Store::connect(&settings).await.unwrap();
            workers.spawn(work(store, format!("w{number}"), revision, round == "unchanged"));
        }
        let done: usize = workers.join_all().await.into_iter().sum();
        let wall = start.elapsed().as_secs_f64();
        let (cpu, postgres) = (own_cpu() - cpu, postgres_cpu(folder.path()) - postgres);
        let progress = jobs::run_progress(&store, run).await.unwrap();
        assert_eq!((done, progress.active()), (JOBS, 0), "{progress:?}");
        assert_eq!(progress.changed + progress.unchanged, JOBS as i64, "{progress:?}");
        let each = |time: Duration| time.as_secs_f64() * 1000.0 / JOBS as f64;
        println!(
            "{round:>12} | {:>6.0} | {:>14.2} | {:>21.2} | {:>12.1}",
            JOBS as f64 / wall,
            each(cpu),
            each(postgres),
            own_peak_mib()
        );
    }
    store.close().await;
    cluster.release().await.unwrap();
}

/// Claims and finishes until nothing is left; how many.
async fn work(store: Store, worker: String, revision: u32, same: bool) -> usize {
    let mut done = 0;
    loop {
        let claimed = jobs::claim(&store, &worker, CLAIM, LEASE).await.unwrap();
        if claimed.is_empty() {
            return done;
        }
        done += claimed.len();
        let batch: Vec<Finished> = claimed.iter().map(|job| finished(job, revision, same)).collect();
        let events: Vec<_> = batch.iter().flat_map(|finished| &finished.events).collect();
        logs::write(&store, &events, &[]).await.unwrap();
        let recorded = jobs::finish(&store, &worker, &batch).await.unwrap();
        let told: Vec<_> =
            recorded.iter().filter_map(|recorded| recorded.as_ref().unwrap().event.as_ref()).collect();
        assert_eq!(told.len(), batch.len());
        logs::write(&store, &told, &[]).await.unwrap();
    }
}

/// What a session brings, in four events.
fn finished(job: &ClaimedJob, revision: u32, same: bool) -> Finished {
    let now = Utc::now();
    let event = |event| JobEvent::new(Some(job.job), Some(job.device), now, event);
    let command = "show running-config".to_owned();
    let result = if same {
        FinishedResult::Unchanged { facts: Facts::default() }
    } else {
        FinishedResult::Changed {
            config: Box::new(configuration(job, revision)),
            platform_digest: Hash256([5; 32]),
            flags: Vec::new(),
            rules_only: false,
            facts: Facts::default(),
        }
    };
    Finished {
        events: vec![
            event(Event::Started { attempt: job.attempt }),
            event(Event::LoggedIn { credential: Some(CredentialId(1)), millis: 80 }),
            event(Event::CommandOutput { command, bytes: SIZE as u64, millis: 200 }),
        ],
        ..Finished::new(job, now, now, result)
    }
}

fn configuration(job: &ClaimedJob, revision: u32) -> SealedConfig {
    let mut text = format!("hostname {}\n! {revision}\n", job.target.hostname);
    while text.len() < SIZE {
        text += &format!("interface Vlan{}\n no ip address\n", text.len());
    }
    let part = RawPart {
        name: "running-config".into(),
        context: None,
        command: "show running-config".into(),
        kind: PartKind::Config,
        secrets: Vec::new(),
        volatile: Vec::new(),
        capture: Capture::new(text.into_bytes()),
    };
    mask(vec![part], &FingerprintKey::from_bytes([7; 32])).unwrap().seal(None).unwrap()
}
