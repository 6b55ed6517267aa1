//! Backups that make themselves, every so many hours.

use super::create::{BackupSettings, Created, create};
use super::error::BackupError;
use super::rotate::newest;
use super::snapshot::installation;
use crate::StoreError;
use crate::connect::connect_alone;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Any constant will do that nothing else locks on the same database: "nrbackup" in ASCII.
const LOCK: i64 = 0x6e72_6261_636b_7570;

/// Makes a backup if the newest one in the folder is older than `every`. Of several processes that find so at once,
/// one makes it, and the others have nothing to do: `None`.
///
/// # Errors
/// Those of [`create`].
pub async fn create_if_due(
    settings: &BackupSettings,
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Created>, BackupError> {
    let mut connection = connect_alone(&settings.database).await?;
    let made = create_locked(&mut connection, settings, every, now).await;
    // The lock goes with the connection, however that ends.
    drop(connection.close().await);
    made
}

/// How long a backup has time; nothing where it is due.
///
/// # Errors
/// Those of the database: it says which installation it is.
pub async fn due_in(
    settings: &BackupSettings,
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Duration, BackupError> {
    let mut connection = connect_alone(&settings.database).await?;
    let left = left(&mut connection, settings, every, now).await;
    drop(connection.close().await);
    left
}

async fn create_locked(
    connection: &mut PgConnection,
    settings: &BackupSettings,
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Created>, BackupError> {
    let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut *connection);
    let free: bool = lock.await.map_err(StoreError::query("see whether another process makes the backup"))?;
    if !free || !left(connection, settings, every, now).await?.is_zero() {
        return Ok(None);
    }
    create(settings).await.map(Some)
}

async fn left(
    connection: &mut PgConnection,
    settings: &BackupSettings,
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Duration, BackupError> {
    let installation = installation(connection).await?;
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("ask for the database's name"))?;
    // Another process may have made one since `now` was read; one from further ahead had a wrong clock.
    let newest = newest(&settings.directory, installation, &database, after(now, every));
    Ok(newest
        .map_or(Duration::ZERO, |newest| (after(newest, every) - now).to_std().unwrap_or(Duration::ZERO)))
}

fn after(time: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(span).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
