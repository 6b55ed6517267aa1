//! How much is done at the same time and how often a caller may ask: what is too much is sent away, never piled up.

use super::error::ApiError;
use super::settings::ApiLimits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout};

/// Callers whose rate is remembered; those who have been quiet are forgotten beyond this.
const CALLERS: usize = 10_000;
/// A caller who was quiet may send as many requests at once as in so many seconds.
const BURST_SECONDS: f64 = 2.0;

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

/// Token buckets, one for each caller.
pub(crate) struct Rates {
    per_second: f64,
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), buckets: Mutex::default() }
    }

    /// Counts one request of a caller at a time; where it is one too many, the seconds after which the next may come.
    pub(crate) fn take(&self, caller: &Arc<str>, now: Instant) -> Result<(), u64> {
        let most = self.per_second * BURST_SECONDS;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS && !buckets.contains_key(caller) {
            // A bucket that has had the time to fill up tells nothing.
            buckets
                .retain(|_, bucket| now.saturating_duration_since(bucket.at).as_secs_f64() < BURST_SECONDS);
        }
        let bucket = buckets.entry(caller.clone()).or_insert(Bucket { tokens: most, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + gained).min(most);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err((((1.0 - bucket.tokens) / self.per_second).ceil() as u64).max(1))
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

    #[test]
    fn each_caller_has_a_rate_of_its_own_and_gains_with_time() {
        let (rates, start) = (Rates::new(5), Instant::now());
        let (one, other): (Arc<str>, Arc<str>) = ("key:a".into(), "key:b".into());
        assert!((0..10).all(|_| rates.take(&one, start).is_ok()));
        assert_eq!(rates.take(&one, start), Err(1));
        assert_eq!(rates.take(&other, start), Ok(()));
        let later = start + Duration::from_millis(250);
        assert_eq!((rates.take(&one, later), rates.take(&one, later)), (Ok(()), Err(1)));
    }
}
