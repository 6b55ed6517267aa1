//! Recording what sessions brought: one transaction and a handful of statements for a whole batch.

mod plan;
mod state;
mod statistics;
mod versions;

use super::session::lock_devices;
use crate::{Store, StoreError, logs};
use chrono::{DateTime, Utc};
use netraven_model::{
    CredentialId, Event, Facts, Failure, Hash256, HostKey, JobEvent, JobId, Outcome, VersionId,
};
use netraven_seal::SealedConfig;
use plan::{Accepted, End};
use std::time::Duration;
use thiserror::Error;

/// What one claimed job brought.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The job.
    pub job: JobId,
    /// The token it was claimed with.
    pub token: i64,
    /// The attempt it was claimed for.
    pub attempt: u32,
    /// When the session began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How it ended.
    pub result: FinishedResult,
    /// The host key learned at the first contact.
    pub host_key: Option<HostKey>,
    /// The credential that the device accepted.
    pub credential_used: Option<CredentialId>,
    /// Those that it refused.
    pub credentials_refused: Vec<CredentialId>,
    /// What happened on the way; what only the store knows (the version) it adds itself.
    pub events: Vec<JobEvent>,
    /// The dialogue with the device, secrets already masked; empty where there was none.
    pub dialogue: String,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub enum FinishedResult {
    /// The configuration differs from the newest version that the worker knew.
    Changed {
        /// The whole configuration.
        config: SealedConfig,
        /// The platform definition it was taken with.
        platform_digest: Hash256,
        /// Remarks on the version, e.g. `much_smaller`.
        flags: Vec<String>,
        /// What the device said about itself.
        facts: Facts,
    },
    /// It is the newest version still.
    Unchanged {
        /// What the device said about itself.
        facts: Facts,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// When to try again; `None` for never.
        retry_in: Option<Duration>,
    },
    /// It was ended because somebody cancelled the job. Where a new run has asked for the job since, it goes back to
    /// the queue.
    Cancelled,
}

/// What was recorded of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The job.
    pub job: JobId,
    /// How it ended; `None` where it did not: cancelled, or to be tried again.
    pub outcome: Option<Outcome>,
    /// The version that was stored or found unchanged, with its number.
    pub version: Option<(VersionId, i64)>,
    /// Whether it waits for another attempt.
    pub retry_planned: bool,
}

/// Why nothing of one job was recorded.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FinishError {
    /// Somebody else has the job, or it is over.
    #[error("job {0} is no longer this worker's: its lease ended, or its result was recorded before")]
    Stale(JobId),
    /// The job is gone, and its device with it.
    #[error("job {0} is gone: its device was removed while it ran")]
    Gone(JobId),
    /// The result has something that the database cannot hold.
    #[error("the result of job {job} cannot be stored: {reason}")]
    Unstorable {
        /// The job.
        job: JobId,
        /// What and why.
        reason: String,
    },
}

/// Records the results of a worker's jobs, in order one answer each. All that can be recorded is, in one
/// transaction; a result that cannot be is answered for alone.
///
/// # Errors
/// The transaction failed: nothing was recorded that was not answered for before. Where
/// [`StoreError::is_transient`] says so, call again with the same batch.
pub async fn finish(
    store: &Store,
    worker: &str,
    batch: &[Finished],
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    match record(store, worker, batch).await {
        // One result that the database refuses must not cost the others theirs.
        Err(error) if !error.is_transient() => one_by_one(store, worker, batch).await,
        recorded => recorded,
    }
}

async fn one_by_one(
    store: &Store,
    worker: &str,
    batch: &[Finished],
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    let mut answers = Vec::with_capacity(batch.len());
    for finished in batch {
        match record(store, worker, std::slice::from_ref(finished)).await {
            Ok(answer) => answers.extend(answer),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                answers.push(Err(FinishError::Unstorable { job: finished.job, reason: error.to_string() }));
            }
        }
    }
    Ok(answers)
}

async fn record(
    store: &Store,
    worker: &str,
    batch: &[Finished],
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    let ids: Vec<i64> = batch.iter().map(|finished| finished.job.0).collect();
    let mut tx = store.begin("record finished jobs").await?;
    lock_devices(&mut tx, &ids).await?;
    let mut planned = plan::plan(&mut tx, worker, batch).await?;
    let mut accepted: Vec<&mut Accepted<'_>> =
        planned.iter_mut().filter_map(|plan| plan.as_mut().ok()).collect();
    if !accepted.is_empty() {
        versions::store(&mut tx, &mut accepted).await?;
        versions::confirm(&mut tx, &accepted).await?;
        state::update_jobs(&mut tx, &accepted).await?;
        state::update_devices(&mut tx, &accepted).await?;
        state::learn_host_keys(&mut tx, &accepted).await?;
        statistics::count(&mut tx, &accepted).await?;
        state::add_attempts(&mut tx, worker, &accepted).await?;
        write_logs(&mut tx, &accepted).await?;
    }
    tx.commit().await.map_err(StoreError::query("record finished jobs"))?;
    Ok(planned.into_iter().map(|plan| plan.map(|accepted| accepted.recorded())).collect())
}

async fn write_logs(tx: &mut sqlx::PgConnection, accepted: &[&mut Accepted<'_>]) -> Result<(), StoreError> {
    let own: Vec<JobEvent> = accepted.iter().filter_map(|job| own_event(job)).collect();
    let given = accepted.iter().flat_map(|job| &job.finished.events);
    logs::write_events(tx, given.chain(&own)).await?;
    let dialogues = accepted.iter().filter(|job| !job.finished.dialogue.is_empty());
    logs::write_dialogues(
        tx,
        dialogues.map(|job| {
            (job.finished.job, job.device, job.finished.finished_at, job.finished.dialogue.as_str())
        }),
    )
    .await
}

fn own_event(job: &Accepted<'_>) -> Option<JobEvent> {
    let event = match (&job.end, job.version) {
        (End::Store { config, .. }, Some((version, seq))) => {
            Event::VersionStored { version, seq, bytes: config.size() }
        }
        (End::Confirm { .. }, _) => Event::Unchanged,
        _ => return None,
    };
    let device = Some(job.device);
    Some(JobEvent::new(Some(job.finished.job), device, job.finished.finished_at, event))
}
