//! Follows a run to its end; runs a worker of its own where none is alive.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::note;
use crate::output::pace::{Pace, describe};
use crate::output::progress::Progress;
use crate::signals::StopSignals;
use crate::work;
use netraven_model::RunId;
use netraven_service::Worker;
use netraven_store::{Store, jobs, workers};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the numbers are read.
const POLL: Duration = Duration::from_millis(300);

/// A worker that gave no sign of life for this long counts as dead. Also how often is looked for one.
const WORKER_SILENCE: Duration = Duration::from_secs(15);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every job is over.
    Finished,
    /// A signal cancelled it, and what was under way has ended.
    Cancelled,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Somebody else; the caller knows.
    None,
    /// This process, as soon as nobody else is alive to do it.
    IfNoneIsAlive,
}

/// Waits until every job of a run is over. The first signal cancels the run, the second one leaves at once.
pub async fn follow(
    context: &Context,
    database: &Database,
    run: RunId,
    signals: &mut StopSignals,
    help: Help,
) -> Result<Ended> {
    let mut own_worker = None;
    let ended = watch(context, database, run, signals, (help, &mut own_worker)).await;
    if let Some(worker) = own_worker {
        let in_a_hurry = ended.as_ref().is_err_and(|error| error.exit == Exit::Interrupted);
        work::stop(worker, if in_a_hurry { Duration::ZERO } else { work::GRACE }).await;
    }
    ended
}

/// Whether some process works on the queue.
pub async fn worker_is_alive(store: &Store) -> Result<bool> {
    Ok(workers::alive(store, work::WORKER_KIND, WORKER_SILENCE).await?)
}

async fn watch(
    context: &Context,
    database: &Database,
    run: RunId,
    signals: &mut StopSignals,
    (help, own_worker): (Help, &mut Option<Worker>),
) -> Result<Ended> {
    let store = &database.store;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked_for_worker: Option<Instant> = None;
    let mut cancelled = false;
    let (bar, mut pace) = (Progress::start(), Pace::default());
    loop {
        let look = looked_for_worker.is_none_or(|at| at.elapsed() > WORKER_SILENCE);
        if help == Help::IfNoneIsAlive && own_worker.is_none() && look {
            looked_for_worker = Some(Instant::now());
            if !worker_is_alive(store).await? {
                *own_worker = Some(work::start(context, database).await?);
            }
        }
        let progress = jobs::run_progress(store, run).await?;
        let count = |number: i64| number.max(0).unsigned_abs();
        pace.see(&progress, Instant::now());
        let message = describe(&progress, &pace);
        bar.set(count(progress.total - progress.active()), count(progress.total), message);
        if progress.active() == 0 {
            return Ok(if cancelled { Ended::Cancelled } else { Ended::Finished });
        }
        tokio::select! {
            _ = ticks.tick() => {}
            () = signals.next() => {
                if cancelled {
                    return Err(CliError::interrupted());
                }
                cancelled = true;
                jobs::cancel_run(store, run).await?;
                bar.above(|| note("cancelled; waiting for the sessions under way (again Ctrl-C leaves at once)"));
            }
        }
    }
}
