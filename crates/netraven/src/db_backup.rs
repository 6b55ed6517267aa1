//! Backups of the database: where they go, what they need, and those that `netraven up` makes by itself.

use crate::context::Context;
use crate::database::Database;
use crate::output::format::size;
use crate::sealing::vault;
use chrono::Utc;
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, Actor, Details, Entry};
use netraven_store::backup::{self, BackupError, BackupSettings, Created};
use netraven_store::{ConnectSettings, Store};
use netraven_vault::key_number;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::sleep;

/// How often somebody looks whether a backup is due; other processes, and the machine's clock, may have moved.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The private PostgreSQL has nobody else who backs it up.
const PRIVATE_EVERY_HOURS: u64 = 24;

/// A backup as the settings want it, of the database that `database` leads to.
pub fn settings(context: &Context, database: ConnectSettings) -> BackupSettings {
    let settings = &context.settings;
    BackupSettings {
        database,
        directory: settings.db_backup.dir.clone(),
        keep: settings.db_backup.keep,
        binaries: settings.database.private.binaries.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        key_number,
    }
}

/// What is to be known of a backup's keys: those that this installation does not have.
pub fn missing_keys(context: &Context, needed: &[u32]) -> Vec<String> {
    if needed.is_empty() {
        return Vec::new();
    }
    let numbers = |keys: &[u32]| keys.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match vault(context) {
        Ok(vault) => {
            let missing: Vec<u32> = needed.iter().copied().filter(|key| !vault.holds_key(*key)).collect();
            let numbers = numbers(&missing);
            let warning =
                format!("the backup's secrets need key {numbers}, which is not in the {}", vault.source());
            (!missing.is_empty()).then_some(warning).into_iter().collect()
        }
        Err(error) => vec![format!("the backup's secrets need key {}: {}", numbers(needed), error.message)],
    }
}

/// What the audit trail says of a backup.
pub fn entry(created: &Created) -> Entry {
    let file = created.dump.display().to_string();
    let details = Details::Dump { file, bytes: created.manifest.size_bytes };
    Entry::new(Action::DatabaseBackedUp, created.manifest.database.clone()).with(details)
}

/// Makes backups whenever they are due, for as long as it is polled. Failures are logged and tried again.
pub async fn keep_backing_up(context: &Context, database: &Database) -> Infallible {
    let private = database.private_version().is_some();
    let usual = if private { PRIVATE_EVERY_HOURS } else { 0 };
    let hours = context.settings.db_backup.every_hours.unwrap_or(usual);
    if hours == 0 {
        tracing::info!("no scheduled backups of the database (db_backup.every_hours)");
        return std::future::pending().await;
    }
    let settings = settings(context, database.connect_settings(context, Role::Backup));
    let store = database.store.clone().with_actor(Actor::service("netraven"));
    let every = Duration::from_secs(hours * 3600);
    loop {
        match back_up_if_due(&settings, &store, every).await {
            Ok(left) => sleep(left.min(LOOK_AGAIN)).await,
            Err(error) => {
                tracing::error!(%error, "the database was not backed up");
                sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Answers how long there is time until the next one.
async fn back_up_if_due(
    settings: &BackupSettings,
    store: &Store,
    every: Duration,
) -> Result<Duration, BackupError> {
    let left = backup::due_in(settings, every, Utc::now()).await?;
    if !left.is_zero() {
        return Ok(left);
    }
    // Nothing made: another process is at it.
    if let Some(created) = backup::create_if_due(settings, every, Utc::now()).await? {
        let (file, removed) = (created.dump.display(), created.removed.len());
        tracing::info!(%file, size = size(created.manifest.size_bytes), removed, "the database was backed up");
        audit::record(store, &entry(&created)).await?;
    }
    Ok(LOOK_AGAIN)
}
