use crate::logs::{self, LogEntry};
use crate::rows::{optional_word, word};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{CredentialId, DeviceId, ErrorCode, JobId, JobKind, JobStatus, Outcome, RunId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobRow {
    /// The job.
    pub id: JobId,
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub hostname: String,
    /// The run that made it.
    pub run: Option<RunId>,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub status: JobStatus,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Lower first.
    pub priority: i32,
    /// Not before this time.
    pub scheduled_for: DateTime<Utc>,
    /// When its last session began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Sessions so far.
    pub attempts: i32,
    /// Why its last session failed.
    pub error_code: Option<ErrorCode>,
    /// The same as a sentence.
    pub error: Option<String>,
    /// Who has or had it last.
    pub worker: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// One session of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// From 1.
    pub attempt: i32,
    /// Who made it.
    pub worker: String,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it failed.
    pub error_code: Option<ErrorCode>,
    /// The same as a sentence.
    pub error: Option<String>,
    /// The credential that the device accepted.
    pub credential: Option<CredentialId>,
}

/// A job with its history.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// The job.
    pub job: JobRow,
    /// Its sessions, oldest first.
    pub attempts: Vec<Attempt>,
    /// What happened, oldest first.
    pub events: Vec<LogEntry>,
}

/// Which jobs to list; an empty filter lists the newest [`JobFilter::DEFAULT_LIMIT`].
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this run, shared ones included.
    pub run: Option<RunId>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// That stand here.
    pub status: Option<JobStatus>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// As many at most.
    pub limit: Option<u32>,
    /// Only jobs older than this one, to go on where the last list ended.
    pub before: Option<JobId>,
}

impl JobFilter {
    /// The limit where none is given.
    pub const DEFAULT_LIMIT: u32 = 100;
}

/// Devices come last, so that no more of them are read than the page has lines.
macro_rules! list_select {
    ($from_where:literal) => {
        concat!(
            "SELECT j.*, d.hostname FROM (SELECT j.* ",
            $from_where,
            " AND ($2::bigint IS NULL OR j.device_id = $2)",
            " AND ($3::text IS NULL OR j.status = $3)",
            " AND ($4::text IS NULL OR j.outcome = $4)",
            " AND ($5::bigint IS NULL OR j.id < $5)",
            " ORDER BY j.id DESC LIMIT $6) j JOIN devices d ON d.id = j.device_id ORDER BY j.id DESC"
        )
    };
}

/// Lists jobs, newest first.
pub async fn list(store: &Store, filter: &JobFilter) -> Result<Vec<JobRow>, StoreError> {
    // The jobs of a run along its own index: with the question whether there is a run in the condition itself, the server
    // walks through all jobs.
    const ALL: &str = list_select!("FROM jobs j WHERE $1::bigint IS NULL");
    const OF_RUN: &str =
        list_select!("FROM run_jobs rj JOIN jobs j ON j.id = rj.job_id WHERE rj.run_id = $1");
    sqlx::query_as(if filter.run.is_some() { OF_RUN } else { ALL })
        .bind(filter.run.map(|id| id.0))
        .bind(filter.device.map(|id| id.0))
        .bind(filter.status.map(JobStatus::as_str))
        .bind(filter.outcome.map(Outcome::as_str))
        .bind(filter.before.map(|id| id.0))
        .bind(i64::from(filter.limit.unwrap_or(JobFilter::DEFAULT_LIMIT)))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list jobs"))
}

/// One job with its attempts and events.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, id: JobId) -> Result<JobDetail, StoreError> {
    const JOB: &str =
        "SELECT j.*, d.hostname FROM jobs j JOIN devices d ON d.id = j.device_id WHERE j.id = $1";
    const ATTEMPTS: &str = "SELECT * FROM job_attempts WHERE job_id = $1 ORDER BY attempt";
    let failed = StoreError::query("look up a job");
    let job: Option<JobRow> =
        sqlx::query_as(JOB).bind(id.0).fetch_optional(store.reader()).await.map_err(&failed)?;
    let job = job.ok_or_else(|| StoreError::not_found("job", id))?;
    let attempts = sqlx::query_as(ATTEMPTS).bind(id.0).fetch_all(store.reader()).await.map_err(&failed)?;
    Ok(JobDetail { job, attempts, events: logs::job_events(store, id).await? })
}

impl FromRow<'_, PgRow> for JobRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let run: Option<i64> = row.try_get("run_id")?;
        Ok(Self {
            id: JobId(row.try_get("id")?),
            device: DeviceId(row.try_get("device_id")?),
            hostname: row.try_get("hostname")?,
            run: run.map(RunId),
            kind: word(row, "kind", JobKind::from_name)?,
            status: word(row, "status", JobStatus::from_name)?,
            outcome: optional_word(row, "outcome", Outcome::from_name)?,
            priority: row.try_get("priority")?,
            scheduled_for: row.try_get("scheduled_for")?,
            started_at: row.try_get("started_at")?,
            completed_at: row.try_get("completed_at")?,
            attempts: row.try_get("attempts")?,
            error_code: optional_word(row, "error_code", ErrorCode::from_name)?,
            error: row.try_get("error")?,
            worker: row.try_get("worker")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for Attempt {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let credential: Option<i64> = row.try_get("credential_id")?;
        Ok(Self {
            attempt: row.try_get("attempt")?,
            worker: row.try_get("worker")?,
            started_at: row.try_get("started_at")?,
            completed_at: row.try_get("completed_at")?,
            outcome: optional_word(row, "outcome", Outcome::from_name)?,
            error_code: optional_word(row, "error_code", ErrorCode::from_name)?,
            error: row.try_get("error")?,
            credential: credential.map(CredentialId),
        })
    }
}
