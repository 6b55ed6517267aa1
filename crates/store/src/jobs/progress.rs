use crate::rows::{optional_word, word};
use crate::{Store, StoreError};
use netraven_model::{DeviceId, ErrorCode, JobId, JobStatus, Outcome, RunId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// Where the jobs of a run stand. The numbers of all states together are `total`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Waiting.
    pub queued: i64,
    /// Under way.
    pub running: i64,
    /// Done with a new version.
    pub changed: i64,
    /// Done, the configuration is the one already stored.
    pub unchanged: i64,
    /// Done, and nothing is versioned by such a job.
    pub ok: i64,
    /// Done without success.
    pub failed: i64,
    /// Done, there was nothing to do.
    pub skipped: i64,
    /// Ended by a person.
    pub cancelled: i64,
    /// Why jobs failed and how many for each reason, the most frequent first.
    pub failures: Vec<(ErrorCode, i64)>,
    /// All jobs.
    pub total: i64,
}

impl Progress {
    /// Jobs that are not over yet.
    pub fn active(&self) -> i64 {
        self.queued + self.running
    }
}

/// One device's result in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunResultRow {
    /// The job.
    pub job: JobId,
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub hostname: String,
    /// Its platform.
    pub platform: String,
    /// Where the job stands.
    pub status: JobStatus,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it failed.
    pub error_code: Option<ErrorCode>,
    /// The same as a sentence.
    pub message: Option<String>,
    /// Number of the version that was stored or found unchanged.
    pub seq: Option<i64>,
    /// That version's size.
    pub bytes: Option<i64>,
    /// From the session's begin to its end.
    pub duration_ms: Option<i64>,
}

/// Where the jobs of a run stand.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn run_progress(store: &Store, run: RunId) -> Result<Progress, StoreError> {
    const COUNT: &str =
        "SELECT j.status, j.outcome, CASE j.outcome WHEN 'failed' THEN j.error_code END AS error_code,
            count(j.id) AS jobs
        FROM runs r LEFT JOIN run_jobs rj ON rj.run_id = r.id LEFT JOIN jobs j ON j.id = rj.job_id
        WHERE r.id = $1 GROUP BY 1, 2, 3 ORDER BY jobs DESC, error_code";
    let failed = StoreError::query("count the jobs of a run");
    let rows = sqlx::query(COUNT).bind(run.0).fetch_all(store.reader()).await.map_err(&failed)?;
    if rows.is_empty() {
        return Err(StoreError::not_found("run", run));
    }
    let mut progress = Progress::default();
    for row in &rows {
        progress.count(row).map_err(&failed)?;
    }
    Ok(progress)
}

/// The results of a run, by device name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn run_results(store: &Store, run: RunId) -> Result<Vec<RunResultRow>, StoreError> {
    const RESULTS: &str =
        "SELECT j.id, j.device_id, d.hostname, d.device_type, j.status, j.outcome, j.error_code,
            j.error, c.seq, c.size_bytes,
            (extract(epoch FROM j.completed_at - j.started_at) * 1000)::bigint AS duration_ms
        FROM run_jobs rj JOIN jobs j ON j.id = rj.job_id JOIN devices d ON d.id = j.device_id
        LEFT JOIN device_configurations c ON c.device_id = j.device_id AND c.id = j.version_id
        WHERE rj.run_id = $1 ORDER BY d.hostname, j.id";
    let failed = StoreError::query("read the results of a run");
    let rows: Vec<RunResultRow> =
        sqlx::query_as(RESULTS).bind(run.0).fetch_all(store.reader()).await.map_err(&failed)?;
    if rows.is_empty() {
        // No results, or no such run?
        run_progress(store, run).await?;
    }
    Ok(rows)
}

impl Progress {
    fn count(&mut self, row: &PgRow) -> sqlx::Result<()> {
        let jobs: i64 = row.try_get("jobs")?;
        self.total += jobs;
        let Some(status) = optional_word(row, "status", JobStatus::from_name)? else { return Ok(()) };
        let outcome = optional_word(row, "outcome", Outcome::from_name)?;
        let counter = match (status, outcome) {
            (JobStatus::Queued, _) => &mut self.queued,
            (JobStatus::Running, _) => &mut self.running,
            (JobStatus::Cancelled, _) => &mut self.cancelled,
            (JobStatus::Done, Some(Outcome::Changed)) => &mut self.changed,
            (JobStatus::Done, Some(Outcome::Unchanged)) => &mut self.unchanged,
            (JobStatus::Done, Some(Outcome::Ok)) => &mut self.ok,
            (JobStatus::Done, Some(Outcome::Skipped)) => &mut self.skipped,
            (JobStatus::Done, Some(Outcome::Failed) | None) => &mut self.failed,
        };
        *counter += jobs;
        if let Some(code) = optional_word(row, "error_code", ErrorCode::from_name)? {
            self.failures.push((code, jobs));
        }
        Ok(())
    }
}

impl FromRow<'_, PgRow> for RunResultRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            job: JobId(row.try_get("id")?),
            device: DeviceId(row.try_get("device_id")?),
            hostname: row.try_get("hostname")?,
            platform: row.try_get("device_type")?,
            status: word(row, "status", JobStatus::from_name)?,
            outcome: optional_word(row, "outcome", Outcome::from_name)?,
            error_code: optional_word(row, "error_code", ErrorCode::from_name)?,
            message: row.try_get("error")?,
            seq: row.try_get("seq")?,
            bytes: row.try_get("size_bytes")?,
            duration_ms: row.try_get("duration_ms")?,
        })
    }
}
