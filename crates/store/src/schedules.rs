//! When runs start by themselves.

use crate::jobs::{self, NewRun, Origin, RunCreated, TargetSelection};
use crate::rows::word;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{JobKind, ScheduleId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// The longest interval: ten years.
const LONGEST: u64 = 10 * 366 * 24 * 3600;

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Row.
    pub id: ScheduleId,
    /// Unique name.
    pub name: String,
    /// What its runs do.
    pub kind: JobKind,
    /// Time from one run to the next, in whole seconds.
    pub every: Duration,
    /// Which devices its runs take.
    pub target: TargetSelection,
    /// Whether it starts runs.
    pub enabled: bool,
    /// When the next run is due.
    pub next_run: DateTime<Utc>,
    /// When the last one was started.
    pub last_run: Option<DateTime<Utc>>,
}

/// A schedule to make.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// Unique name.
    pub name: String,
    /// What its runs do.
    pub kind: JobKind,
    /// Time from one run to the next: whole seconds, one at least.
    pub every: Duration,
    /// Which devices its runs take.
    pub target: TargetSelection,
    /// The first run; `None` for at once.
    pub first_run: Option<DateTime<Utc>>,
}

/// Makes a schedule.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for an interval out of range,
/// [`StoreError::NotFound`] for a tag or device that does not exist.
pub async fn add(store: &Store, new: &NewSchedule) -> Result<Schedule, StoreError> {
    const ADD: &str = "INSERT INTO schedules (name, kind, every_seconds, target, next_run)
        VALUES ($1, $2, $3, $4, coalesce($5, now())) RETURNING *";
    let seconds =
        i64::try_from(new.every.as_secs()).ok().filter(|_| (1..=LONGEST).contains(&new.every.as_secs()));
    let seconds = seconds.ok_or_else(|| {
        StoreError::invalid(
            "the interval",
            format!("{:?} was given; expected one second to ten years", new.every),
        )
    })?;
    if new.name.trim().is_empty() || new.name.contains('\0') {
        return Err(StoreError::invalid("the schedule", "it needs a name to be spoken of by"));
    }
    let mut tx = store.begin("make a schedule").await?;
    jobs::check_target(&mut tx, &new.target).await?;
    let schedule = sqlx::query_as(ADD)
        .bind(&new.name)
        .bind(new.kind.as_str())
        .bind(seconds)
        .bind(Json(&new.target))
        .bind(new.first_run)
        .fetch_one(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("make a schedule", "schedule", &new.name))?;
    tx.commit().await.map_err(StoreError::query("make a schedule"))?;
    Ok(schedule)
}

/// All schedules by name.
pub async fn list(store: &Store) -> Result<Vec<Schedule>, StoreError> {
    sqlx::query_as("SELECT * FROM schedules ORDER BY name")
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list schedules"))
}

/// Removes a schedule; its runs stay.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, name: &str) -> Result<(), StoreError> {
    let removed = sqlx::query("DELETE FROM schedules WHERE name = $1")
        .bind(clean(name))
        .execute(store.pool())
        .await
        .map_err(StoreError::query("remove a schedule"))?;
    found(removed.rows_affected(), name)
}

/// Switches a schedule on or off. One that is switched on again runs next at its usual time, not for what it missed.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn enable(store: &Store, name: &str, enabled: bool) -> Result<(), StoreError> {
    const ENABLE: &str = concat!(
        "UPDATE schedules SET enabled = $2, next_run = CASE WHEN $2 AND NOT enabled AND next_run <= now() THEN ",
        following!(),
        " ELSE next_run END WHERE name = $1"
    );
    let changed = sqlx::query(ENABLE)
        .bind(clean(name))
        .bind(enabled)
        .execute(store.pool())
        .await
        .map_err(StoreError::query("switch a schedule"))?;
    found(changed.rows_affected(), name)
}

/// Starts a run for each schedule that is due. Intervals that were missed run once, and the next run is in the future.
/// Of several that call this at once each schedule is started by one.
pub async fn start_due(store: &Store) -> Result<Vec<RunCreated>, StoreError> {
    const DUE: &str = concat!(
        "UPDATE schedules SET last_run = now(), next_run = ",
        following!(),
        " WHERE id = (SELECT id FROM schedules WHERE enabled AND next_run <= now()",
        "             ORDER BY next_run, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
    );
    let failed = StoreError::query("start due schedules");
    let mut started = Vec::new();
    // Ends because each schedule that is started is due in the future only.
    loop {
        let mut tx = store.begin("start due schedules").await?;
        let due: Option<Schedule> = sqlx::query_as(DUE).fetch_optional(&mut *tx).await.map_err(&failed)?;
        let Some(schedule) = due else { return Ok(started) };
        let run = NewRun::new(schedule.kind, Origin::Schedule(schedule.id), schedule.target, schedule.name);
        started.push(jobs::create_run_in(&mut tx, &run).await?);
        tx.commit().await.map_err(&failed)?;
    }
}

/// The first time after now that is a whole number of intervals after `next_run`.
macro_rules! following {
    () => {
        "next_run + make_interval(secs => every_seconds) \
            * (floor(extract(epoch FROM now() - next_run) / every_seconds) + 1)"
    };
}
use following;

fn found(rows: u64, name: &str) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::not_found("schedule", name)) } else { Ok(()) }
}

impl FromRow<'_, PgRow> for Schedule {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let target: Json<TargetSelection> = row.try_get("target")?;
        let every: i64 = row.try_get("every_seconds")?;
        Ok(Self {
            id: ScheduleId(row.try_get("id")?),
            name: row.try_get("name")?,
            kind: word(row, "kind", JobKind::from_name)?,
            every: Duration::from_secs(every.unsigned_abs()),
            target: target.0,
            enabled: row.try_get("enabled")?,
            next_run: row.try_get("next_run")?,
            last_run: row.try_get("last_run")?,
        })
    }
}
