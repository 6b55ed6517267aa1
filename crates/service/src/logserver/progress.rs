//! Where runs stand. Those who follow the same run share what was read of it.

use chrono::{DateTime, Utc};
use netraven_model::{ErrorCode, RunId};
use netraven_store::jobs::{self, Progress};
use netraven_store::{Store, StoreError};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// What was read is good for so long, and so often is looked for changes.
pub(super) const FRESH: Duration = Duration::from_millis(500);

/// What is known of one run, and since when. Who reads it anew holds the lock, and others wait for what is read.
type Known = Arc<tokio::sync::Mutex<Option<(Instant, Progress)>>>;

/// Where runs stand.
pub(crate) struct Runs {
    store: Store,
    known: Mutex<HashMap<RunId, Known>>,
}

impl Runs {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// Where the run stands, as it was half a second ago at most.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the database failed.
    pub(super) async fn progress(&self, run: RunId) -> Result<Progress, StoreError> {
        let known = {
            let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody looks at the others now; what they know is soon too old.
            all.retain(|_, known| Arc::strong_count(known) > 1 || is_fresh(known));
            all.entry(run).or_default().clone()
        };
        let mut known = known.lock().await;
        if let Some((at, progress)) = known.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(progress.clone());
        }
        let progress = jobs::run_progress(&self.store, run).await?;
        *known = Some((Instant::now(), progress.clone()));
        Ok(progress)
    }
}

fn is_fresh(known: &Known) -> bool {
    known.try_lock().map_or(true, |known| known.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH))
}

/// Where the jobs of a run stand. The numbers of all states together are `total`.
#[derive(PartialEq, Serialize, ToSchema)]
pub(super) struct RunProgress {
    /// The run.
    run: i64,
    /// All jobs.
    total: i64,
    /// Waiting.
    queued: i64,
    /// Under way.
    running: i64,
    /// Done with a new version.
    changed: i64,
    /// Done, the configuration is the one already stored.
    unchanged: i64,
    /// Done, and nothing is versioned by such a job.
    ok: i64,
    /// Done without success.
    failed: i64,
    /// Done, there was nothing to do.
    skipped: i64,
    /// Ended by a person.
    cancelled: i64,
    /// Why jobs failed, the most frequent first.
    failures: Vec<FailureCount>,
    /// Whether every job is over.
    finished: bool,
    /// When this was read.
    at: DateTime<Utc>,
}

/// Jobs that failed for the same reason.
#[derive(PartialEq, Serialize, ToSchema)]
struct FailureCount {
    /// The reason.
    #[schema(value_type = String)]
    error_code: ErrorCode,
    /// How many.
    jobs: i64,
}

impl RunProgress {
    pub(super) fn new(run: RunId, progress: &Progress) -> Self {
        let failures = progress.failures.iter();
        Self {
            run: run.0,
            total: progress.total,
            queued: progress.queued,
            running: progress.running,
            changed: progress.changed,
            unchanged: progress.unchanged,
            ok: progress.ok,
            failed: progress.failed,
            skipped: progress.skipped,
            cancelled: progress.cancelled,
            failures: failures.map(|&(error_code, jobs)| FailureCount { error_code, jobs }).collect(),
            finished: progress.active() == 0,
            at: Utc::now(),
        }
    }
}
