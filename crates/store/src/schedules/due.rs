//! Runs that are due.

use super::{Schedule, clock, get};
use crate::jobs::{self, DEFAULT_PRIORITY, NewRun, Origin, RunCreated};
use crate::{Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::schedule::Timing;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::time::Duration;

/// A clock that was set back by more than that had been wrong: what was reckoned by it is reckoned anew. By less, the next run
/// stays where it is, so that none is repeated.
const SET_BACK: TimeDelta = TimeDelta::days(1);

/// As [`start_due_at`], by the database's clock.
pub async fn start_due(store: &Store) -> Result<Vec<RunCreated>, StoreError> {
    start_due_at(store, clock(store).await?).await
}

/// Starts a run for each schedule that is due. Runs that were missed are one run, and the next one is in the future; a run that is
/// late and outside its windows waits until one opens. Of several that call this at once each schedule is started by one. A
/// schedule that cannot be started does not keep the others from it.
pub async fn start_due_at(store: &Store, now: DateTime<Utc>) -> Result<Vec<RunCreated>, StoreError> {
    const DUE: &str = "SELECT * FROM schedules
        WHERE enabled AND (next_run <= $1 OR last_run > $2) AND id <> ALL ($3)
        ORDER BY next_run, id LIMIT 1 FOR UPDATE SKIP LOCKED";
    let failed = StoreError::query("start due schedules");
    let (mut started, mut seen) = (Vec::new(), Vec::new());
    // Ends because each schedule is looked at once.
    loop {
        let mut tx = store.begin("start due schedules").await?;
        let due: Option<PgRow> = sqlx::query(DUE)
            .bind(now)
            .bind(now.checked_add_signed(SET_BACK).unwrap_or(now))
            .bind(&seen)
            .fetch_optional(&mut *tx)
            .await
            .map_err(&failed)?;
        let Some(row) = due else { return Ok(started) };
        let id: i64 = row.try_get("id").map_err(&failed)?;
        seen.push(id);
        let done = match Schedule::from_row(&row).map_err(&failed) {
            Ok(schedule) => start(&mut tx, &schedule, now).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(run) => {
                tx.commit().await.map_err(&failed)?;
                started.extend(run);
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::error!(schedule = id, %error, "a schedule that is due could not be started")
            }
        }
    }
}

/// Makes a run of a schedule's target at once, whatever its calendar says, and without moving it.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn run_now(store: &Store, name: &str, requested_by: &str) -> Result<RunCreated, StoreError> {
    let plan = get(store, name).await?.plan;
    let run = NewRun {
        priority: plan.priority.min(DEFAULT_PRIORITY),
        commands: plan.commands,
        ..NewRun::new(plan.kind, Origin::Person, plan.target, requested_by)
    };
    let mut tx = store.begin("start a run").await?;
    // As the schedule does: tags and devices that are gone are passed over.
    let created = jobs::create_run_in(&mut tx, &run).await?;
    tx.commit().await.map_err(StoreError::query("start a run"))?;
    Ok(created)
}

async fn start(
    tx: &mut PgConnection,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<Option<RunCreated>, StoreError> {
    let calendar = &schedule.plan.calendar;
    if schedule.next_run.is_none_or(|next| next > now) {
        // Here because of a clock that was wrong. What runs once has run.
        let once = matches!(calendar.timing, Timing::Once(_));
        let next = if once { schedule.next_run } else { calendar.next_after(now) };
        return plan_next(tx, schedule, next, Some(now)).await.map(|()| None);
    }
    if !calendar.allows(now) {
        let next = calendar.next_allowed(now);
        return plan_next(tx, schedule, next, schedule.last_run).await.map(|()| None);
    }
    plan_next(tx, schedule, calendar.next_after(now), Some(now)).await?;
    let not_after = calendar.window_end(now);
    let left = not_after.and_then(|end| (end - now).to_std().ok()).unwrap_or(Duration::MAX);
    let plan = &schedule.plan;
    let run = NewRun {
        priority: plan.priority,
        commands: plan.commands.clone(),
        // A late run has less time until its window closes.
        jitter: plan.jitter.min(left),
        not_after,
        ..NewRun::new(plan.kind, Origin::Schedule(schedule.id), plan.target.clone(), &plan.name)
    };
    jobs::create_run_in(tx, &run).await.map(Some)
}

async fn plan_next(
    tx: &mut PgConnection,
    schedule: &Schedule,
    next: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE schedules SET next_run = $2, last_run = $3 WHERE id = $1")
        .bind(schedule.id.0)
        .bind(next)
        .bind(last)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("plan a schedule's next run"))
}
