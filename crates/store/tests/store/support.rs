//! What most tests begin with.

use chrono::Utc;
use netraven_model::{Capture, ErrorCode, Facts, Failure, Hash256, JobId, JobKind, PartKind, Phase, Span};
use netraven_seal::{FingerprintKey, RawPart, SealedConfig, mask};
use netraven_store::access::Role;
use netraven_store::credentials::{self, NewCredential};
use netraven_store::devices::{self, Device, NewDevice, OnExisting, Reach};
use netraven_store::jobs::{
    self, ClaimedJob, FinishError, Finished, FinishedResult, NewRun, Origin, Recorded, RunCreated,
    TargetSelection,
};
use netraven_store::logs::{self, Dialogue};
use netraven_store::testing::TestDatabase;
use netraven_store::{ConnectSettings, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

pub const MINUTE: Duration = Duration::from_secs(60);

/// A store on a database of its own.
pub struct Fixture {
    pub store: Store,
    pub database: TestDatabase,
}

pub async fn fixture() -> Option<Fixture> {
    let database = TestDatabase::create().await?;
    Some(Fixture { store: database.store().await, database })
}

/// The same with the rights of one role.
pub async fn fixture_as(role: Role) -> Option<Fixture> {
    let database = TestDatabase::create().await?;
    Some(Fixture { store: database.store_as(role).await, database })
}

impl Fixture {
    /// A connection of the test's own, to look behind the store's back.
    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.unwrap()
    }

    /// Another store on the same database, as another process would have.
    pub async fn another_store(&self) -> Store {
        Store::connect(&ConnectSettings { max_connections: 2, ..ConnectSettings::new(self.database.url()) })
            .await
            .unwrap()
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        let mut connection = self.connection().await;
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        done.rows_affected()
    }

    /// The single value that the query gives, as text.
    pub async fn value(&self, sql: &str) -> Option<String> {
        let sql = format!("SELECT value::text FROM ({sql}) AS query (value)");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection().await).await.unwrap()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        self.value(sql).await.unwrap().parse().unwrap()
    }

    pub async fn add_device(&self, name: &str) -> Device {
        devices::add(&self.store, new_device(name)).await.unwrap()
    }

    /// `d0001`, `d0002`, ...
    pub async fn add_devices(&self, count: usize) {
        let new = (1..=count).map(|n| new_device(&format!("d{n:04}"))).collect();
        devices::add_many(&self.store, new, OnExisting::Fail).await.unwrap();
    }

    pub async fn add_credential(
        &self,
        name: &str,
        priority: i32,
        tags: &[&str],
    ) -> netraven_model::CredentialId {
        let id = credentials::next_id(&self.store).await.unwrap();
        let new = NewCredential {
            name: name.to_owned(),
            username: format!("user-of-{name}"),
            password: Some(format!("ciphertext-of-{name}").into_bytes()),
            priority: Some(priority),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..NewCredential::default()
        };
        credentials::insert(&self.store, id, new).await.unwrap().id
    }

    pub async fn run(&self, target: TargetSelection) -> RunCreated {
        jobs::create_run(&self.store, &backup_of(target)).await.unwrap()
    }

    pub async fn claim(&self, limit: u32) -> Vec<ClaimedJob> {
        jobs::claim(&self.store, "w1", limit, MINUTE).await.unwrap()
    }

    /// Starts a backup of all devices and claims one job.
    pub async fn claim_new(&self) -> ClaimedJob {
        self.run(TargetSelection::All).await;
        self.claim(1).await.pop().unwrap()
    }

    pub async fn finish(&self, batch: &[Finished]) -> Vec<Result<Recorded, FinishError>> {
        record(&self.store, "w1", batch).await
    }

    pub async fn finish_one(&self, finished: Finished) -> Recorded {
        self.finish(&[finished]).await.pop().unwrap().unwrap()
    }

    /// One whole backup of the only device that brings this text.
    pub async fn back_up(&self, text: &str) -> Recorded {
        let job = self.claim_new().await;
        self.finish_one(finished(&job, changed(text))).await
    }

    /// Takes back expired jobs as a worker does, and answers how many.
    pub async fn requeue_expired(&self) -> usize {
        let lost = jobs::requeue_expired(&self.store).await.unwrap();
        logs::write(&self.store, &lost.iter().collect::<Vec<_>>(), &[]).await.unwrap();
        lost.len()
    }

    /// As if the pause of all queued jobs were over.
    pub async fn make_due(&self) {
        self.execute("UPDATE jobs SET scheduled_for = now() WHERE status = 'queued'").await;
    }

    pub async fn status(&self, job: JobId) -> jobs::JobRow {
        jobs::get(&self.store, job).await.unwrap().job
    }
}

