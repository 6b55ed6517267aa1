//! Commits finished jobs in batches: one transaction for many devices instead of one each.

mod batch;

use crate::scheduler::Running;
use crate::stores::Stores;
use crate::worker::WorkerSettings;
use batch::Batch;
use netraven_model::Breaker;
use netraven_store::jobs::Finished;
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
    stores: Stores,
    worker: String,
    breaker: Breaker,
    running: Arc<Running>,
    results: mpsc::Receiver<Finished>,
}

impl Committer {
    pub(crate) fn new(stores: Stores, settings: &WorkerSettings, running: Arc<Running>) -> (Self, Results) {
        let (sender, results) = mpsc::channel(settings.parallel_sessions.clamp(1, BATCH));
        let (worker, breaker) = (settings.name.clone(), settings.breaker);
        (Self { stores, worker, breaker, running, results }, sender)
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
            let leases: Vec<_> = batch.iter().map(|finished| (finished.job, finished.token)).collect();
            self.commit(Batch::new(std::mem::take(&mut batch))).await;
            // Until now their leases were kept: what is under way to the database is not free to be taken.
            leases.into_iter().for_each(|(job, token)| self.running.remove(job, token));
        }
    }

    /// Tries until the database takes it: what was collected is not thrown away for a restart.
    async fn commit(&self, mut batch: Batch) {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(100));
        loop {
            match batch.write(&self.stores, &self.worker, &self.breaker).await {
                Ok(()) => return,
                Err(error) if error.is_transient() && start.elapsed() < GIVE_UP => {
                    tracing::warn!(%error, left = %batch, "the results cannot be stored yet, trying again");
                    sleep_until(Instant::now() + pause).await;
                    pause = (pause * 2).min(RETRY_LIMIT);
                }
                Err(error) => {
                    return tracing::error!(%error, left = %batch, "given up; jobs without a result run again after their lease");
                }
            }
        }
    }
}
