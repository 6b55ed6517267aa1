//! Waiting with an end.

use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How often a condition that nobody announces is looked at again.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// A point in time by which a step must be done, and the span it was made from (for messages).
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    /// The span that was granted.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Looks again and again until `check` has an answer, or gives `None` when the time is over.
    /// Used where the kernel offers no event: file locks with a deadline, processes of others.
    pub(super) async fn poll<T>(&self, mut check: impl FnMut() -> Option<T>) -> Option<T> {
        let mut ticks = interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(answer) = check() {
                return Some(answer);
            }
            if Instant::now() >= self.at {
                return None;
            }
        }
    }

    /// The future's output, or `None` when the time is over.
    pub(super) async fn bound<F: Future>(&self, future: F) -> Option<F::Output> {
        timeout_at(self.at, future).await.ok()
    }
}
