//! What is refused when a schedule is saved, so that nothing turns out to be impossible at night.

use super::{Calendar, HORIZON, ScheduleError, Span, Timing};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// The longest interval: ten years.
const LONGEST: u64 = 10 * 366 * 24 * 3600;

/// More windows, or blackouts, than that are refused.
const MOST: usize = 100;

/// So many times of a cron expression are looked at for the shortest pause between two.
const PAUSES: usize = 200;

impl Calendar {
    /// Looks whether runs will come of it. `now` is the time at which it is saved, `jitter` the time over which a run's jobs
    /// are spread.
    ///
    /// # Errors
    /// A single time that is over, a cron expression that never comes, windows that never open, a jitter longer than a window or
    /// than the time between two runs.
    pub fn check(&self, now: DateTime<Utc>, jitter: Duration) -> Result<(), ScheduleError> {
        for (what, spans) in [("window", &self.windows), ("blackout", &self.blackouts)] {
            if spans.len() > MOST {
                return Err(ScheduleError::new(
                    what,
                    format!("expected {MOST} at most, found {}", spans.len()),
                ));
            }
        }
        self.check_validity(now)?;
        self.check_timing(now)?;
        self.check_windows(now)?;
        if self.next_after(before(now)).is_none() {
            return Err(never(self.valid_until));
        }
        self.check_jitter(now, jitter)
    }

    fn check_validity(&self, now: DateTime<Utc>) -> Result<(), ScheduleError> {
        let Some(until) = self.valid_until else { return Ok(()) };
        let shown = self.show(until);
        if until <= now {
            return Err(ScheduleError::new("until", format!("{shown} is over; expected a time to come")));
        }
        match self.valid_from {
            Some(from) if from >= until => {
                let reason = format!("{shown} is not behind the beginning, {}", self.show(from));
                Err(ScheduleError::new("until", reason))
            }
            _ => Ok(()),
        }
    }

    fn check_timing(&self, now: DateTime<Utc>) -> Result<(), ScheduleError> {
        match &self.timing {
            Timing::Once(at) if *at < now => {
                let reason = format!("{} is over; expected a time to come", self.show(*at));
                Err(ScheduleError::new("at", reason))
            }
            Timing::Every { every, .. }
                if every.subsec_nanos() > 0 || !(1..=LONGEST).contains(&every.as_secs()) =>
            {
                Err(ScheduleError::new(
                    "every",
                    format!("expected whole seconds, one to ten years, found {every:?}"),
                ))
            }
            Timing::Cron(cron) if cron.next_after(self.zone, now).is_none() => {
                let reason = format!("'{cron}' never comes: no date of the calendar fits day and month");
                Err(ScheduleError::new("cron", reason))
            }
            _ => Ok(()),
        }
    }

    /// Without regard to the end of validity, of which there is another sentence to say.
    fn check_windows(&self, now: DateTime<Utc>) -> Result<(), ScheduleError> {
        let unlimited = Calendar { valid_until: None, ..self.clone() };
        if unlimited.next_allowed(now).is_some() {
            return Ok(());
        }
        let years = HORIZON.num_days() / 366;
        let alone = Calendar { blackouts: Vec::new(), ..unlimited };
        let reason = match (self.windows.is_empty(), alone.next_allowed(now)) {
            (true, _) => format!("they leave no time for a run within {years} years"),
            (_, Some(_)) => format!("they cover the windows ({}) for {years} years", list(&self.windows)),
            (_, None) => {
                let reason = format!("none of {} opens within {years} years", list(&self.windows));
                return Err(ScheduleError::new("window", reason));
            }
        };
        Err(ScheduleError::new("blackout", reason))
    }

    fn check_jitter(&self, now: DateTime<Utc>, jitter: Duration) -> Result<(), ScheduleError> {
        let wrong = |reason| Err(ScheduleError::new("jitter", reason));
        if jitter.is_zero() {
            return Ok(());
        }
        let Ok(jitter) = TimeDelta::from_std(jitter) else {
            return wrong(format!("expected less than the time between two runs, found {jitter:?}"));
        };
        if let Some(window) = self.windows.iter().find(|window| window.length() < jitter) {
            let (jitter, open) = (words(jitter), words(window.length()));
            return wrong(format!("{jitter} is longer than the window '{window}' is open, {open}"));
        }
        match self.shortest_pause(now) {
            Some(pause) if jitter > pause => {
                wrong(format!("{} is longer than the time between two runs, {}", words(jitter), words(pause)))
            }
            _ => Ok(()),
        }
    }

    /// The shortest time between two runs that are due.
    fn shortest_pause(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        match &self.timing {
            Timing::Every { every, .. } => TimeDelta::from_std(*every).ok(),
            Timing::Once(_) => None,
            Timing::Cron(cron) => {
                let next = |after: &DateTime<Utc>| cron.next_after(self.zone, *after);
                let first = cron.next_after(self.zone, now);
                let soon = |at: &DateTime<Utc>| *at - now < HORIZON;
                let times: Vec<_> =
                    std::iter::successors(first, next).take_while(soon).take(PAUSES).collect();
                times.windows(2).filter_map(|pair| Some(*pair.get(1)? - *pair.first()?)).min()
            }
        }
    }

    fn show(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M %Z").to_string()
    }
}

fn never(until: Option<DateTime<Utc>>) -> ScheduleError {
    match until {
        Some(_) => ScheduleError::new("until", "no run would start before that"),
        None => ScheduleError::new("schedule", "no run would ever start"),
    }
}

/// So that a run that is due at this very moment counts.
fn before(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(now)
}

fn list(spans: &[Span]) -> String {
    spans.iter().map(Span::as_str).collect::<Vec<_>>().join("; ")
}

/// `3 h`, `90 min`, `45 s`
fn words(time: TimeDelta) -> String {
    match time.num_seconds() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
