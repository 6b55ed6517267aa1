use super::session::{free_devices, lock_devices};
use super::{JOBS, notify};
use crate::changes::{self, Change};
use crate::{Store, StoreError};
use chrono::Utc;
use netraven_model::{ChangeKind, DeviceId, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

/// A job whose workers keep dying is given to so many of them.
pub const LEASE_ATTEMPTS: u32 = 3;

/// Seconds that a job waits which was taken back, for each of its attempts: others get their turn first, so that the jobs at the
/// head of the queue are not those of every worker that dies.
const PAUSE: f64 = 5.0;

/// Expired jobs that one call takes up at most; the others wait for the next call.
const EXPIRED_BATCH: i64 = 1000;

/// Prolongs the leases and answers for which jobs that could be done: the others were lost to somebody else, or
/// are over.
pub async fn extend_leases(
    store: &Store,
    worker: &str,
    jobs: &[JobId],
    lease: Duration,
) -> Result<Vec<JobId>, StoreError> {
    const EXTEND: &str = "WITH held AS (
            SELECT id FROM jobs WHERE id = ANY ($1) AND worker = $2 AND status = 'running'
            ORDER BY device_id, id FOR NO KEY UPDATE)
        UPDATE jobs j SET lease_until = now() + make_interval(secs => $3) FROM held h WHERE j.id = h.id
        RETURNING j.id";
    let held: Vec<i64> = sqlx::query_scalar(EXTEND)
        .bind(ids(jobs))
        .bind(worker)
        .bind(lease.as_secs_f64())
        .fetch_all(store.pool())
        .await
        .map_err(StoreError::query("prolong leases"))?;
    Ok(held.into_iter().map(JobId).collect())
}

/// Gives running jobs back to the queue at once, as a worker does that is told to stop. The attempt does not count.
/// A job that somebody wants cancelled ends cancelled instead. Jobs that are not this worker's are left alone.
pub async fn release(store: &Store, worker: &str, jobs: &[JobId]) -> Result<u64, StoreError> {
    const MINE: &str = "SELECT id FROM jobs WHERE id = ANY ($1) AND worker = $2 AND status = 'running'
        ORDER BY device_id, id FOR NO KEY UPDATE";
    const RELEASE: &str = "UPDATE jobs SET attempts = attempts - 1, lease_until = NULL, worker = NULL,
            status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
            completed_at = CASE WHEN cancel_requested THEN now() END,
            started_at = NULL
        WHERE id = ANY ($1)";
    let failed = StoreError::query("give jobs back");
    let mut tx = store.begin("give jobs back").await?;
    lock_devices(&mut tx, &ids(jobs)).await?;
    let mine: Vec<i64> =
        sqlx::query_scalar(MINE).bind(ids(jobs)).bind(worker).fetch_all(&mut *tx).await.map_err(&failed)?;
    free_devices(&mut tx, &mine).await?;
    sqlx::query(RELEASE).bind(&mine).execute(&mut *tx).await.map_err(&failed)?;
    notify(&mut tx, JOBS).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(mine.len() as u64)
}

/// Puts a running job back into the queue that could not be begun, because nobody was there to carry it out: it waits a quarter
/// of the time since it was made, 2 to 30 seconds. The attempt does not count. A job that somebody wants cancelled ends cancelled
/// instead. Answers `false` where the job is not this worker's, or has waited for a quarter of an hour: then it is to fail.
pub async fn postpone(store: &Store, worker: &str, job: JobId) -> Result<bool, StoreError> {
    const MINE: &str = "SELECT id FROM jobs WHERE id = $1 AND worker = $2 AND status = 'running'
            AND created_at > now() - interval '15 minutes'
        FOR NO KEY UPDATE";
    const POSTPONE: &str = "UPDATE jobs SET attempts = attempts - 1, lease_until = NULL, worker = NULL,
            status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
            completed_at = CASE WHEN cancel_requested THEN now() END,
            started_at = NULL,
            scheduled_for = now() + least(interval '30 s', greatest(interval '2 s', (now() - created_at) / 4))
        WHERE id = $1";
    let failed = StoreError::query("put a job back");
    let mut tx = store.begin("put a job back").await?;
    lock_devices(&mut tx, &[job.0]).await?;
    let mine: Option<i64> =
        sqlx::query_scalar(MINE).bind(job.0).bind(worker).fetch_optional(&mut *tx).await.map_err(&failed)?;
    if mine.is_none() {
        return Ok(false);
    }
    free_devices(&mut tx, &[job.0]).await?;
    sqlx::query(POSTPONE).bind(job.0).execute(&mut *tx).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    Ok(true)
}

