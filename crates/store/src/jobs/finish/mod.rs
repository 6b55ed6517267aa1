//! Recording what sessions brought: one transaction and a handful of statements for a whole batch.
//!
//! This is the gateway's part: versions, jobs, devices, host keys, attempts. What was logged and which credentials were
//! used belong to others and are written beside it, see [`Finished::dialogue`], [`Finished::events`] and
//! [`Finished::credential_uses`].

mod changes;
mod earlier;
mod health;
mod hops;
mod plan;
mod secrets;
mod state;
mod versions;

use super::claim::ClaimedJob;
use super::session::lock_devices;
use crate::credentials::CredentialUse;
use crate::logs::Dialogue;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{
    Breaker, CredentialId, DeviceId, Event, Facts, Failure, Hash256, HostKey, JobEvent, JobId, Outcome,
    SshProfile, VersionId,
};
use netraven_seal::SealedConfig;
use plan::Accepted;
use std::time::Duration;
use thiserror::Error;

/// What one claimed job brought.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The job.
    pub job: JobId,
    /// Its device.
    pub device: DeviceId,
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
    /// The platform of a device for which it was to be found out.
    pub recognised: Option<Recognised>,
    /// The weakest SSH algorithms that the device turned out to need.
    pub ssh_profile: Option<SshProfile>,
    /// What was learned of the jump hosts on the way.
    pub hops: Vec<LearnedHop>,
    /// The credential that the device accepted.
    pub credential_used: Option<CredentialId>,
    /// Those that it refused.
    pub credentials_refused: Vec<CredentialId>,
    /// What happened on the way, for [`crate::logs::write`]; what only the store knows (the version) is in
    /// [`Recorded::event`].
    pub events: Vec<JobEvent>,
    /// The dialogue with the device, for [`crate::logs::write`]; `None` where there was none.
    pub dialogue: Option<Dialogue>,
}

impl Finished {
    /// A result of which nothing is known but when its session was and how it ended.
    pub fn new(
        job: &ClaimedJob,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
        result: FinishedResult,
    ) -> Self {
        Self {
            job: job.job,
            device: job.device,
            token: job.token,
            attempt: job.attempt,
            started_at,
            finished_at,
            result,
            host_key: None,
            recognised: None,
            ssh_profile: None,
            hops: Vec::new(),
            credential_used: None,
            credentials_refused: Vec::new(),
            events: Vec::new(),
            dialogue: None,
        }
    }
}

/// The family that a device turned out to be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Name of the platform.
    pub platform: String,
    /// Where the device was found, where its platform would look elsewhere; kept if the inventory names no port.
    pub port: Option<u16>,
}

/// What was learned of a jump host at its first contact.
#[derive(Clone, Debug)]
pub struct LearnedHop {
    /// Its row.
    pub device: DeviceId,
    /// Its host key, where none was known.
    pub host_key: Option<HostKey>,
    /// The weakest SSH algorithms that it turned out to need, where nothing was known.
    pub ssh_profile: Option<SshProfile>,
}

impl Finished {
    /// What the device said to credentials, for [`crate::credentials::count_uses`]. One that was refused first and
    /// accepted then was accepted.
    pub fn credential_uses(&self) -> Vec<CredentialUse> {
        let refused = self.credentials_refused.iter().filter(|id| Some(**id) != self.credential_used);
        let uses = refused.map(|id| (*id, false)).chain(self.credential_used.map(|id| (id, true)));
        let (device, at) = (self.device, self.finished_at);
        uses.map(|(credential, accepted)| CredentialUse { device, credential, accepted, at }).collect()
    }
}

