//! How often a caller may ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Callers whose rate is remembered; those who have been quiet are forgotten beyond this.
const CALLERS: usize = 10_000;
/// A caller who was quiet may send as many requests at once as in so many seconds.
const BURST_SECONDS: f64 = 2.0;

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
    use std::time::Duration;

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
