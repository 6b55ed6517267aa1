//! What this process knows of credentials by its own logins.

use netraven_model::CredentialId;
use netraven_store::logins::PROOF;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Clones share what is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    credentials: Mutex<HashMap<CredentialId, State>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Until then a success proves that it is good.
    proven_until: Option<Instant>,
    /// When a device accepted it last.
    accepted: Option<Instant>,
    /// Logins under way that the database was asked about, or is.
    open: u32,
}

impl Known {
    /// Whether a success of this process proves that the credential is good.
    pub(super) fn is_proven(&self, credential: CredentialId) -> bool {
        let now = Instant::now();
        self.lock().get(&credential).and_then(|state| state.proven_until).is_some_and(|until| now < until)
    }

    /// A device accepted it.
    pub(super) fn accept(&self, credential: CredentialId) {
        self.lock().entry(credential).or_default().accepted = Some(Instant::now());
    }

    /// How long ago a device accepted it; `None` where this process saw no such thing.
    pub(super) fn accepted_ago(&self, credential: CredentialId) -> Option<Duration> {
        self.lock().get(&credential)?.accepted.map(|at| at.elapsed())
    }

    /// The database knows of a success.
    pub(super) fn prove(&self, credential: CredentialId) {
        self.lock().entry(credential).or_default().proven_until = Some(Instant::now() + PROOF);
        self.0.changed.notify_waiters();
    }

    pub(super) fn doubt(&self, credential: CredentialId) {
        self.lock().entry(credential).or_default().proven_until = None;
    }

    /// The right to ask the database about a login; at most `limit` are under way at the same time.
    pub(super) fn slot(&self, credential: CredentialId, limit: u32) -> Option<Slot> {
        let mut credentials = self.lock();
        let state = credentials.entry(credential).or_default();
        (state.open < limit.max(1)).then(|| {
            state.open += 1;
            Slot { known: self.clone(), credential }
        })
    }

    /// Resolves when a login ends or a credential proves good.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }

    /// A panic while the lock was held leaves a map that is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<CredentialId, State>> {
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One login under way.
#[derive(Debug)]
pub(super) struct Slot {
    known: Known,
    credential: CredentialId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = self.known.lock().get_mut(&self.credential) {
            state.open -= 1;
        }
        self.known.0.changed.notify_waiters();
    }
}
