//! The way of results into the database.
//!
//! Three services write what a session brought, each with its own login, so that it cannot be one transaction. The order:
//!
//! 1. *joblog*: the session's events and dialogue. Their ids were made with them, so that a second try stores nothing
//!    twice. The session did take place, whatever becomes of its result: a stale one has its log, too.
//! 2. *gateway*: the result, in one transaction with the job's state. From here on a recorded result has its log. Where
//!    the reply to the COMMIT is lost, the second try recognizes what is recorded and answers the same.
//! 3. *joblog*: what only the database could say, e.g. the version's number. Its id was made by step 2, which is done
//!    once, so that this can be tried again like step 1.
//! 4. *scheduler*, at the same time: how credentials did, for recorded results alone. A COMMIT whose reply is lost is not tried again:
//!    a statistic may miss a use and counts none twice.
//!
//! A process that dies before step 2 has shown the device a session without a result: the job runs again after its lease,
//! and its log tells of both. One that dies behind step 2 leaves a recorded result with the session's log; the one line of
//! step 3 and the count of step 4 are missing.
//!
//! Whatever waits for its next step is kept here, and [`Batch::write`] goes on where it stopped.

use crate::stores::Stores;
use netraven_model::{Breaker, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_store::credentials::{self, CredentialUse};
use netraven_store::jobs::{self, FinishError, Finished, FinishedResult};
use netraven_store::{Store, StoreError, logs};
use std::collections::HashSet;
use std::fmt;

/// Results on their way, by what has to be done next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Sessions whose log is to be written.
    sessions: Vec<Finished>,
    /// Results to record; their log is written.
    results: Vec<Finished>,
    /// What the store said of recorded results, to be logged.
    events: Vec<JobEvent>,
    /// Uses of credentials by recorded results, to be counted.
    uses: Vec<CredentialUse>,
    /// Jobs whose own result or log cannot be stored and that therefore end as failed.
    given_up: HashSet<JobId>,
}

impl Batch {
    pub(super) fn new(sessions: Vec<Finished>) -> Self {
        Self { sessions, ..Self::default() }
    }

    /// Does what is left to do.
    ///
    /// # Errors
    /// The database failed; a transient failure is worth another call.
    pub(super) async fn write(
        &mut self,
        stores: &Stores,
        worker: &str,
        breaker: &Breaker,
    ) -> Result<(), StoreError> {
        // A result that cannot be stored comes round once more, as a failure that says so.
        while !self.sessions.is_empty() || !self.results.is_empty() {
            self.log_sessions(&stores.joblog).await?;
            self.record(&stores.gateway, worker, breaker).await?;
        }
        let events: Vec<_> = self.events.iter().collect();
        let (logged, counted) = tokio::join!(
            logs::write(&stores.joblog, &events, &[]),
            credentials::count_uses(&stores.scheduler, &self.uses),
        );
        if logged.is_ok() {
            self.events.clear();
        }
        if counted.is_ok() {
            self.uses.clear();
        }
        logged.and(counted)
    }

    /// Step 1.
    async fn log_sessions(&mut self, joblog: &Store) -> Result<(), StoreError> {
        match log(joblog, &self.sessions).await {
            Ok(()) => self.results.append(&mut self.sessions),
            Err(error) if error.is_transient() => return Err(error),
            // A log that the database refuses must not cost the others theirs.
            Err(_) => {
                while let Some(finished) = self.sessions.last() {
                    let logged = log(joblog, std::slice::from_ref(finished)).await;
                    if logged.as_ref().is_err_and(StoreError::is_transient) {
                        return logged;
                    }
                    let Some(finished) = self.sessions.pop() else { break };
                    match logged {
                        Ok(()) => self.results.push(finished),
                        // The job says why at least.
                        Err(error) if self.given_up.contains(&finished.job) => {
                            tracing::error!(job = %finished.job, %error, "the job's failure could not be logged");
                            self.results.push(finished);
                        }
                        Err(error) => self.give_up(finished, &error.to_string()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Step 2.
    async fn record(&mut self, gateway: &Store, worker: &str, breaker: &Breaker) -> Result<(), StoreError> {
        if self.results.is_empty() {
            return Ok(());
        }
        let answers = jobs::finish_with(gateway, worker, &self.results, breaker).await?;
        for (finished, answer) in std::mem::take(&mut self.results).into_iter().zip(answers) {
            match answer {
                Ok(recorded) => {
                    tracing::debug!(job = %finished.job, outcome = ?recorded.outcome, "job recorded");
                    self.events.extend(recorded.event);
                    self.uses.extend(finished.credential_uses());
                }
                Err(FinishError::Unstorable { reason, .. }) => self.give_up(finished, &reason),
                Err(error) => {
                    tracing::warn!(job = %finished.job, %error, "the job's result was not recorded")
                }
            }
        }
        Ok(())
    }

    /// What the database cannot hold would fail again and again: the job ends with the reason instead.
    fn give_up(&mut self, finished: Finished, reason: &str) {
        if !self.given_up.insert(finished.job) {
            return tracing::error!(job = %finished.job, reason, "the job's failure could not be recorded");
        }
        let failure = Failure::new(ErrorCode::Internal, Phase::Collect, reason);
        let event = Event::Failed { failure: failure.clone() };
        let event = JobEvent::new(Some(finished.job), Some(finished.device), finished.finished_at, event);
        self.sessions.push(Finished {
            result: FinishedResult::Failed { failure, retry_in: None },
            host_key: None,
            recognised: None,
            ssh_profile: None,
            hops: Vec::new(),
            credential_used: None,
            credentials_refused: Vec::new(),
            events: vec![event],
            dialogue: None,
            ..finished
        });
    }
}

async fn log(joblog: &Store, sessions: &[Finished]) -> Result<(), StoreError> {
    let events: Vec<_> = sessions.iter().flat_map(|finished| &finished.events).collect();
    let dialogues: Vec<_> = sessions.iter().filter_map(|finished| finished.dialogue.as_ref()).collect();
    logs::write(joblog, &events, &dialogues).await
}

/// How much is left, for people.
impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sessions, results) = (self.sessions.len(), self.sessions.len() + self.results.len());
        let (events, uses) = (self.events.len(), self.uses.len());
        write!(f, "{results} results, {sessions} session logs, {events} events, {uses} uses of credentials")
    }
}
