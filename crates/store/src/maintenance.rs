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
    let failed = StoreError::query("make a partition");
    let mut tx = store.begin("make a partition").await?;
    // Nearly always it is there, and nothing has to be locked.
    if !exists(&mut tx, &partition).await.map_err(&failed)? {
        make(&mut tx, table, &partition, from, until).await.map_err(&failed)?;
    }
    tx.commit().await.map_err(&failed)
}

/// Asks the catalogue itself: the server's functions for names may answer from a cache that is older than the lock.
async fn exists(connection: &mut PgConnection, partition: &str) -> sqlx::Result<bool> {
    const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1
        AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'netraven'))";
    sqlx::query_scalar(EXISTS).bind(partition).fetch_one(connection).await
}

async fn make(
    tx: &mut PgConnection,
    table: &str,
    partition: &str,
    from: NaiveDate,
    until: NaiveDate,
) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(PARTITION_LOCK).execute(&mut *tx).await?;
    if exists(&mut *tx, partition).await? {
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
