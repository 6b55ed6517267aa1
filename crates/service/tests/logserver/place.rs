//! A running service with a key of each kind.

use crate::client::{Reply, get, post};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_platform::Redactor;
use netraven_service::gateway::{AuthSettings, KeyFile, Right};
use netraven_service::logserver::{LogServer, LogServerLimits, LogServerSettings};
use netraven_store::Store;
use netraven_store::access::Role;
use netraven_store::testing::TestDatabase;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub struct Place {
    pub folder: TempDir,
    pub server: LogServer,
    pub address: SocketAddr,
    /// A key without further rights.
    pub key: String,
    /// One that may send.
    pub writer: String,
}

pub fn settings(folder: &TempDir) -> LogServerSettings {
    LogServerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        auth: AuthSettings {
            key_file: folder.path().join("joblog_keys.yaml"),
            api_key: None,
            issuer: "https://auth.netraven.local".into(),
            audience: "netraven-joblog".into(),
            token_secrets: folder.path().join("tokens.secret"),
            public_keys: None,
        },
        limits: LogServerLimits { rate: 10_000, ..LogServerLimits::default() },
        spool: folder.path().join("joblog.spool"),
        job_log_months: Some(24),
        connection_log_months: None,
    }
}

impl Place {
    /// With a database of its own; its store may do everything.
    pub async fn new() -> Option<(Self, Store, TestDatabase)> {
        let database = TestDatabase::create().await?;
        let joblog = database.store_as(Role::Joblog).await;
        Some((Self::on(joblog, |_| {}).await, database.store().await, database))
    }

    pub async fn on(store: Store, change: impl FnOnce(&mut LogServerSettings)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&folder);
        change(&mut settings);
        let keys = KeyFile::new(&settings.auth.key_file);
        let shown = |key: netraven_model::Secret| key.expose_text().unwrap().to_owned();
        let key = shown(keys.add("reader", [].into()).unwrap());
        let writer = shown(keys.add("writer", [Right::Write].into()).unwrap());
        let redactor = Arc::new(Redactor::standard().unwrap());
        let server = LogServer::start(store, redactor, settings).await.unwrap();
        let address = server.address();
        Self { folder, server, address, key, writer }
    }

    /// Sends a batch.
    pub async fn send(&self, events: &[JobEvent]) -> Reply {
        self.post(&json!({"events": events})).await
    }

    pub async fn post(&self, body: &Value) -> Reply {
        post(self.address, "/events", &self.writer, body).await
    }

    /// Sends a batch, which must be taken.
    pub async fn sent(&self, events: &[JobEvent]) {
        let reply = self.send(events).await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"accepted": events.len()})),
            "{}",
            reply.text()
        );
    }

    pub async fn get(&self, path: &str) -> Reply {
        get(self.address, path, &[("x-api-key", &self.key)]).await
    }

    /// What must be answered.
    pub async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    pub async fn stop(self) -> Left {
        self.server.stop(Duration::from_secs(5)).await;
        Left { folder: self.folder, address: self.address, key: self.key, writer: self.writer }
    }
}

/// What a service that was stopped leaves.
pub struct Left {
    folder: TempDir,
    address: SocketAddr,
    key: String,
    writer: String,
}

impl Left {
    /// Starts it again at the same place.
    pub async fn begin_again(self, store: Store) -> Place {
        let Self { folder, address, key, writer } = self;
        let settings = LogServerSettings { listen: address, ..settings(&folder) };
        let redactor = Arc::new(Redactor::standard().unwrap());
        let server = LogServer::start(store, redactor, settings).await.unwrap();
        Place { folder, server, address, key, writer }
    }
}

/// An event of a job that tells its number.
pub fn numbered(job: i64, number: u64, timestamp: DateTime<Utc>) -> JobEvent {
    let event = Event::CommandOutput { command: "show version".into(), bytes: number, millis: 1 };
    JobEvent::new(Some(JobId(job)), Some(DeviceId(job)), timestamp, event)
}

/// Events of a job with these numbers, a microsecond apart.
pub fn many(job: i64, numbers: std::ops::Range<u64>) -> Vec<JobEvent> {
    let now = Utc::now();
    numbers
        .map(|number| numbered(job, number, now + chrono::TimeDelta::microseconds(number as i64)))
        .collect()
}

/// The numbers of such events in an answer of `/logs`.
pub fn numbers(page: &Value) -> Vec<u64> {
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["details"]["bytes"].as_u64().unwrap()).collect()
}
