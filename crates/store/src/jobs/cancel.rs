use super::{CANCELLED, notify};
use crate::{Store, StoreError};
use netraven_model::{JobId, JobStatus};

/// Cancels one job, whichever runs want it: a queued one ends at once, the session of a running one is closed by its worker
/// within two seconds. Answers where the job stands: `Cancelled`, or `Running` until its worker has closed the session.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Invalid`] for a job that is over.
pub async fn cancel(store: &Store, job: JobId) -> Result<JobStatus, StoreError> {
    const CANCEL: &str = "UPDATE jobs SET cancel_requested = true,
            status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
            completed_at = CASE status WHEN 'queued' THEN now() END
        WHERE id = $1 AND status IN ('queued', 'running') RETURNING status";
    const STATUS: &str = "SELECT status FROM jobs WHERE id = $1";
    let failed = StoreError::query("cancel a job");
    let mut tx = store.begin("cancel a job").await?;
    let status: Option<String> =
        sqlx::query_scalar(CANCEL).bind(job.0).fetch_optional(&mut *tx).await.map_err(&failed)?;
    let Some(status) = status else {
        let over: Option<String> =
            sqlx::query_scalar(STATUS).bind(job.0).fetch_optional(&mut *tx).await.map_err(&failed)?;
        return Err(match over {
            Some(status) => StoreError::invalid(
                "the job",
                format!("job {job} is {status}; one that is queued or running was expected"),
            ),
            None => StoreError::not_found("job", job),
        });
    };
    notify(&mut tx, CANCELLED).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(if status == JobStatus::Running.as_str() { JobStatus::Running } else { JobStatus::Cancelled })
}
