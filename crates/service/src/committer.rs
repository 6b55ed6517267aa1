//! Commits finished jobs in batches: one transaction for many devices instead of one each.

use netraven_store::Store;
use netraven_store::jobs::{self, Finished};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// As many results as one transaction takes.
const BATCH: usize = 128;
/// How long a result may wait for company.
const LINGER: Duration = Duration::from_millis(20);
/// The longest pause between two tries while the database is away.
const RETRY_LIMIT: Duration = Duration::from_secs(5);
/// How long results are kept while the database is away; afterwards their leases are long over and
/// other workers have done the jobs.
const GIVE_UP: Duration = Duration::from_secs(600);

/// Where finished jobs go. Bounded: when the database cannot keep up, sessions wait.
pub(crate) type Results = mpsc::Sender<Finished>;

#[derive(Debug)]
pub(crate) struct Committer {
    store: Store,
    worker: String,
    results: mpsc::Receiver<Finished>,
}

impl Committer {
    pub(crate) fn new(store: Store, worker: String, parallel: usize) -> (Self, Results) {
        let (sender, results) = mpsc::channel(parallel.clamp(1, BATCH));
        (Self { store, worker, results }, sender)
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
            self.commit(std::mem::take(&mut batch)).await;
        }
    }

    /// Tries until the database takes it: what was collected is not thrown away for a restart.
    async fn commit(&self, batch: Vec<Finished>) {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(100));
        loop {
            match jobs::finish(&self.store, &self.worker, &batch).await {
                Ok(results) => return self.note(&batch, &results),
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

    fn note(&self, batch: &[Finished], results: &[Result<jobs::Recorded, jobs::FinishError>]) {
        for (finished, result) in batch.iter().zip(results) {
            match result {
                Ok(recorded) => {
                    tracing::debug!(job = %finished.job, outcome = ?recorded.outcome, "job recorded")
                }
                Err(error) => {
                    tracing::warn!(job = %finished.job, %error, "the job's result was not recorded")
                }
            }
        }
    }
}
