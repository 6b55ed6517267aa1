//! What the database needs from time to time.
//!
//! The work on the log tables' partitions is done by functions of the schema, because only an owner can attach and drop
//! partitions, and no service is the owner.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};

/// Partitions are made for the current month and so many behind it.
const MONTHS_AHEAD: i32 = 2;

/// The tables that are partitioned by month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTable {
    /// What happened in jobs.
    JobLogs,
    /// The dialogues with devices.
    ConnectionLogs,
}

impl LogTable {
    /// The table's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobLogs => "job_logs",
            Self::ConnectionLogs => "connection_logs",
        }
    }
}

/// Makes the log tables' partitions for this month and the next ones, and answers how many were missing. Rows that had no
/// partition stand in the default one, so nothing is lost where this was not called in time; they move to their month's
/// partition when it is made.
///
/// # Errors
/// Somebody reads the rows that should move for longer than a lock may be waited for; a role that may not do this.
pub async fn ensure_partitions(store: &Store) -> Result<u32, StoreError> {
    ensure_partitions_at(store, Utc::now()).await
}

/// As [`ensure_partitions`], for the months from the given time on.
///
/// # Errors
/// As [`ensure_partitions`].
pub async fn ensure_partitions_at(store: &Store, now: DateTime<Utc>) -> Result<u32, StoreError> {
    let made: i32 = sqlx::query_scalar("SELECT netraven.ensure_log_partitions($1, $2)")
        .bind(now)
        .bind(MONTHS_AHEAD)
        .fetch_one(store.pool())
        .await
        .map_err(StoreError::query("make the log tables' partitions"))?;
    Ok(made.unsigned_abs())
}

/// Drops the partitions of a log table whose last moment was before this time, and answers their names. The month that
/// the time lies in is kept whole.
///
/// # Errors
/// A time that is still to come; somebody reads the table for longer than a lock may be waited for; a role that may not
/// do this.
pub async fn drop_old_logs(
    store: &Store,
    table: LogTable,
    older_than: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar("SELECT netraven.drop_log_partitions($1, $2)")
        .bind(table.as_str())
        .bind(older_than)
        .fetch_all(store.pool())
        .await
        .map_err(StoreError::query("drop old logs"))
}
