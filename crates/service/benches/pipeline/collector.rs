//! The measured process: a worker with its own durable private PostgreSQL.

use crate::Scenario;
use crate::measure::{own_cpu, own_peak_mib, postgres_cpu};
use crate::simulator::Simulator;
use netraven_device::DeviceSettings;
use netraven_model::{DeviceName, JobKind, RunId};
use netraven_platform::Platforms;
use netraven_service::{Definitions, Stores, Worker, WorkerSettings};
use netraven_store::devices::{NewDevice, OnExisting, Reach};
use netraven_store::jobs::{NewRun, Origin, TargetSelection};
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::set_up;
use netraven_store::{ConnectSettings, Store, credentials, devices, jobs};
use netraven_vault::{Place, Vault};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn run(scenario: Scenario) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(scenario));
}

async fn measure(scenario: Scenario) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut simulator = Simulator::start(scenario);
    let cluster = PrivateCluster::acquire(&PrivateSettings::new(folder.path())).await.unwrap();
    let admin = ConnectSettings::new(cluster.admin_url());
    set_up(ConnectSettings { database: Some("netraven".to_owned()), ..admin }, folder.path()).await;
    let store = Store::connect(&ConnectSettings::new(cluster.url())).await.unwrap();
    let vault = Arc::new(Vault::open_or_create(&folder.path().join("keys/master.key")).unwrap());
    fill(&store, &vault, &simulator).await;
    let platforms = Arc::new(definitions(scenario, folder.path()));

    println!(
        "      round      |  wall s | devices/s | collector CPU ms/device | PostgreSQL CPU ms/device | peak RSS MiB"
    );
    for round in ["all new", "all changed", "unchanged"] {
        if round == "all changed" {
            simulator.change_all();
        }
        let bench =
            Round { scenario, store: &store, vault: &vault, platforms: &platforms, data: folder.path() };
        bench.run(round).await;
    }
    store.close().await;
    simulator.stop();
    cluster.release().await.unwrap();
}

/// The inventory as the simulator tells it, and one credential for all.
async fn fill(store: &Store, vault: &Vault, simulator: &Simulator) {
    let new = simulator.devices.iter().map(|line| NewDevice {
        hostname: DeviceName::parse(&line.hostname).unwrap(),
        address: line.address.clone(),
        port: Some(line.port),
        device_type: line.platform.clone(),
        site: None,
        description: None,
        reach: Reach::default(),
        tags: Vec::new(),
    });
    devices::add_many(store, new.collect(), OnExisting::Fail).await.unwrap();
    let login = &simulator.devices[0];
    let id = credentials::next_id(store).await.unwrap();
    let seal = |column, text: &str| {
        Some(vault.seal(&Place { table: "credentials", column, row: id.0 }, &text.into()).unwrap())
    };
    let credential = credentials::NewCredential {
        name: "bench".into(),
        username: login.username.clone(),
        password: seal("password", &login.password),
        enable_secret: seal("enable_secret", &login.enable),
        ..Default::default()
    };
    credentials::insert(store, id, credential).await.unwrap();
}

fn definitions(scenario: Scenario, folder: &Path) -> Platforms {
    let own = folder.join("platforms");
    std::fs::create_dir(&own).unwrap();
    if scenario.two_commands {
        std::fs::write(own.join("arista_eos.yaml"), include_str!("two_commands.yaml")).unwrap();
    }
    Platforms::load(Some(&own)).unwrap()
}

struct Round<'a> {
    scenario: Scenario,
    store: &'a Store,
    vault: &'a Arc<Vault>,
    platforms: &'a Arc<Platforms>,
    data: &'a Path,
}

impl Round<'_> {
    async fn run(&self, name: &str) {
        let settings = WorkerSettings {
            parallel_sessions: self.scenario.parallel,
            device: DeviceSettings::default(),
            ..WorkerSettings::default()
        };
        let (cpu, postgres, start) = (own_cpu(), postgres_cpu(self.data), Instant::now());
        let stores = Stores::all(self.store.clone());
        let worker =
            Worker::start(stores, self.vault.clone(), Definitions::new(self.platforms.clone()), settings);
        let new = NewRun::new(JobKind::Backup, Origin::Person, TargetSelection::All, "bench");
        let run = jobs::create_run(self.store, &new).await.unwrap().run;
        let versions = self.wait(run, name).await;
        let wall = start.elapsed();
        let (cpu, postgres) = (own_cpu() - cpu, postgres_cpu(self.data) - postgres);
        worker.stop(Duration::from_secs(5)).await;
        let devices = self.scenario.devices as f64;
        println!(
            "{name:>16} | {:>7.2} | {:>9.0} | {:>23.2} | {:>24.2} | {:>12.1}   ({versions} new versions)",
            wall.as_secs_f64(),
            devices / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1000.0 / devices,
            postgres.as_secs_f64() * 1000.0 / devices,
            own_peak_mib(),
        );
    }

    /// Until the run is over; checks that every device gave what the round expects.
    async fn wait(&self, run: RunId, name: &str) -> i64 {
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let progress = jobs::run_progress(self.store, run).await.unwrap();
            if progress.queued + progress.running == 0 {
                let expected = self.scenario.devices as i64;
                let (changed, unchanged) = if name == "unchanged" { (0, expected) } else { (expected, 0) };
                assert_eq!((progress.changed, progress.unchanged), (changed, unchanged), "{progress:?}");
                return progress.changed;
            }
            assert!(Instant::now() < deadline, "the run does not end: {progress:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
