use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use sqlx::FromRow;

/// Jobs that one call ends at most; the others wait for the next call.
const BATCH: i64 = 1000;

/// Ends the jobs that have not begun, or not begun again, and whose window is closed: done and skipped, with the code
/// `window_closed`. Answers with one event for each of them, which the caller hands to [`crate::logs::write`].
pub async fn close_windows(store: &Store) -> Result<Vec<JobEvent>, StoreError> {
    // Queued jobs hold no device, so that their rows are all there is to lock, and nobody is waited for.
    const CLOSE: &str = "WITH closed AS (
            SELECT id, error_code FROM jobs WHERE status = 'queued' AND not_after < now()
            ORDER BY not_after LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
        UPDATE jobs j SET status = 'done', outcome = 'skipped', completed_at = now(), error_code = $2,
            error = format('the job had not %s when its window closed at %s UTC',
                CASE WHEN c.error_code IS NULL THEN 'begun'
                     ELSE format('been tried again after %s', c.error_code) END,
                to_char(j.not_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
        FROM closed c WHERE j.id = c.id RETURNING j.id, j.device_id, j.completed_at, j.error";
    let closed: Vec<Closed> = sqlx::query_as(CLOSE)
        .bind(BATCH)
        .bind(ErrorCode::WindowClosed.as_str())
        .fetch_all(store.pool())
        .await
        .map_err(StoreError::query("end jobs whose window is closed"))?;
    let event = |job: Closed| {
        let failure = Failure::new(ErrorCode::WindowClosed, Phase::Connect, job.error);
        let (id, device) = (Some(JobId(job.id)), Some(DeviceId(job.device_id)));
        JobEvent::new(id, device, job.completed_at, Event::Skipped { failure })
    };
    Ok(closed.into_iter().map(event).collect())
}

#[derive(FromRow)]
struct Closed {
    id: i64,
    device_id: i64,
    completed_at: DateTime<Utc>,
    error: String,
}