/// Writes all that results bring, in a worker's order.
pub async fn record(store: &Store, worker: &str, batch: &[Finished]) -> Vec<Result<Recorded, FinishError>> {
    let events: Vec<_> = batch.iter().flat_map(|finished| &finished.events).collect();
    let dialogues: Vec<_> = batch.iter().filter_map(|finished| finished.dialogue.as_ref()).collect();
    logs::write(store, &events, &dialogues).await.unwrap();
    let answers = jobs::finish(store, worker, batch).await.unwrap();
    let recorded = || {
        batch.iter().zip(&answers).filter_map(|(finished, answer)| Some((finished, answer.as_ref().ok()?)))
    };
    let events: Vec<_> = recorded().filter_map(|(_, recorded)| recorded.event.as_ref()).collect();
    logs::write(store, &events, &[]).await.unwrap();
    let uses: Vec<_> = recorded().flat_map(|(finished, _)| finished.credential_uses()).collect();
    credentials::count_uses(store, &uses).await.unwrap();
    answers
}

/// The dialogue of a finished session.
pub fn dialogue(finished: &Finished, text: &str) -> Option<Dialogue> {
    Some(Dialogue::new(Some(finished.job), Some(finished.device), finished.finished_at, text.to_owned()))
}

pub fn new_device(name: &str) -> NewDevice {
    NewDevice {
        hostname: netraven_model::DeviceName::parse(name).unwrap(),
        address: "192.0.2.1".to_owned(),
        port: None,
        device_type: "cisco_ios".to_owned(),
        site: None,
        description: None,
        reach: Reach::default(),
        tags: Vec::new(),
    }
}

pub fn backup_of(target: TargetSelection) -> NewRun {
    NewRun::new(JobKind::Backup, Origin::Person, target, "tester")
}

pub fn part(name: &str, text: &[u8], volatile: Vec<Span>) -> RawPart {
    RawPart {
        name: name.to_owned(),
        context: None,
        command: format!("show {name}"),
        kind: PartKind::Config,
        capture: Capture::new(text.to_vec()),
        secrets: Vec::new(),
        volatile,
    }
}

pub fn sealed(parts: Vec<RawPart>) -> SealedConfig {
    mask(parts, &FingerprintKey::from_bytes([7; 32])).unwrap().seal(None).unwrap()
}

/// A result with a configuration of one part.
pub fn changed(text: &str) -> FinishedResult {
    changed_parts(vec![part("running-config", text.as_bytes(), Vec::new())])
}

pub fn changed_parts(parts: Vec<RawPart>) -> FinishedResult {
    FinishedResult::Changed {
        config: Box::new(sealed(parts)),
        platform_digest: Hash256([5; 32]),
        flags: Vec::new(),
        rules_only: false,
        facts: Facts::default(),
    }
}

pub fn unchanged() -> FinishedResult {
    FinishedResult::Unchanged { facts: Facts::default() }
}

pub fn failed(code: ErrorCode, retry_in: Option<Duration>) -> FinishedResult {
    FinishedResult::Failed { failure: Failure::new(code, Phase::Connect, "it did not answer"), retry_in }
}

pub fn finished(job: &ClaimedJob, result: FinishedResult) -> Finished {
    let now = Utc::now();
    Finished::new(job, now - Duration::from_millis(250), now, result)
}

pub fn is_missing<T: std::fmt::Debug>(result: Result<T, StoreError>, what: &str) -> bool {
    matches!(result.unwrap_err(), StoreError::NotFound { what: found, .. } if found == what)
}

pub fn is_duplicate<T: std::fmt::Debug>(result: Result<T, StoreError>, name: &str) -> bool {
    matches!(result.unwrap_err(), StoreError::Duplicate { name: found, .. } if found == name)
}

pub fn is_invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result.unwrap_err(), StoreError::Invalid { .. })
}
