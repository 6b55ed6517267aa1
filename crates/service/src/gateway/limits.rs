//! How much is done at the same time: what is too much is sent away, never piled up.

use super::error::ApiError;
use super::settings::ApiLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, timeout};

/// Room for sessions, with a bounded queue before it.
pub(crate) struct Room {
    sessions: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    wait: Duration,
}

/// Counts one who waits, also one who is dropped while waiting.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Room {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        Self {
            sessions: Arc::new(Semaphore::new(limits.parallel)),
            batches: Arc::new(Semaphore::new(limits.batches)),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            wait: limits.queue_wait,
        }
    }

    /// Those who wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Room for one session.
    ///
    /// # Errors
    /// The queue is full, or no room came within the time that one may wait.
    pub(crate) async fn session(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(permit) = self.sessions.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let full =
            || ApiError::overloaded("the gateway is busy with other requests", self.wait.as_secs().max(1));
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before >= self.queue {
            return Err(full());
        }
        let permit = timeout(self.wait, self.sessions.clone().acquire_owned()).await;
        drop(waiting);
        permit.ok().and_then(Result::ok).ok_or_else(full)
    }

    /// Room for one session of a batch, which was let in as a whole: it waits as long as it takes.
    pub(crate) async fn session_of_batch(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.sessions.clone().acquire_owned().await.ok()
    }

    /// Room for one batch.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(crate) fn batch(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = self.batches.clone().try_acquire_owned();
        permit.map_err(|_| ApiError::overloaded("the gateway is busy with other batches", 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_the_queue_full_is_sent_away_and_who_leaves_makes_room() {
        let limits =
            ApiLimits { parallel: 1, queue: 1, queue_wait: Duration::from_secs(60), ..ApiLimits::default() };
        let room = Arc::new(Room::new(&limits));
        let first = room.session().await.unwrap();
        let waits = tokio::spawn({
            let room = room.clone();
            async move { room.session().await.map(drop) }
        });
        while room.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(room.session().await.is_err());
        drop(first);
        waits.await.unwrap().unwrap();
        assert_eq!(room.waiting(), 0);
    }
}
