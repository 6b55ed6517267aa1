//! What has to be done again and again: leases, cancelled jobs, schedules, the log tables, the heartbeat.

use super::Context;
use super::bell::close_cancelled;
use super::running::End;
use crate::retention;
use netraven_model::JobEvent;
use netraven_store::{StoreError, jobs, logins, logs, schedules, workers};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// A cancelled session is closed within this time, also where the bell is not heard.
const CANCEL_CHECK: Duration = Duration::from_secs(1);
/// How often due schedules and expired leases are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(2);
/// How often this worker says that it lives; others take it for dead after three of them.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Runs the periodic work of a worker.
pub(crate) struct Keeper {
    context: Arc<Context>,
    /// What happened to jobs without a session, until the job log has it.
    unlogged: Vec<JobEvent>,
}

impl Keeper {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, unlogged: Vec::new() }
    }

    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let lease = self.context.settings.lease / 3;
        let mut leases = interval_at(Instant::now() + lease, lease);
        let mut ticks = [CANCEL_CHECK, HOUSEKEEPING, HEARTBEAT, retention::EVERY].map(interval);
        leases.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.iter_mut().for_each(|tick| tick.set_missed_tick_behavior(MissedTickBehavior::Delay));
        let [cancel, housekeeping, heartbeat, log_tables] = &mut ticks;
        loop {
            let done = tokio::select! {
                // Leases are kept until the last session is over, also while the worker stops.
                () = ended(&mut stopped, &self.context) => break,
                _ = leases.tick() => self.keep_leases().await,
                _ = cancel.tick() => close_cancelled(&self.context).await,
                _ = housekeeping.tick() => self.keep_house().await,
                _ = heartbeat.tick() => self.beat().await,
                _ = log_tables.tick() => self.keep_log_tables().await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "periodic work failed, it is tried again");
            }
        }
        let left = workers::leave(&self.context.stores.scheduler, &self.context.settings.name).await;
        if let Err(error) = left {
            tracing::debug!(%error, "this worker could not sign off");
        }
    }

    async fn keep_leases(&self) -> Result<(), StoreError> {
        let running = self.context.running.jobs();
        if running.is_empty() {
            return Ok(());
        }
        let settings = &self.context.settings;
        let held =
            jobs::extend_leases(&self.context.stores.scheduler, &settings.name, &running, settings.lease)
                .await?;
        let held: HashSet<_> = held.into_iter().collect();
        // A job that ended meanwhile is not held either, and is no longer running.
        for job in running.into_iter().filter(|job| !held.contains(job)) {
            self.context.running.abort(job, End::LeaseLost);
        }
        Ok(())
    }

    async fn keep_house(&mut self) -> Result<(), StoreError> {
        // First what is ours: after an outage of the database our own leases may be over, too.
        self.keep_leases().await?;
        let lost = jobs::requeue_expired(&self.context.stores.scheduler).await?;
        if !lost.is_empty() {
            let jobs = lost.len();
            tracing::warn!(jobs, "the lease of jobs ended without a result, they were taken back");
            self.unlogged.extend(lost);
        }
        let closed = jobs::close_windows(&self.context.stores.scheduler).await?;
        if !closed.is_empty() {
            let jobs = closed.len();
            tracing::warn!(jobs, "jobs had not begun when their window closed, they were skipped");
            self.unlogged.extend(closed);
        }
        self.log_lost().await?;
        for run in schedules::start_due(&self.context.stores.scheduler).await? {
            tracing::info!(run = %run.run, jobs = run.jobs, "a schedule started a run");
        }
        Ok(())
    }

    /// The events have their ids: what could not be written now is written next time, and once.
    async fn log_lost(&mut self) -> Result<(), StoreError> {
        let events: Vec<_> = self.unlogged.iter().collect();
        logs::write(&self.context.stores.joblog, &events, &[]).await?;
        self.unlogged.clear();
        Ok(())
    }

    async fn keep_log_tables(&self) -> Result<(), StoreError> {
        let (joblog, settings) = (&self.context.stores.joblog, &self.context.settings);
        logins::sweep(&self.context.stores.scheduler).await?;
        retention::keep(joblog, settings.job_log_months, settings.connection_log_months).await
    }

    async fn beat(&self) -> Result<(), StoreError> {
        workers::heartbeat(&self.context.stores.scheduler, &self.context.settings.name, "worker").await
    }
}

/// Resolves when the worker stops and no session is left.
async fn ended(stopped: &mut watch::Receiver<bool>, context: &Context) {
    // A sender that is gone means the same as a stop.
    let _ = stopped.wait_for(|stop| *stop).await;
    context.running.idle().await;
}
