use super::target::{Parameters, TargetSelection, check_target, taken};
use super::{CANCELLED, DEFAULT_PRIORITY, JOBS, notify};
use crate::rows::word;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{ErrorCode, JobKind, RunId, ScheduleId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::time::Duration;

/// Who wants a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody asked for it.
    Person,
    /// A schedule was due.
    Schedule(ScheduleId),
}

/// A run to make.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What to do with each device.
    pub kind: JobKind,
    /// Who wants it.
    pub origin: Origin,
    /// Which devices.
    pub target: TargetSelection,
    /// Lower ones run first.
    pub priority: i32,
    /// The person's or the schedule's name.
    pub requested_by: String,
    /// What jobs of the kind `command` ask, in order; nothing for other kinds.
    pub commands: Vec<String>,
    /// The jobs become due spread over that time.
    pub jitter: Duration,
    /// Jobs that have not begun by then end skipped.
    pub not_after: Option<DateTime<Utc>>,
}

impl NewRun {
    /// A run that begins at once, with the usual priority.
    pub fn new(
        kind: JobKind,
        origin: Origin,
        target: TargetSelection,
        requested_by: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            origin,
            target,
            priority: DEFAULT_PRIORITY,
            requested_by: requested_by.into(),
            commands: Vec::new(),
            jitter: Duration::ZERO,
            not_after: None,
        }
    }
}

/// A run that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RunCreated {
    /// The run.
    pub run: RunId,
    /// Jobs that were made for it.
    pub jobs: i64,
    /// Devices that had an active job of that kind already: it counts to this run, too.
    pub shared: i64,
    /// Devices that the run leaves alone because their circuit breaker is open: their jobs are done, and skipped.
    pub skipped: i64,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// What it does with each device.
    pub kind: JobKind,
    /// `person` or `schedule`.
    pub origin: String,
    /// The schedule; `None` for a person's run and where the schedule was removed.
    pub schedule: Option<ScheduleId>,
    /// Which devices.
    pub target: TargetSelection,
    /// The person's or the schedule's name.
    pub requested_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody cancelled it.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// Its jobs, shared ones included.
    pub jobs: i64,
    /// Those that are queued or running.
    pub active: i64,
    /// Those that failed.
    pub failed: i64,
}

/// Makes a run with a job for each device that it takes. A device that has an active job of this kind gets no
/// second one; the run shares that job, which runs no later than the new one would and is not cancelled any more. A
/// schedule's run skips devices whose circuit is open, unless it only asks whether they can be reached.
///
/// # Errors
/// [`StoreError::NotFound`] for a tag, site or device that does not exist, [`StoreError::Invalid`] for commands that do not go with
/// the kind. A selection without devices is a run without jobs.
pub async fn create_run(store: &Store, new: &NewRun) -> Result<RunCreated, StoreError> {
    if (new.kind == JobKind::Command) == new.commands.is_empty() {
        let reason = format!("a run of the kind {} with {} commands", new.kind.as_str(), new.commands.len());
        return Err(StoreError::invalid(
            "the run",
            reason + "; commands belong to the kind command, and it needs some",
        ));
    }
    let mut tx = store.begin("start a run").await?;
    check_target(&mut tx, &new.target).await?;
    let created = create_run_in(&mut tx, new).await?;
    tx.commit().await.map_err(StoreError::query("start a run"))?;
    Ok(created)
}

/// As [`create_run`], inside the caller's transaction; tags and devices that are gone are passed over.
pub(crate) async fn create_run_in(tx: &mut PgConnection, new: &NewRun) -> Result<RunCreated, StoreError> {
    const RUN: &str = "INSERT INTO runs (kind, origin, schedule_id, target, requested_by, commands)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let failed = StoreError::query("start a run");
    let (origin, schedule) = match new.origin {
        Origin::Person => ("person", None),
        Origin::Schedule(id) => ("schedule", Some(id.0)),
    };
    let run: i64 = sqlx::query_scalar(RUN)
        .bind(new.kind.as_str())
        .bind(origin)
        .bind(schedule)
        .bind(Json(&new.target))
        .bind(clean(&new.requested_by))
        .bind(&new.commands)
        .fetch_one(&mut *tx)
        .await
        .map_err(&failed)?;
    let target = Parameters::of(&new.target);
    let (jobs, shared, skipped) = sqlx::query_as(EXPAND)
        .bind(run)
        .bind(new.kind.as_str())
        .bind(new.priority)
        .bind(target.devices)
        .bind(target.tags)
        .bind(&new.commands)
        .bind(new.jitter.as_secs_f64())
        .bind(new.not_after)
        .bind(target.all_tags)
        .bind(target.sites)
        .bind(schedule.is_some() && new.kind != JobKind::Reachability)
        .bind(ErrorCode::CircuitOpen.as_str())
        .fetch_one(&mut *tx)
        .await
        .map_err(&failed)?;
    notify(tx, JOBS).await?;
    Ok(RunCreated { run: RunId(run), jobs, shared, skipped })
}

