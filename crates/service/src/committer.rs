//! Commits finished jobs in batches: one transaction for many devices instead of one each.

use crate::scheduler::Running;
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_store::Store;
use netraven_store::jobs::{self, FinishError, Finished, FinishedResult, Recorded};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// As many results as one transaction takes.
const BATCH: usize = 128;
/// How long a result may wait for company.
const LINGER: Duration = Duration::from_millis(20);
/// The longest pause between two tries while the database is away.
const RETRY_LIMIT: Duration = Duration::from_secs(5);
/// How long results are kept while the database is away.
const GIVE_UP: Duration = Duration::from_secs(600);

/// Where finished jobs go. Bounded: when the database cannot keep up, sessions wait.
pub(crate) type Results = mpsc::Sender<Finished>;

#[derive(Debug)]
pub(crate) struct Committer {
    store: Store,
    worker: String,
    running: Arc<Running>,
    results: mpsc::Receiver<Finished>,
}

impl Committer {
    pub(crate) fn new(
        store: Store,
        worker: String,
        running: Arc<Running>,
        parallel: usize,
    ) -> (Self, Results) {
        let (sender, results) = mpsc::channel(parallel.clamp(1, BATCH));
        (Self { store, worker, running, results }, sender)
    }

    /// Runs until the last sender is gone and everything is committed.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let room = BATCH - batch.len();
            if self.results.recv_many(&mut batch, room).await == 0 {
                return;
            }
            let linger = Instant::now() + LINGER;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                match timeout_at(linger, self.results.recv_many(&mut batch, room)).await {
                    Ok(received) if received > 0 => {}
                    _ => break,
                }
            }
            let batch = std::mem::take(&mut batch);
            self.commit(&batch).await;
            // Until now their leases were kept: what is under way to the database is not free to be taken.
            batch.iter().for_each(|finished| self.running.remove(finished.job, finished.token));
        }
    }

    /// Tries until the database takes it: what was collected is not thrown away for a restart.
    async fn commit(&self, batch: &[Finished]) {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(100));
        loop {
            match jobs::finish(&self.store, &self.worker, batch).await {
                Ok(results) => return self.note(batch, &results).await,
                Err(error) if error.is_transient() && start.elapsed() < GIVE_UP => {
                    tracing::warn!(%error, jobs = batch.len(), "the results cannot be stored yet, trying again");
                    sleep_until(Instant::now() + pause).await;
                    pause = (pause * 2).min(RETRY_LIMIT);
                }
                Err(error) => {
                    let jobs = batch.len();
                    return tracing::error!(%error, jobs, "results are lost; their jobs run again after the lease");
                }
            }
        }
    }

    async fn note(&self, batch: &[Finished], results: &[Result<Recorded, FinishError>]) {
        for (finished, result) in batch.iter().zip(results) {
            match result {
                Ok(recorded) => {
                    tracing::debug!(job = %finished.job, outcome = ?recorded.outcome, "job recorded")
                }
                Err(FinishError::Unstorable { reason, .. }) => self.give_up(finished, reason).await,
                Err(error) => {
                    tracing::warn!(job = %finished.job, %error, "the job's result was not recorded")
                }
            }
        }
    }

    /// A result that the database cannot hold would fail again and again: the job ends with the reason.
    async fn give_up(&self, finished: &Finished, reason: &str) {
        let failure = Failure::new(ErrorCode::Internal, Phase::Collect, reason);
        let failed = Finished {
            job: finished.job,
            token: finished.token,
            attempt: finished.attempt,
            started_at: finished.started_at,
            finished_at: finished.finished_at,
            result: FinishedResult::Failed { failure, retry_in: None },
            host_key: None,
            credential_used: None,
            credentials_refused: Vec::new(),
            events: Vec::new(),
            dialogue: String::new(),
        };
        if let Err(error) = jobs::finish(&self.store, &self.worker, &[failed]).await {
            tracing::error!(job = %finished.job, %error, reason, "the job's failure could not be recorded");
        }
    }
}
