//! How fast a run goes on.

use crate::output::format::millis;
use crate::results::totals;
use netraven_store::jobs::Progress;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Over how much time the rate is taken: long enough for a slow run, short enough to notice that it stands.
const WINDOW: Duration = Duration::from_secs(30);
/// Looks that are remembered; with one every 300 ms they reach further than the window.
const LOOKS: usize = 128;

/// Numbers of finished jobs at moments of the last half minute.
#[derive(Debug, Default)]
pub struct Pace {
    looks: VecDeque<(Instant, i64)>,
    /// Jobs per second.
    rate: Option<f64>,
    left: i64,
}

impl Pace {
    /// Takes what was seen now.
    pub fn see(&mut self, progress: &Progress, now: Instant) {
        let done = progress.total - progress.active();
        while self.looks.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
            || self.looks.len() >= LOOKS
        {
            self.looks.pop_front();
        }
        self.looks.push_back((now, done));
        self.left = progress.active();
        let Some((since, before)) = self.looks.front() else { return };
        let seconds = now.duration_since(*since).as_secs_f64();
        self.rate = (seconds >= 1.0).then(|| (done - before).max(0) as f64 / seconds);
    }

    /// Jobs that end per second; `None` before a second has passed.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How long what is left takes at this rate; `None` where nobody can say.
    pub fn remaining(&self) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(self.left as f64 / rate).ok().filter(|_| self.left > 0)
    }
}

/// `3.5/s, 2 min 05 s left; 25 devices: ...; failed: 2 timeout, 1 refused`
pub fn describe(progress: &Progress, pace: &Pace) -> String {
    let mut speed: Vec<String> = pace.rate().map(|rate| format!("{rate:.1}/s")).into_iter().collect();
    if let Some(left) = pace.remaining() {
        // To the second: tenths of it would only flicker.
        speed.push(format!("{} left", millis(left.as_secs().max(1) * 1_000)));
    }
    let mut text = if speed.is_empty() { String::new() } else { format!("{}; ", speed.join(", ")) };
    text += &totals(progress);
    if !progress.failures.is_empty() {
        let reasons: Vec<_> = progress.failures.iter().map(|(code, jobs)| format!("{jobs} {code}")).collect();
        text += &format!("; failed: {}", reasons.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::ErrorCode;

    fn progress(done: i64) -> Progress {
        let failures = vec![(ErrorCode::Timeout, 1)];
        Progress {
            changed: done - 1,
            failed: 1,
            failures,
            queued: 100 - done,
            total: 100,
            ..Progress::default()
        }
    }

    #[test]
    fn rate_and_time_left_follow_the_last_half_minute() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.see(&progress(10), start);
        assert_eq!((pace.rate(), pace.remaining()), (None, None));
        pace.see(&progress(20), start + Duration::from_secs(5));
        assert_eq!((pace.rate(), pace.remaining()), (Some(2.0), Some(Duration::from_secs(40))));
        let text = describe(&progress(20), &pace);
        assert_eq!(
            text,
            "2.0/s, 40.0 s left; 100 devices: 19 changed, 1 failed, 80 waiting; failed: 1 timeout"
        );
        // It stands, and nobody knows for how long.
        for second in 6..80 {
            pace.see(&progress(20), start + Duration::from_secs(second));
        }
        assert_eq!((pace.rate(), pace.remaining()), (Some(0.0), None));
        pace.see(&progress(100), start + Duration::from_secs(80));
        assert_eq!(pace.remaining(), None);
    }
}