/// Makes the jobs of a run. An active job is locked by the conflict, so that it cannot end between being found and being
/// shared; it is shared also where the device's circuit is open.
const EXPAND: &str = concat!(
    "WITH wanted AS (
        SELECT d.id, coalesce(d.site, '') AS site, d.failures_in_row, d.last_error_code, d.circuit_open_until,
            $11 AND coalesce(d.circuit_open_until > now(), false) AND NOT EXISTS (
                SELECT 1 FROM jobs a WHERE a.device_id = d.id AND a.kind = $2 AND a.commands = $6
                    AND a.status IN ('queued', 'running')) AS held
        FROM devices d WHERE ",
    taken!("$4", "$5", "$9", "$10"),
    "
        ORDER BY d.id FOR KEY SHARE OF d
    ), made AS (
        INSERT INTO jobs AS j (device_id, run_id, kind, priority, commands, site, scheduled_for, not_after)
        SELECT id, $1, $2, $3, $6, site, now() + make_interval(secs => $7) * random(), $8
        FROM wanted WHERE NOT held ORDER BY id
        ON CONFLICT (device_id, kind, commands) WHERE status IN ('queued', 'running') DO UPDATE
            SET priority = least(j.priority, EXCLUDED.priority), cancel_requested = false,
                scheduled_for = least(j.scheduled_for, EXCLUDED.scheduled_for),
                not_after = CASE WHEN j.not_after IS NULL OR EXCLUDED.not_after IS NULL THEN NULL
                                 ELSE greatest(j.not_after, EXCLUDED.not_after) END
        RETURNING j.id, j.run_id
    ), skipped AS (
        INSERT INTO jobs (device_id, run_id, kind, priority, commands, site, status, outcome, completed_at, error_code,
            error)
        SELECT id, $1, $2, $3, $6, site, 'done', 'skipped', now(), $12,
            format('%s jobs of the device failed in a row, the last one with %s: schedules leave it alone until %s UTC',
                failures_in_row, coalesce(last_error_code, 'an unknown error'),
                to_char(circuit_open_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
        FROM wanted WHERE held ORDER BY id
        RETURNING id
    ), counted AS (
        INSERT INTO run_jobs (run_id, job_id) SELECT $1, id FROM made UNION ALL SELECT $1, id FROM skipped
    )
    SELECT count(*) FILTER (WHERE run_id = $1), count(*) FILTER (WHERE run_id IS DISTINCT FROM $1),
        (SELECT count(*) FROM skipped)
    FROM made"
);

/// Cancels a run: its queued jobs end at once, its running ones are marked for their workers. A job that another run
/// still wants goes on. Answers how many jobs were cancelled or marked.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn cancel_run(store: &Store, run: RunId) -> Result<u64, StoreError> {
    const RUN: &str = "UPDATE runs SET cancelled_at = coalesce(cancelled_at, now()) WHERE id = $1";
    const LOCK: &str = "SELECT j.id FROM jobs j
        WHERE j.id IN (SELECT job_id FROM run_jobs WHERE run_id = $1) AND j.status IN ('queued', 'running')
        ORDER BY j.device_id, j.id FOR NO KEY UPDATE OF j";
    const CANCEL: &str = "UPDATE jobs j SET cancel_requested = true,
            status = CASE j.status WHEN 'queued' THEN 'cancelled' ELSE j.status END,
            completed_at = CASE j.status WHEN 'queued' THEN now() END
        WHERE j.id = ANY ($1) AND NOT j.cancel_requested
            AND (SELECT count(*) FROM run_jobs other JOIN runs r ON r.id = other.run_id
                 WHERE other.job_id = j.id AND r.cancelled_at IS NULL) = 0";
    let failed = StoreError::query("cancel a run");
    let mut tx = store.begin("cancel a run").await?;
    let found = sqlx::query(RUN).bind(run.0).execute(&mut *tx).await.map_err(&failed)?;
    if found.rows_affected() == 0 {
        return Err(StoreError::not_found("run", run));
    }
    let active: Vec<i64> = sqlx::query_scalar(LOCK).bind(run.0).fetch_all(&mut *tx).await.map_err(&failed)?;
    // A second statement, which sees the run that shared one of the jobs while we waited for its lock.
    let cancelled = sqlx::query(CANCEL).bind(active).execute(&mut *tx).await.map_err(&failed)?;
    notify(&mut tx, CANCELLED).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(cancelled.rows_affected())
}

/// The newest runs; with `before` only older ones than that.
pub async fn runs_list(store: &Store, limit: u32, before: Option<RunId>) -> Result<Vec<RunRow>, StoreError> {
    const LIST: &str = "SELECT r.*, counts.* FROM (
            SELECT * FROM runs WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1) r
        CROSS JOIN LATERAL (
            SELECT count(*) AS jobs, count(*) FILTER (WHERE j.status IN ('queued', 'running')) AS active,
                count(*) FILTER (WHERE j.outcome = 'failed') AS failed
            FROM run_jobs rj JOIN jobs j ON j.id = rj.job_id WHERE rj.run_id = r.id) counts
        ORDER BY r.id DESC";
    sqlx::query_as(LIST)
        .bind(i64::from(limit))
        .bind(before.map(|id| id.0))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list runs"))
}

impl FromRow<'_, PgRow> for RunRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let schedule: Option<i64> = row.try_get("schedule_id")?;
        let target: Json<TargetSelection> = row.try_get("target")?;
        Ok(Self {
            id: RunId(row.try_get("id")?),
            kind: word(row, "kind", JobKind::from_name)?,
            origin: row.try_get("origin")?,
            schedule: schedule.map(ScheduleId),
            target: target.0,
            requested_by: row.try_get("requested_by")?,
            created_at: row.try_get("created_at")?,
            cancelled_at: row.try_get("cancelled_at")?,
            jobs: row.try_get("jobs")?,
            active: row.try_get("active")?,
            failed: row.try_get("failed")?,
        })
    }
}
