//! The job queue: runs make jobs, workers claim them under a lease, finish or give them back.
//!
//! Who locks several rows locks the devices first, in the order of their ids, and then their jobs in the order of
//! (device, id). So two workers may wait for each other but never in a circle. A job holds its device's only
//! session through `devices.session_job`; the token that grows with each session tells a late worker from the
//! one that has the device now.

mod cancel;
mod claim;
mod fair;
mod finish;
mod lease;
mod list;
mod listener;
mod needs;
mod progress;
mod runs;
mod session;
mod target;
mod windows;

pub use cancel::cancel;
pub use claim::{ClaimedJob, Hop, LeftOut, Previous, claim, claim_beside};
pub use fair::Load;
pub use finish::{
    FinishError, Finished, FinishedResult, LearnedHop, Recognised, Recorded, finish, finish_with,
};
pub use lease::{LEASE_ATTEMPTS, cancelled_among, extend_leases, postpone, release, requeue_expired};
pub use list::{Attempt, JobDetail, JobFilter, JobRow, get, list};
pub use listener::{Heard, JobListener};
pub use needs::way;
pub use progress::{Progress, RunResultRow, run_progress, run_results};
pub(crate) use runs::create_run_in;
pub use runs::{NewRun, Origin, RunCreated, RunRow, cancel_run, create_run, runs_list};
pub use target::TargetSelection;
pub(crate) use target::{check_target, count_target};
pub use windows::close_windows;

use crate::StoreError;
use sqlx::PgConnection;

/// The priority of a job that was given none; lower ones run first.
pub const DEFAULT_PRIORITY: i32 = 100;

/// The channel on which workers hear of new jobs.
const JOBS: &str = "netraven_jobs";
/// The channel on which they hear that a running job is to end.
const CANCELLED: &str = "netraven_cancelled";

/// Rings the bell when the transaction commits.
async fn notify(connection: &mut PgConnection, channel: &str) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_notify($1, '')")
        .bind(channel)
        .execute(connection)
        .await
        .map(drop)
        .map_err(StoreError::query("ring for the workers"))
}
