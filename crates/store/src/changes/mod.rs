//! What changed with devices: one entry for each change, written in the transaction that changes the device.

mod list;
mod listener;
mod record;

pub use list::{ChangeFilter, ChangeRow, list};
pub use listener::ChangeListener;
pub(crate) use record::{Change, record};

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};

/// The channel on which the notifier hears of new entries.
const CHANNEL: &str = "netraven_device_events";

/// Deletes up to `limit` of the oldest entries from before that time, with their deliveries; how many there were. Call it
/// again until that is less than `limit`.
///
/// # Errors
/// The database failed.
pub async fn sweep(store: &Store, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
    const SWEEP: &str = "DELETE FROM device_events WHERE id IN
        (SELECT id FROM device_events WHERE at < $1 ORDER BY at LIMIT $2)";
    sqlx::query(SWEEP)
        .bind(before)
        .bind(i64::from(limit))
        .execute(store.pool())
        .await
        .map(|done| done.rows_affected())
        .map_err(StoreError::query("delete old changes of devices"))
}
