//! What the database needs from time to time.

use crate::{Store, StoreError};
use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

/// Partitions are made for the current month and so many behind it.
const MONTHS_AHEAD: u32 = 2;

/// The tables that are partitioned by month.
const PARTITIONED: [&str; 2] = ["job_logs", "connection_logs"];

/// Any constant will do that nothing else locks on the same database: "logparts" in ASCII.
const PARTITION_LOCK: i64 = 0x6c6f_6770_6172_7473;

/// Makes the log tables' partitions for this month and the next ones. Rows that had no partition stand in the default
/// one, so nothing is lost where this was not called in time; they move to their month's partition when it is made.
pub async fn ensure_partitions(store: &Store) -> Result<(), StoreError> {
    ensure_partitions_at(store, Utc::now()).await
}

/// As [`ensure_partitions`], for the months from the given time on.
pub async fn ensure_partitions_at(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    let this_month = now.date_naive().with_day(1).ok_or_else(|| out_of_range(now))?;
    for table in PARTITIONED {
        for ahead in 0..=MONTHS_AHEAD {
            let next =
                |months| this_month.checked_add_months(Months::new(months)).ok_or_else(|| out_of_range(now));
            let (from, until) = (next(ahead)?, next(ahead + 1)?);
            ensure_partition(store, table, from, until).await?;
        }
    }
    Ok(())
}

async fn ensure_partition(
    store: &Store,
    table: &'static str,
    from: NaiveDate,
    until: NaiveDate,
) -> Result<(), StoreError> {
    let partition = format!("{table}_y{:04}m{:02}", from.year(), from.month());
    if exists(store, &partition).await? {
        return Ok(());
    }
    let mut tx = store.begin("make a partition").await?;
    make(&mut tx, table, &partition, from, until).await.map_err(StoreError::query("make a partition"))?;
    tx.commit().await.map_err(StoreError::query("make a partition"))
}

async fn exists(store: &Store, partition: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT to_regclass('netraven.' || $1) IS NOT NULL")
        .bind(partition)
        .fetch_one(store.pool())
        .await
        .map_err(StoreError::query("look for a partition"))
}

async fn make(
    tx: &mut PgConnection,
    table: &str,
    partition: &str,
    from: NaiveDate,
    until: NaiveDate,
) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(PARTITION_LOCK).execute(&mut *tx).await?;
    let made: bool = sqlx::query_scalar("SELECT to_regclass('netraven.' || $1) IS NOT NULL")
        .bind(partition)
        .fetch_one(&mut *tx)
        .await?;
    if made {
        return Ok(());
    }
    // Names and dates are our own, never anybody's input. Writers that would use the default partition wait until
    // its rows are moved; those of other months do not notice.
    let statements = format!(
        "LOCK TABLE netraven.{table}_default IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE netraven.{partition} (LIKE netraven.{table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
         WITH moved AS (
             DELETE FROM netraven.{table}_default
             WHERE timestamp >= '{from} 00:00:00+00' AND timestamp < '{until} 00:00:00+00' RETURNING *)
         INSERT INTO netraven.{partition} SELECT * FROM moved;
         ALTER TABLE netraven.{table} ATTACH PARTITION netraven.{partition}
             FOR VALUES FROM ('{from} 00:00:00+00') TO ('{until} 00:00:00+00');"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(tx).await.map(drop)
}

fn out_of_range(now: DateTime<Utc>) -> StoreError {
    StoreError::invalid("the time", format!("{now} has no month after it"))
}
