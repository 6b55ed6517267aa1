use netraven_model::JobId;
use netraven_store::jobs::{ClaimedJob, Load};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The sessions in this process whose result is not recorded yet, by job.
#[derive(Debug, Default)]
pub(crate) struct Running {
    sessions: Mutex<HashMap<JobId, Session>>,
    changed: Notify,
}

#[derive(Debug)]
struct Session {
    token: i64,
    site: Option<String>,
    abort: AbortHandle,
    end: Option<End>,
}

/// Why a session was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A person cancelled the job.
    Cancelled,
    /// The lease is gone: somebody else may have the job.
    LeaseLost,
    /// This process stops: the job goes back to the queue.
    Shutdown,
}

impl Running {
    pub(crate) fn add(&self, claimed: &ClaimedJob, abort: AbortHandle) {
        let session = Session { token: claimed.token, site: claimed.site.clone(), abort, end: None };
        self.lock().insert(claimed.job, session);
    }

    /// How many there are at each site, of `site_sessions` that one site may have.
    pub(crate) fn load(&self, site_sessions: Option<usize>) -> Load {
        let mut load = Load::new(site_sessions);
        self.lock().values().for_each(|session| load.add(session.site.as_deref()));
        load
    }

    /// Why a session was stopped from outside, if it was.
    pub(crate) fn end(&self, job: JobId) -> Option<End> {
        self.lock().get(&job).and_then(|session| session.end)
    }

    /// Takes a session out whose result is recorded or given up. A later session of the same job,
    /// which has another token, stays.
    pub(crate) fn remove(&self, job: JobId, token: i64) {
        let mut sessions = self.lock();
        if sessions.get(&job).is_some_and(|session| session.token == token) {
            sessions.remove(&job);
        }
        drop(sessions);
        self.changed.notify_waiters();
    }

    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.lock().keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Closes a session; its task ends by itself and removes it.
    pub(crate) fn abort(&self, job: JobId, end: End) {
        if let Some(session) = self.lock().get_mut(&job) {
            session.end.get_or_insert(end);
            session.abort.abort();
        }
    }

    pub(crate) fn abort_all(&self) {
        self.jobs().into_iter().for_each(|job| self.abort(job, End::Shutdown));
    }

    /// Resolves as soon as no session is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no removal in between is missed.
            changed.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// A panic while the lock was held leaves a map that is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