/// Takes back the jobs whose lease is over: into the queue, or failed with `lease_lost` after [`LEASE_ATTEMPTS`]
/// such ends, or cancelled where somebody asked for that. Answers with one event for each of them, which the caller hands to
/// [`crate::logs::write`]; the same stands in the job's attempts.
pub async fn requeue_expired(store: &Store) -> Result<Vec<JobEvent>, StoreError> {
    const EXPIRED: &str = "SELECT id FROM jobs WHERE status = 'running' AND lease_until < now()
        ORDER BY lease_until LIMIT $1";
    const STILL: &str = "SELECT id, device_id, cancel_requested,
            (SELECT count(*) FROM job_attempts a WHERE a.job_id = jobs.id AND a.error_code = 'lease_lost') AS lost_before
        FROM jobs WHERE id = ANY ($1) AND status = 'running' AND lease_until < now()
        ORDER BY device_id, id FOR NO KEY UPDATE";
    let failed = StoreError::query("take back expired jobs");
    let expired: Vec<i64> =
        sqlx::query_scalar(EXPIRED).bind(EXPIRED_BATCH).fetch_all(store.pool()).await.map_err(&failed)?;
    if expired.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = store.begin("take back expired jobs").await?;
    lock_devices(&mut tx, &expired).await?;
    // The worker may have prolonged the lease or finished while we waited for the locks.
    let expired: Vec<Expired> =
        sqlx::query_as(STILL).bind(expired).fetch_all(&mut *tx).await.map_err(&failed)?;
    let (lost, again): (Vec<_>, Vec<_>) = expired.iter().partition(|job| job.is_last());
    free_devices(&mut tx, &expired.iter().map(|job| job.id).collect::<Vec<_>>()).await?;
    take_back(&mut tx, &expired, &failure()).await?;
    fail_devices(&mut tx, &lost, &failure()).await?;
    if !again.is_empty() {
        notify(&mut tx, JOBS).await?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(events(&expired))
}

/// Those of the jobs that somebody wants cancelled while they run.
pub async fn cancelled_among(store: &Store, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
    const CANCELLED: &str = "SELECT id FROM jobs WHERE id = ANY ($1) AND cancel_requested ORDER BY id";
    let cancelled: Vec<i64> = sqlx::query_scalar(CANCELLED)
        .bind(ids(jobs))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("look for cancelled jobs"))?;
    Ok(cancelled.into_iter().map(JobId).collect())
}

#[derive(FromRow)]
struct Expired {
    id: i64,
    device_id: i64,
    cancel_requested: bool,
    /// How often its lease was lost before.
    lost_before: i64,
}

impl Expired {
    /// Whether it fails for good.
    fn is_last(&self) -> bool {
        !self.cancel_requested && self.lost_before + 1 >= i64::from(LEASE_ATTEMPTS)
    }

    fn failing<'a>(&self, failure: &'a Failure) -> Change<'a> {
        let (device, job) = (DeviceId(self.device_id), JobId(self.id));
        Change::new(device, job, Utc::now(), ChangeKind::DeviceFailing).because(failure)
    }
}

async fn take_back(tx: &mut PgConnection, expired: &[Expired], failure: &Failure) -> Result<(), StoreError> {
    const ATTEMPTS: &str = "INSERT INTO job_attempts
            (job_id, attempt, worker, started_at, completed_at, outcome, error_code, error)
        SELECT id, attempts, worker, started_at, now(), 'failed', $2, $3 FROM jobs WHERE id = ANY ($1)
        ON CONFLICT DO NOTHING";
    const TAKE_BACK: &str = "UPDATE jobs SET lease_until = NULL, error_code = $3, error = $4,
            status = CASE WHEN cancel_requested THEN 'cancelled' WHEN id = ANY ($2) THEN 'done' ELSE 'queued' END,
            outcome = CASE WHEN id = ANY ($2) THEN 'failed' END,
            completed_at = CASE WHEN cancel_requested OR id = ANY ($2) THEN now() END,
            scheduled_for = CASE WHEN cancel_requested OR id = ANY ($2) THEN scheduled_for
                                 ELSE now() + make_interval(secs => $5 * attempts) END
        WHERE id = ANY ($1)";
    let failed = StoreError::query("take back expired jobs");
    let all: Vec<i64> = expired.iter().map(|job| job.id).collect();
    let lost: Vec<i64> = expired.iter().filter(|job| job.is_last()).map(|job| job.id).collect();
    sqlx::query(ATTEMPTS)
        .bind(&all)
        .bind(failure.code.as_str())
        .bind(&failure.message)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    sqlx::query(TAKE_BACK)
        .bind(&all)
        .bind(&lost)
        .bind(failure.code.as_str())
        .bind(&failure.message)
        .bind(PAUSE)
        .execute(tx)
        .await
        .map(drop)
        .map_err(&failed)
}

async fn fail_devices(tx: &mut PgConnection, lost: &[&Expired], failure: &Failure) -> Result<(), StoreError> {
    const FAIL: &str = "UPDATE devices SET last_error_code = $2, last_error = $3, last_error_phase = $4,
            status = CASE status WHEN 'disabled' THEN status ELSE 'failing' END
        WHERE id = ANY ($1)";
    let changes: Vec<_> = lost.iter().map(|job| job.failing(failure)).collect();
    changes::record(tx, &changes).await?;
    sqlx::query(FAIL)
        .bind(lost.iter().map(|job| job.device_id).collect::<Vec<_>>())
        .bind(failure.code.as_str())
        .bind(&failure.message)
        .bind(failure.phase.as_str())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("note lost jobs at their devices"))
}

fn failure() -> Failure {
    Failure::new(
        ErrorCode::LeaseLost,
        Phase::Collect,
        "the worker gave no sign of life until its lease ended; nothing of this attempt was kept",
    )
}

fn events(expired: &[Expired]) -> Vec<JobEvent> {
    let now = Utc::now();
    let event =
        |job: &Expired, event| JobEvent::new(Some(JobId(job.id)), Some(DeviceId(job.device_id)), now, event);
    expired.iter().map(|job| event(job, Event::Failed { failure: failure() })).collect()
}

fn ids(jobs: &[JobId]) -> Vec<i64> {
    jobs.iter().map(|job| job.0).collect()
}
