//! Results that an earlier call recorded already.

use super::{Finished, Recorded, own_event};
use crate::StoreError;
use crate::rows::{optional_word, word};
use netraven_model::{JobId, JobStatus, Outcome, VersionId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// Those of the results that are recorded, by job: the reply to the COMMIT of an earlier call was lost. They are known by
/// their attempts, which tell worker, begin and end of the session; no two sessions have all of them in common.
pub(super) async fn find(
    tx: &mut PgConnection,
    worker: &str,
    results: Vec<&Finished>,
) -> Result<HashMap<JobId, Recorded>, StoreError> {
    // A job is done once, so that its version is still that of its last attempt.
    const FIND: &str = "SELECT a.job_id, a.outcome, j.status, j.attempts > a.attempt AS went_on,
            c.id AS version_id, c.seq
        FROM UNNEST($2::bigint[], $3::int[], $4::timestamptz[], $5::timestamptz[])
            AS w (job, attempt, started, finished)
        JOIN job_attempts a ON a.job_id = w.job AND a.attempt = w.attempt AND a.worker = $1
            AND a.started_at = w.started AND a.completed_at = w.finished
        JOIN jobs j ON j.id = a.job_id
        LEFT JOIN device_configurations c ON c.device_id = j.device_id AND c.id = j.version_id
            AND a.outcome IN ('changed', 'unchanged')";
    if results.is_empty() {
        return Ok(HashMap::new());
    }
    let failed = StoreError::query("look for results that were recorded before");
    let rows = sqlx::query(FIND)
        .bind(worker)
        .bind(results.iter().map(|finished| finished.job.0).collect::<Vec<_>>())
        .bind(results.iter().map(|finished| finished.attempt.cast_signed()).collect::<Vec<_>>())
        .bind(results.iter().map(|finished| finished.started_at).collect::<Vec<_>>())
        .bind(results.iter().map(|finished| finished.finished_at).collect::<Vec<_>>())
        .fetch_all(tx)
        .await
        .map_err(&failed)?;
    let results: HashMap<i64, &Finished> =
        results.into_iter().map(|finished| (finished.job.0, finished)).collect();
    let recorded = rows.iter().filter_map(|row| recorded(row, &results).transpose());
    recorded
        .map(|recorded| recorded.map(|recorded| (recorded.job, recorded)))
        .collect::<sqlx::Result<_>>()
        .map_err(failed)
}

fn recorded(row: &PgRow, results: &HashMap<i64, &Finished>) -> sqlx::Result<Option<Recorded>> {
    let Some(finished) = results.get(&row.try_get("job_id")?) else { return Ok(None) };
    let status = word(row, "status", JobStatus::from_name)?;
    let went_on: bool = row.try_get("went_on")?;
    let outcome = optional_word(row, "outcome", Outcome::from_name)?;
    let outcome = outcome.filter(|_| status == JobStatus::Done && !went_on);
    let version: Option<i64> = row.try_get("version_id")?;
    let version = match version {
        Some(version) => Some((VersionId(version), row.try_get("seq")?)),
        None => None,
    };
    Ok(Some(Recorded {
        job: finished.job,
        outcome,
        version,
        retry_planned: went_on || matches!(status, JobStatus::Queued | JobStatus::Running),
        event: own_event(finished, outcome, version),
    }))
}
