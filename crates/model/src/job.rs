//! A job's three separate facts: status (where it stands), outcome (how it ended), attempts.

use std::time::Duration;

words! {
    /// What a job does.
    JobKind {
        /// Collect and version the configuration.
        Backup = "backup",
        /// Run commands and keep their answers.
        Command = "command",
        /// See whether the device answers.
        Reachability = "reachability",
        /// See whether a credential works.
        CredentialCheck = "credential_check",
    }
}

words! {
    /// Where a job stands.
    JobStatus {
        /// Waiting for its time and a worker.
        Queued = "queued",
        /// Claimed by a worker under a lease.
        Running = "running",
        /// Ended; the outcome says how.
        Done = "done",
        /// Ended by a person before it was done.
        Cancelled = "cancelled",
    }
}

words! {
    /// How a job ended.
    Outcome {
        /// A new version was stored.
        Changed = "changed",
        /// The configuration is the one already stored.
        Unchanged = "unchanged",
        /// What was asked for was done; nothing is versioned by it.
        Ok = "ok",
        /// It failed; an error code says why.
        Failed = "failed",
        /// There was nothing to do.
        Skipped = "skipped",
    }
}

/// How long to wait before the next attempt of a job that failed for a transient reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Wait before the second attempt.
    pub base: Duration,
    /// Each further wait is this many times the one before.
    pub factor: u32,
    /// No wait is longer.
    pub limit: Duration,
}

impl Backoff {
    /// The wait after `attempt` (1 = the first) failed, or `None` when it was the last one.
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = self.factor.saturating_pow(attempt.saturating_sub(1));
        Some(self.base.saturating_mul(factor).min(self.limit))
    }

    /// As [`Self::after`], spread: one half of the wait is certain, of the other half `share` (0 to 1) is taken ("equal
    /// jitter"). So no wait is short, and what failed together does not come back together.
    pub fn spread(&self, attempt: u32, share: f64) -> Option<Duration> {
        self.after(attempt).map(|wait| wait.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0))
    }
}

/// Any number from 0 to 1, for what must not happen in step.
pub fn chance() -> f64 {
    let [byte, other, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u16::from_be_bytes([byte, other])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_by_its_factor_up_to_the_limit_and_ends() {
        let backoff =
            Backoff { attempts: 5, base: Duration::from_secs(2), factor: 3, limit: Duration::from_secs(20) };
        let waits: Vec<_> = (1..=6).map(|n| backoff.after(n).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(2), Some(6), Some(18), Some(20), None, None]);
        let huge = Backoff { attempts: u32::MAX, ..backoff };
        assert_eq!(huge.after(4_000_000), Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_spread_wait_is_between_half_of_it_and_all_of_it() {
        let backoff =
            Backoff { attempts: 3, base: Duration::from_secs(8), factor: 2, limit: Duration::from_secs(300) };
        let seconds = |attempt, share| backoff.spread(attempt, share).map(|wait| wait.as_secs());
        for (attempt, share, expected) in [
            (1, 0.0, Some(4)),
            (1, 0.5, Some(6)),
            (1, 1.0, Some(8)),
            (2, 1.0, Some(16)),
            (2, -7.0, Some(8)),
            (2, 7.0, Some(16)),
            (3, 0.5, None),
        ] {
            assert_eq!(seconds(attempt, share), expected, "attempt {attempt}, share {share}");
        }
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(
            drawn.iter().all(|share| (0.0..=1.0).contains(share)) && drawn.iter().any(|n| *n != drawn[0])
        );
    }

    #[test]
    fn stored_words_and_json_agree() {
        for status in JobStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for kind in JobKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        assert_eq!(JobStatus::from_name("gone"), None);
    }
}
