//! The generated installation, and the judgement of what the store's functions read of it.

use crate::plans::{Recorder, server_settings};
use chrono::{Months, Utc};
use netraven_store::testing::{OtherServer, ServerOptions, set_up};
use netraven_store::{ConnectSettings, Store, StoreError, maintenance};
use sqlx::{Connection, PgConnection};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

const GENERATE: &str = include_str!("generate.sql");
/// Tables that grow with the number of devices or with time. Partitions begin with their table's name.
const LARGE: [&str; 13] = [
    "devices",
    "device_tags",
    "host_keys",
    "credential_device_stats",
    "device_configurations",
    "configuration_parts",
    "configuration_blobs",
    "jobs",
    "run_jobs",
    "job_attempts",
    "job_logs",
    "connection_logs",
    "audit_log",
];
/// Rows that one statement may read: a page's lines with what belongs to each, for instance its 20 versions.
const MOST_READ: u64 = 3_000;
/// From the sixth time on the server may prefer a plan that fits all parameters to one that fits these.
pub const REPEAT: usize = 7;

/// A store on the generated database, and what was wrong so far.
pub struct Scale {
    store: Store,
    recorder: Recorder,
    pub wrong: String,
    _server: OtherServer,
}

impl Scale {
    pub async fn new() -> Option<Self> {
        let major = OtherServer::system_major().await?;
        let options = ServerOptions { settings: server_settings(), ..ServerOptions::default() };
        let server = OtherServer::start_with(major, options).await?;
        let settings = ConnectSettings {
            max_connections: 1,
            statement_timeout: Duration::from_secs(300),
            ..ConnectSettings::new(server.admin_url())
        };
        let folder = tempfile::tempdir().unwrap();
        set_up(settings.clone(), folder.path()).await;
        let store = Store::connect(&settings).await.unwrap();
        for months in [4, 2] {
            let then = Utc::now().checked_sub_months(Months::new(months)).unwrap();
            maintenance::ensure_partitions_at(&store, then).await.unwrap();
        }
        let mut connection = PgConnection::connect(server.admin_url()).await.unwrap();
        sqlx::raw_sql("SET auto_explain.log_min_duration = -1").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(GENERATE).execute(&mut connection).await.unwrap();
        // As autovacuum would in the meantime; it cannot be among other statements.
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Some(Self { store, recorder: Recorder::start(), wrong: String::new(), _server: server })
    }

    /// Calls the function often enough and looks at the plans of all its statements.
    pub async fn page<T>(&mut self, name: &str, call: impl AsyncFn(&Store) -> Result<T, StoreError>) -> T {
        self.page_reading(MOST_READ, name, call).await
    }

    /// As [`Scale::page`] for what has more rows to read.
    pub async fn page_reading<T>(
        &mut self,
        most: u64,
        name: &str,
        call: impl AsyncFn(&Store) -> Result<T, StoreError>,
    ) -> T {
        for _ in 1..REPEAT {
            call(&self.store).await.unwrap();
        }
        self.once_reading(most, name, call).await
    }

    /// As [`Scale::page`] for what cannot be done twice.
    pub async fn once<T>(&mut self, name: &str, call: impl AsyncFn(&Store) -> Result<T, StoreError>) -> T {
        self.once_reading(MOST_READ, name, call).await
    }

    pub async fn once_reading<T>(
        &mut self,
        most: u64,
        name: &str,
        call: impl AsyncFn(&Store) -> Result<T, StoreError>,
    ) -> T {
        let value = call(&self.store).await.unwrap();
        let plans = self.recorder.take();
        assert!(!plans.is_empty(), "{name}: no plan was seen");
        let mut reported = HashSet::new();
        for plan in &plans {
            let scanned = plan.scanned(is_large);
            let read = plan.rows_read(is_large);
            // The repetitions of a statement mostly say the same.
            if (!scanned.is_empty() || read > most) && reported.insert(&plan.query) {
                writeln!(self.wrong, "{name}: {read} rows read, scanned {scanned:?}\n  {plan}").unwrap();
            }
        }
        value
    }
}

fn is_large(table: &str) -> bool {
    LARGE
        .iter()
        .any(|large| table.strip_prefix(large).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}
