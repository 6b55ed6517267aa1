//! The worker that this process runs, as the settings want it.

use crate::context::{Context, typed};
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::sealing::open_vault;
use crate::settings::{Connection, Settings};
use netraven_device::{DeviceSettings, HttpSettings, Networks, Pace, SshSettings};
use netraven_model::{Backoff, Breaker};
use netraven_service::{Definitions, Worker, WorkerSettings};
use netraven_store::logins::Limits;
use netraven_store::{Store, settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{interval, timeout};

/// How long sessions under way may take to end when the worker stops.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long results that were collected may take to reach the database when the worker stops.
const COMMIT_LIMIT: Duration = Duration::from_secs(15);

/// How often a running worker looks for settings that were changed in the database.
const SETTINGS_CHECK: Duration = Duration::from_secs(5);

/// What other processes know a worker by; see `netraven_store::workers`.
pub const WORKER_KIND: &str = "worker";

/// Starts a worker in this process, with what was set in the database.
pub async fn start(context: &Context, database: &Database) -> Result<Worker> {
    let definitions = Definitions::new(Arc::new(context.platforms()?));
    start_with(context, database, definitions, settings(context, &database.store).await?).await
}

/// Resolves with other settings than `current` as soon as the database holds some. Settings that cannot be used,
/// and a database that does not answer, change nothing.
pub async fn changed(context: &Context, store: &Store, current: &WorkerSettings) -> WorkerSettings {
    let mut checks = interval(SETTINGS_CHECK);
    loop {
        checks.tick().await;
        match settings(context, store).await {
            Ok(new) => {
                let new = WorkerSettings { name: current.name.clone(), ..new };
                if new != *current {
                    return new;
                }
            }
            Err(error) => tracing::warn!(%error, "the settings in the database are not used"),
        }
    }
}

/// Starts a worker with these definitions and settings.
pub async fn start_with(
    context: &Context,
    database: &Database,
    definitions: Definitions,
    settings: WorkerSettings,
) -> Result<Worker> {
    let vault = Arc::new(open_vault(context, &database.store).await?);
    Ok(Worker::start(database.stores(context).await?, vault, definitions, settings))
}

/// Stops a worker: sessions under way get `grace` to end. Gives up on one whose database does not answer any more.
pub async fn stop(worker: Worker, grace: Duration) {
    if timeout(grace + COMMIT_LIMIT, worker.stop(grace)).await.is_err() {
        tracing::warn!(
            "the worker did not stop in order: its jobs return to the queue when their lease ends"
        );
    }
}

/// The settings in force, those of the database included, as a worker wants them.
pub async fn settings(context: &Context, store: &Store) -> Result<WorkerSettings> {
    let mut effective = context.effective.clone();
    let rows = settings::list(store).await?;
    effective.overlay_database(rows.iter().map(|row| (row.key.as_str(), &row.value))).map_err(|error| {
        CliError::from(error).hint("`netraven setting list` shows what is set in the database")
    })?;
    Ok(worker_settings(&typed(&effective)?))
}

fn worker_settings(settings: &Settings) -> WorkerSettings {
    let (retry, scheduler) = (&settings.retry, &settings.scheduler);
    WorkerSettings {
        parallel_sessions: settings.device.parallel_sessions,
        lease: Duration::from_secs(settings.scheduler.lease_seconds),
        retry: Backoff {
            attempts: retry.attempts,
            base: Duration::from_secs(retry.base_seconds),
            factor: retry.factor,
            limit: Duration::from_secs(retry.limit_seconds),
        },
        breaker: Breaker {
            after: scheduler.breaker_after,
            pause: Duration::from_secs(scheduler.breaker_pause_minutes * 60),
            limit: Duration::from_secs(scheduler.breaker_limit_minutes * 60),
        },
        device: device_settings(settings),
        dispatch: settings.scheduler.dispatch(),
        aliases: settings.credentials.references.clone().unwrap_or_default(),
        logins: Limits {
            per_device: settings.credentials.device_failures_per_hour,
            per_credential: settings.credentials.suspend_after,
        },
        job_log_months: months(settings.logs.job_log_months),
        connection_log_months: months(settings.logs.connection_log_months),
        site_fingerprints: settings.vault.site_fingerprints(),
        ..WorkerSettings::default()
    }
}

/// Bounds of sessions with devices.
pub fn device_settings(settings: &Settings) -> DeviceSettings {
    let (device, connection) = (&settings.device, &settings.connection);
    let usual = DeviceSettings::default();
    DeviceSettings {
        parallel_sessions: device.parallel_sessions,
        site: pace(connection.site_sessions, connection.site_logins_per_minute),
        jump_host: pace(connection.jump_host_sessions, connection.jump_host_logins_per_minute),
        networks: networks(connection),
        connect: Backoff {
            attempts: connection.retry_attempts,
            factor: connection.retry_backoff,
            ..usual.connect
        },
        max_pool_size: connection.max_pool_size,
        idle_timeout: Duration::from_secs(connection.idle_timeout),
        ssh: SshSettings {
            connect_timeout: Duration::from_secs(connection.connection_timeout),
            weakest: device.ssh_weakest_profile,
            ..SshSettings::default()
        },
        http: HttpSettings { ca_file: device.ca_file.clone(), ..HttpSettings::default() },
        command_timeout: Duration::from_secs(device.command_timeout_seconds),
        session_timeout: Duration::from_secs(device.session_timeout_seconds),
        max_output: device.max_output_mib << 20,
        ..usual
    }
}

fn pace(sessions: Option<usize>, logins_per_minute: Option<u32>) -> Pace {
    Pace { sessions, logins_per_second: logins_per_minute.map(|logins| f64::from(logins) / 60.0) }
}

/// Each was checked when the settings were read.
fn networks(connection: &Connection) -> Networks {
    let list = |networks: &Option<Vec<String>>| networks.clone().unwrap_or_default();
    let (allowed, denied) = (list(&connection.allowed_networks), list(&connection.denied_networks));
    Networks::new(&allowed, &denied).unwrap_or_else(|_| Networks::none())
}

/// Zero months mean that logs are kept for ever.
pub fn months(setting: u32) -> Option<u32> {
    (setting > 0).then_some(setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_reach_the_worker_in_its_units() {
        let mut settings = Settings::for_tests();
        settings.device.max_output_mib = 2;
        settings.device.session_timeout_seconds = 7;
        settings.retry.attempts = 5;
        settings.scheduler.breaker_pause_minutes = 2;
        let worker = worker_settings(&settings);
        assert_eq!((worker.device.max_output, worker.retry.attempts), (2 * 1024 * 1024, 5));
        assert_eq!(worker.device.session_timeout, Duration::from_secs(7));
        assert_eq!((worker.breaker.after, worker.breaker.pause.as_secs()), (3, 120));
        assert_eq!((worker.job_log_months, worker.connection_log_months), (Some(24), Some(6)));
        settings.logs.job_log_months = 0;
        assert_eq!(worker_settings(&settings).job_log_months, None);
    }
}
