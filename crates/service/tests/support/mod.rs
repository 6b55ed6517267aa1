//! A worker, a database of its own and simulated devices behind real SSH.
// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod server;

use netraven_device::{DeviceSettings, SshSettings};
use netraven_lab::{Lab, LabDevice, LabSettings};
use netraven_model::{Backoff, CredentialId, DeviceName, JobKind, RunId, Secret};
use netraven_platform::Platforms;
use netraven_service::{Definitions, Stores, Worker, WorkerSettings};
use netraven_store::access::Role;
use netraven_store::credentials::NewCredential;
use netraven_store::devices::{NewDevice, OnExisting, Reach};
use netraven_store::jobs::{JobFilter, JobRow, NewRun, Origin, Progress, TargetSelection};
use netraven_store::testing::TestDatabase;
use netraven_store::versions::{Version, VersionRow, VersionSelector};
use netraven_store::{Store, credentials, devices, jobs, versions};
use netraven_vault::{Place, Vault};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Ends a test that hangs; nothing here takes that long.
pub const LONG: Duration = Duration::from_secs(60);

pub struct House {
    /// May do everything: it stands for people and looks behind the worker's back.
    pub store: Store,
    /// The worker's own, each with the rights of its service.
    pub stores: Stores,
    pub vault: Arc<Vault>,
    database: Option<TestDatabase>,
    keys: TempDir,
}

impl House {
    /// `None`, said aloud, where PostgreSQL cannot be had.
    pub async fn new() -> Option<Self> {
        let database = TestDatabase::create().await?;
        let stores = Stores {
            scheduler: database.store_as(Role::Scheduler).await,
            gateway: database.store_as(Role::Gateway).await,
            joblog: database.store_as(Role::Joblog).await,
        };
        let house = Self::on(database.store().await, stores);
        Some(Self { database: Some(database), ..house })
    }

    /// A house on somebody else's database.
    pub fn on(store: Store, stores: Stores) -> Self {
        let keys = TempDir::new().unwrap();
        let vault = Arc::new(Vault::open_or_create(&keys.path().join("master.key")).unwrap());
        Self { store, stores, vault, database: None, keys }
    }

    /// A house whose inventory is the lab's, with the lab's credential.
    pub async fn with_lab(settings: LabSettings) -> Option<(Self, Lab)> {
        let house = Self::new().await?;
        let lab = house.move_in(settings).await;
        Some((house, lab))
    }

    /// Starts a lab and enters its devices and its credential.
    pub async fn move_in(&self, settings: LabSettings) -> Lab {
        let lab = Lab::start(settings).unwrap();
        let lab_devices = lab.devices();
        self.add_devices(&lab_devices).await;
        self.add_credential("lab", &lab_devices[0], None, 100).await;
        lab
    }

    pub async fn add_devices(&self, lab_devices: &[LabDevice]) {
        let new = lab_devices.iter().map(|device| NewDevice {
            hostname: DeviceName::parse(&device.hostname).unwrap(),
            address: device.address.to_string(),
            port: Some(device.port),
            device_type: device.platform.clone(),
            site: None,
            description: None,
            reach: Reach::default(),
            tags: Vec::new(),
        });
        devices::add_many(&self.store, new.collect(), OnExisting::Fail).await.unwrap();
    }

    /// The lab's credential, or one with another password.
    pub async fn add_credential(
        &self,
        name: &str,
        device: &LabDevice,
        password: Option<&str>,
        priority: i32,
    ) -> CredentialId {
        let id = credentials::next_id(&self.store).await.unwrap();
        let seal = |column, secret: &Secret| {
            Some(self.vault.seal(&Place { table: "credentials", column, row: id.0 }, secret).unwrap())
        };
        let password = password.map_or(device.password.clone(), Secret::from);
        let new = NewCredential {
            name: name.into(),
            username: device.username.clone(),
            password: seal("password", &password),
            enable_secret: seal("enable_secret", &device.enable),
            priority: Some(priority),
            ..NewCredential::default()
        };
        credentials::insert(&self.store, id, new).await.unwrap();
        id
    }

    pub fn worker(&self, change: impl FnOnce(&mut WorkerSettings)) -> Worker {
        self.worker_with(Arc::new(Platforms::shipped().unwrap()), change)
    }

    /// A worker with other definitions than those shipped.
    pub fn worker_with(&self, platforms: Arc<Platforms>, change: impl FnOnce(&mut WorkerSettings)) -> Worker {
        let mut settings = quick();
        change(&mut settings);
        Worker::start(self.stores.clone(), self.vault.clone(), Definitions::new(platforms), settings)
    }

    pub async fn start_run(&self) -> RunId {
        let new = NewRun::new(JobKind::Backup, Origin::Person, TargetSelection::All, "test");
        jobs::create_run(&self.store, &new).await.unwrap().run
    }

    /// Starts a run of all devices and waits until it is over.
    pub async fn back_up(&self) -> Progress {
        let run = self.start_run().await;
        self.wait(run, |progress| progress.queued + progress.running == 0).await
    }

    pub async fn wait(&self, run: RunId, mut done: impl FnMut(&Progress) -> bool) -> Progress {
        let until = async {
            loop {
                let progress = jobs::run_progress(&self.store, run).await.unwrap();
                if done(&progress) {
                    return progress;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, until).await.expect("the run gets there")
    }

    pub async fn versions(&self, device: &str) -> Vec<VersionRow> {
        versions::list(&self.store, device, 100, None).await.unwrap()
    }

    pub async fn newest(&self, device: &str) -> Version {
        versions::load(&self.store, device, VersionSelector::Latest).await.unwrap()
    }

    pub async fn only_job(&self) -> JobRow {
        let jobs =
            jobs::list(&self.store, &JobFilter { limit: Some(10), ..JobFilter::default() }).await.unwrap();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.into_iter().next().unwrap()
    }

    /// Everything in the database that is text or bytes, as `pg_dump` sees it.
    pub fn dump(&self) -> Vec<u8> {
        let output = std::process::Command::new("pg_dump")
            .arg(self.database.as_ref().unwrap().url())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// Settings with which nothing waits longer than a test likes.
pub fn quick() -> WorkerSettings {
    WorkerSettings {
        parallel_sessions: 32,
        lease: Duration::from_secs(30),
        poll: Duration::from_millis(200),
        retry: Backoff {
            attempts: 2,
            base: Duration::from_millis(50),
            factor: 2,
            limit: Duration::from_secs(1),
        },
        device: DeviceSettings {
            ssh: SshSettings {
                connect_timeout: Duration::from_secs(5),
                handshake_timeout: Duration::from_secs(5),
                auth_timeout: Duration::from_secs(5),
                ..SshSettings::default()
            },
            ..DeviceSettings::default()
        },
        ..WorkerSettings::default()
    }
}
