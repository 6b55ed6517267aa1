use super::Context;
use super::job::{retry_in, run_job};
use super::running::End;
use chrono::Utc;
use netraven_device::Pace;
use netraven_model::{ErrorCode, Failure, JobEvent, Phase};
use netraven_store::StoreError;
use netraven_store::jobs::{self, ClaimedJob, Finished, FinishedResult};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// As many jobs as one claim takes: large enough to spare round trips, small enough to share with
/// other workers.
const CLAIM: usize = 64;
/// The pause after a claim that failed.
const CLAIM_RETRY: Duration = Duration::from_secs(1);

/// Whether another claim may bring more.
enum Filled {
    /// Some jobs came; with several sites that is no sign of how many there are.
    Some,
    /// Nothing is due for which there is room.
    Nothing,
}

/// Claims jobs as long as there is room for sessions.
pub(crate) struct Dispatcher {
    context: Arc<Context>,
    room: Arc<Semaphore>,
}

impl Dispatcher {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let room = Arc::new(Semaphore::new(context.settings.parallel_sessions));
        Self { context, room }
    }

    pub(crate) async fn run(self, mut stopped: watch::Receiver<bool>) {
        loop {
            // A claim itself is never dropped half-way: its jobs would stay claimed until the lease ends.
            let permits = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => return,
                permits = self.permits() => permits,
            };
            let pause = match self.fill(permits).await {
                Ok(Filled::Some) => continue,
                Ok(Filled::Nothing) => self.context.settings.poll,
                Err(error) => {
                    tracing::warn!(%error, "no jobs could be claimed, trying again");
                    CLAIM_RETRY
                }
            };
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = self.context.rung.notified() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Claims as many jobs as there is room for.
    async fn fill(&self, mut permits: OwnedSemaphorePermit) -> Result<Filled, StoreError> {
        let settings = &self.context.settings;
        let limit = u32::try_from(permits.num_permits()).unwrap_or(u32::MAX);
        let load = self.context.running.load(site_sessions(&settings.device.site));
        let scheduler = &self.context.stores.scheduler;
        let claimed = jobs::claim_beside(scheduler, &settings.name, limit, settings.lease, &load).await?;
        let filled = if claimed.is_empty() { Filled::Nothing } else { Filled::Some };
        for job in claimed {
            if let Some(permit) = permits.split(1) {
                self.spawn(job, permit);
            }
        }
        Ok(filled)
    }

    /// Room for at least one session, and for up to a whole claim.
    async fn permits(&self) -> OwnedSemaphorePermit {
        let Ok(mut permits) = self.room.clone().acquire_owned().await else {
            // Nobody closes this semaphore; if somebody did, there would never be room again.
            return std::future::pending().await;
        };
        let more = self.room.available_permits().min(CLAIM - 1);
        if let Some(more) =
            u32::try_from(more).ok().and_then(|n| self.room.clone().try_acquire_many_owned(n).ok())
        {
            permits.merge(more);
        }
        permits
    }

    fn spawn(&self, job: ClaimedJob, permit: OwnedSemaphorePermit) {
        let context = self.context.clone();
        let started_at = Utc::now();
        let claimed = Arc::new(job);
        let session = tokio::spawn(run_job(context.clone(), claimed.clone()));
        context.running.add(&claimed, session.abort_handle());
        tokio::spawn(async move {
            let ended = session.await;
            let end = context.running.end(claimed.job);
            let finished = match (ended, end) {
                (_, Some(End::LeaseLost)) => None,
                // No attempt is lost where there was none: no gateway took the job.
                (Ok(finished), _) if is_unsent(&finished) && postpone(&context, &claimed).await => None,
                // What was finished before the order came is recorded.
                (Ok(finished), _) => Some(finished),
                (_, Some(End::Shutdown)) => {
                    give_back(&context, &claimed).await;
                    None
                }
                (_, Some(End::Cancelled)) => Some(bare(&claimed, started_at, FinishedResult::Cancelled)),
                (Err(error), None) => {
                    tracing::error!(job = %claimed.job, %error, "a session ended in disorder");
                    let failure = Failure::new(
                        ErrorCode::Internal,
                        Phase::Collect,
                        "NetRaven's own code failed in this session; its log says where",
                    );
                    let retry_in = retry_in(&context.settings.retry, &claimed, &failure, Utc::now());
                    Some(bare(&claimed, started_at, FinishedResult::Failed { failure, retry_in }))
                }
            };
            // A result that is handed over is taken out of the running ones by the committer.
            let handed_over = match finished {
                Some(finished) => context.results.send(finished).await.is_ok(),
                None => false,
            };
            if !handed_over {
                context.running.remove(claimed.job, claimed.token);
            }
            // Only now: a result that waits for the database takes the room of a session.
            drop(permit);
        });
    }
}

/// As many jobs of one site are taken as can soon have a session: the others would wait here, in the room of other sites.
fn site_sessions(pace: &Pace) -> Option<usize> {
    /// In seconds. Longer than most sessions, so that as many logins are under way as the site may have.
    const SOON: f64 = 300.0;
    // A number too large for the type becomes its largest.
    let logins = pace.logins_per_second.filter(|rate| *rate > 0.0).map(|rate| (rate * SOON).ceil() as usize);
    match (pace.sessions, logins) {
        (Some(sessions), Some(logins)) => Some(sessions.min(logins)),
        (sessions, logins) => sessions.or(logins),
    }
}

async fn give_back(context: &Context, claimed: &ClaimedJob) {
    let released = jobs::release(&context.stores.scheduler, &context.settings.name, &[claimed.job]).await;
    if let Err(error) = released {
        tracing::warn!(job = %claimed.job, %error, "the job could not be given back, it waits for its lease to end");
    }
}

/// Whether no gateway took the job, and nothing else happened before.
fn is_unsent(finished: &Finished) -> bool {
    let FinishedResult::Failed { failure, .. } = &finished.result else { return false };
    failure.code == ErrorCode::GatewayUnavailable
        && finished.credential_used.is_none()
        && finished.credentials_refused.is_empty()
        && finished.recognised.is_none()
        && finished.dialogue.is_none()
}

/// Puts a job back into the queue for later; whether it waits there.
async fn postpone(context: &Context, claimed: &ClaimedJob) -> bool {
    let settings = &context.settings;
    let postponed = jobs::postpone(&context.stores.scheduler, &settings.name, claimed.job).await;
    postponed.unwrap_or_else(|error| {
        tracing::warn!(job = %claimed.job, %error, "the job could not be put back into the queue");
        false
    })
}

/// A result without a session.
fn bare(claimed: &ClaimedJob, started_at: chrono::DateTime<Utc>, result: FinishedResult) -> Finished {
    let event = match &result {
        FinishedResult::Failed { failure, .. } => netraven_model::Event::Failed { failure: failure.clone() },
        _ => netraven_model::Event::Cancelled,
    };
    let now = Utc::now();
    Finished {
        events: vec![JobEvent::new(Some(claimed.job), Some(claimed.device), now, event)],
        ..Finished::new(claimed, started_at, now, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_gets_as_many_jobs_as_soon_have_a_session() {
        for (sessions, logins_per_second, expected) in [
            (None, None, None),
            (Some(4), None, Some(4)),
            (None, Some(0.5), Some(150)),
            (Some(4), Some(0.5), Some(4)),
            (Some(400), Some(0.001), Some(1)),
            (Some(4), Some(0.0), Some(4)),
        ] {
            assert_eq!(site_sessions(&Pace { sessions, logins_per_second }), expected);
        }
    }
}
