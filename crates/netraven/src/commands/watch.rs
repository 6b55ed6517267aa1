//! `netraven job watch`

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::note;
use crate::output::pace::{Pace, describe};
use crate::output::progress::Progress as Bar;
use crate::results::{Summary, Which};
use crate::signals::StopSignals;
use netraven_model::RunId;
use netraven_store::Store;
use netraven_store::jobs::{self, Progress};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the numbers are read.
const POLL: Duration = Duration::from_millis(300);
/// How often somebody without a terminal reads a line.
const LINE: Duration = Duration::from_secs(10);

/// Runs it.
pub async fn run(run: RunId, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let ended = tokio::select! {
        ended = watch(run, context, &database.store) => ended,
        () = signals.next() => {
            note(&format!("run {run} goes on; `netraven run cancel {run}` ends it"));
            Err(CliError::interrupted())
        }
    };
    database.close().await;
    ended
}

async fn watch(run: RunId, context: &Context, store: &Store) -> Result {
    let mut view = View::new(context, run);
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let progress = jobs::run_progress(store, run).await?;
        view.show(&progress)?;
        if progress.active() == 0 {
            break;
        }
    }
    drop(view);
    let summary = Summary::load(store, run).await?;
    if context.output.json {
        context.output.text(&json!({"summary": summary.to_json()}).to_string())?;
    } else {
        context.output.text(&summary.render(Which::NewsIfLong, context.output))?;
    }
    if summary.has_failures() { Err(CliError::silent(Exit::SomeDevicesFailed)) } else { Ok(()) }
}

/// What is shown while the run goes on: a bar, or a line now and then, or a JSON object for each change.
struct View<'a> {
    context: &'a Context,
    run: RunId,
    pace: Pace,
    bar: Option<Bar>,
    shown: Option<(Instant, Progress)>,
}

impl<'a> View<'a> {
    fn new(context: &'a Context, run: RunId) -> Self {
        let bar = (!context.output.json && std::io::stderr().is_terminal()).then(Bar::start);
        Self { context, run, pace: Pace::default(), bar, shown: None }
    }

    fn show(&mut self, progress: &Progress) -> Result {
        let now = Instant::now();
        self.pace.see(progress, now);
        if let Some(bar) = &self.bar {
            let count = |number: i64| number.max(0).unsigned_abs();
            let done = count(progress.total - progress.active());
            bar.set(done, count(progress.total), describe(progress, &self.pace));
            return Ok(());
        }
        let changed = self.shown.as_ref().is_none_or(|(_, shown)| shown != progress);
        let due = self.shown.as_ref().is_none_or(|(at, _)| now.duration_since(*at) >= LINE);
        if self.context.output.json && changed {
            self.context.output.text(&self.to_json(progress).to_string())?;
        } else if !self.context.output.json && due && progress.active() > 0 {
            note(&format!("run {}: {}", self.run, describe(progress, &self.pace)));
        } else {
            return Ok(());
        }
        self.shown = Some((now, progress.clone()));
        Ok(())
    }

    fn to_json(&self, progress: &Progress) -> Value {
        let failures = progress.failures.iter();
        let failures: Vec<_> =
            failures.map(|(code, jobs)| json!({"error_code": code, "devices": jobs})).collect();
        json!({"progress": {
            "run": self.run, "total": progress.total, "queued": progress.queued, "running": progress.running,
            "changed": progress.changed, "unchanged": progress.unchanged, "ok": progress.ok,
            "failed": progress.failed, "skipped": progress.skipped, "cancelled": progress.cancelled,
            "failures": failures, "per_second": self.pace.rate(),
            "seconds_left": self.pace.remaining().map(|left| left.as_secs()),
        }})
    }
}