/// How a session ended.
#[derive(Clone, Debug)]
pub enum FinishedResult {
    /// The configuration differs from the newest version that the worker knew.
    Changed {
        /// The whole configuration.
        config: Box<SealedConfig>,
        /// The platform definition it was taken with.
        platform_digest: Hash256,
        /// Remarks on the version, e.g. `much_smaller`.
        flags: Vec<String>,
        /// Whether only the definition changed: the version is stored, and the job's outcome is `unchanged`.
        rules_only: bool,
        /// What the device said about itself.
        facts: Facts,
    },
    /// It is the newest version still.
    Unchanged {
        /// What the device said about itself.
        facts: Facts,
    },
    /// What was asked for was done; nothing is versioned by it.
    Ok,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The job.
    pub job: JobId,
    /// How it ended; `None` where it did not: cancelled, or to be tried again.
    pub outcome: Option<Outcome>,
    /// The version that was stored or found unchanged, with its number.
    pub version: Option<(VersionId, i64)>,
    /// Whether it waits for another attempt.
    pub retry_planned: bool,
    /// What happened to the configuration, for [`crate::logs::write`]: a version was stored, or nothing had changed.
    pub event: Option<JobEvent>,
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

/// [`finish_with`] the usual circuit breaker.
pub async fn finish(
    store: &Store,
    worker: &str,
    batch: &[Finished],
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    finish_with(store, worker, batch, &Breaker::default()).await
}

/// Records the results of a worker's jobs, in order one answer each. All that can be recorded is, in one
/// transaction; a result that cannot be is answered for alone.
///
/// # Errors
/// The connection or the server failed. Where [`StoreError::is_transient`] says so, call again with the same batch: what
/// was recorded already, because only the reply to the COMMIT was lost, is recognized and answered for as recorded.
pub async fn finish_with(
    store: &Store,
    worker: &str,
    batch: &[Finished],
    breaker: &Breaker,
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    match record(store, worker, batch, breaker).await {
        // One result that the database refuses must not cost the others theirs.
        Err(error) if !error.is_transient() => one_by_one(store, worker, batch, breaker).await,
        recorded => recorded,
    }
}

async fn one_by_one(
    store: &Store,
    worker: &str,
    batch: &[Finished],
    breaker: &Breaker,
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    let mut answers = Vec::with_capacity(batch.len());
    for finished in batch {
        match record(store, worker, std::slice::from_ref(finished), breaker).await {
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
    breaker: &Breaker,
) -> Result<Vec<Result<Recorded, FinishError>>, StoreError> {
    let ids: Vec<i64> = batch.iter().map(|finished| finished.job.0).collect();
    let mut tx = store.begin("record finished jobs").await?;
    lock_devices(&mut tx, &ids).await?;
    let mut planned = plan::plan(&mut tx, worker, batch, breaker).await?;
    // Before anything is written: a result that comes twice in one batch was not recorded earlier.
    let stale = batch.iter().zip(&planned).filter(|(_, plan)| matches!(plan, Err(FinishError::Stale(_))));
    let mut earlier = earlier::find(&mut tx, worker, stale.map(|(finished, _)| finished).collect()).await?;
    let mut accepted: Vec<&mut Accepted<'_>> =
        planned.iter_mut().filter_map(|plan| plan.as_mut().ok()).collect();
    if !accepted.is_empty() {
        versions::store(&mut tx, &mut accepted).await?;
        let new_secrets = secrets::keep(&mut tx, &accepted).await?;
        versions::confirm(&mut tx, &accepted).await?;
        state::update_jobs(&mut tx, &accepted).await?;
        changes::record(&mut tx, &accepted, &new_secrets).await?;
        state::update_devices(&mut tx, &accepted).await?;
        state::learn_host_keys(&mut tx, &accepted).await?;
        hops::learn(&mut tx, &accepted).await?;
        state::add_attempts(&mut tx, worker, &accepted).await?;
    }
    tx.commit().await.map_err(StoreError::query("record finished jobs"))?;
    let answer = |plan: Result<Accepted<'_>, FinishError>| match plan {
        Ok(accepted) => Ok(accepted.recorded()),
        Err(FinishError::Stale(job)) => earlier.remove(&job).ok_or(FinishError::Stale(job)),
        Err(error) => Err(error),
    };
    Ok(planned.into_iter().map(answer).collect())
}

/// The event that only the store can tell.
fn own_event(
    finished: &Finished,
    outcome: Option<Outcome>,
    version: Option<(VersionId, i64)>,
) -> Option<JobEvent> {
    let event = match (outcome?, version, &finished.result) {
        (Outcome::Changed, Some((version, seq)), FinishedResult::Changed { config, .. }) => {
            Event::VersionStored { version, seq, bytes: config.size() }
        }
        (Outcome::Unchanged, Some((version, seq)), FinishedResult::Changed { rules_only: true, .. }) => {
            Event::RulesChanged { version, seq }
        }
        (Outcome::Unchanged, ..) => Event::Unchanged,
        _ => return None,
    };
    Some(JobEvent::new(Some(finished.job), Some(finished.device), finished.finished_at, event))
}
