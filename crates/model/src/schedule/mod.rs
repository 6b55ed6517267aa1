//! When runs start: cron expressions, intervals and single times, in windows and outside blackouts.
//!
//! Nothing here reads a clock. Local times are read in the schedule's time zone; docs/scheduling.md says what happens on
//! the days on which a clock is set forward or back.

mod check;
mod cron;
mod error;
mod span;
mod words;
mod zone;

pub use cron::CronTime;
pub use error::ScheduleError;
pub use span::Span;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::Tz;
use span::End;
use std::time::Duration;

/// How far ahead a moment is looked for at which a run may start.
const HORIZON: TimeDelta = TimeDelta::days(5 * 366);

/// Windows that follow each other without a break for longer than that do not close.
const ALWAYS_OPEN: TimeDelta = TimeDelta::days(15);

/// What makes a run due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// The clock of the schedule's zone.
    Cron(CronTime),
    /// A fixed rhythm, whatever the clock shows.
    Every {
        /// From one run to the next; at least a second.
        every: Duration,
        /// Where the rhythm begins: the first run.
        first: DateTime<Utc>,
    },
    /// A single run.
    Once(DateTime<Utc>),
}

/// When a schedule's runs start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// What makes a run due.
    pub timing: Timing,
    /// Whose clock cron expressions, windows and blackouts mean.
    pub zone: Tz,
    /// A run that is due outside all of them waits until one opens; without any, runs start at any time.
    pub windows: Vec<Span>,
    /// A run that is due inside one of them waits until it is over.
    pub blackouts: Vec<Span>,
    /// No run is due before that.
    pub valid_from: Option<DateTime<Utc>>,
    /// No run starts at that time or later.
    pub valid_until: Option<DateTime<Utc>>,
}

/// A run to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it is due.
    pub due: DateTime<Utc>,
    /// When it starts: later, where windows or blackouts make it wait.
    pub at: DateTime<Utc>,
}

impl Calendar {
    /// A calendar in UTC without windows and limits.
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            zone: Tz::UTC,
            windows: Vec::new(),
            blackouts: Vec::new(),
            valid_from: None,
            valid_until: None,
        }
    }

    /// When the first run starts that is due strictly after a moment. All that become due while the schedule has to wait are one
    /// run, when it may start again.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.occurrence_after(after).map(|occurrence| occurrence.at)
    }

    /// As [`Calendar::next_after`], with the time at which the run is due.
    pub fn occurrence_after(&self, after: DateTime<Utc>) -> Option<Occurrence> {
        let due = self.due_after(sensible(after)?)?;
        Some(Occurrence { due, at: self.next_allowed(due)? })
    }

    /// The runs after a moment, in order; each waits behind the one before.
    pub fn upcoming(&self, after: DateTime<Utc>) -> impl Iterator<Item = Occurrence> {
        let next = |last: &Occurrence| self.occurrence_after(last.at);
        std::iter::successors(self.occurrence_after(after), next)
    }

    /// Whether a run may start at that moment.
    pub fn allows(&self, at: DateTime<Utc>) -> bool {
        self.next_allowed(at) == Some(at)
    }

    /// The first moment from then on at which a run may start, or `None` when there is none within five years.
    pub fn next_allowed(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = sensible(self.valid_from.map_or(from, |valid| valid.max(from)))?;
        let limit = at.checked_add_signed(HORIZON)?;
        while at < limit && self.valid_until.is_none_or(|until| at < until) {
            let blackouts = self.blackouts.iter();
            if let Some(over) =
                blackouts.filter_map(|blackout| blackout.lasts_until(self.zone, at, End::Last)).max()
            {
                at = over;
            } else if self.is_open(at) {
                return Some(at);
            } else {
                let windows = self.windows.iter();
                at = windows.filter_map(|window| window.begins_after(self.zone, at, End::First)).min()?;
            }
        }
        None
    }

    /// When jobs have to have begun that a run at that moment brings: when no window is open any more or a blackout begins.
    /// `None` where that never happens; the moment itself where nothing may start at it.
    pub fn window_end(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = sensible(at)?;
        let blackouts = self.blackouts.iter();
        if blackouts.clone().any(|blackout| blackout.lasts_until(self.zone, at, End::Last).is_some()) {
            return Some(at);
        }
        let blackout = blackouts.filter_map(|blackout| blackout.begins_after(self.zone, at, End::Last)).min();
        let windows = self.windows_close(at);
        blackout.into_iter().chain(windows).min()
    }

    fn windows_close(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut closes, limit) = (at, at.checked_add_signed(ALWAYS_OPEN)?);
        while closes < limit && !self.windows.is_empty() {
            let windows = self.windows.iter();
            match windows.filter_map(|window| window.lasts_until(self.zone, closes, End::First)).max() {
                Some(later) => closes = later,
                None => return Some(closes),
            }
        }
        None
    }

    fn is_open(&self, at: DateTime<Utc>) -> bool {
        let lasts = |window: &Span| window.lasts_until(self.zone, at, End::First).is_some();
        self.windows.is_empty() || self.windows.iter().any(lasts)
    }

    /// The first time after a moment at which a run is due, windows and blackouts left aside.
    fn due_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let just_before = |valid: DateTime<Utc>| valid.checked_sub_signed(TimeDelta::nanoseconds(1));
        let after = self.valid_from.and_then(just_before).map_or(after, |valid| valid.max(after));
        match &self.timing {
            Timing::Cron(cron) => cron.next_after(self.zone, after),
            Timing::Once(at) => Some(*at).filter(|at| *at > after),
            Timing::Every { every, first } => in_rhythm(*first, *every, after),
        }
    }
}

/// Nothing is asked of times that no calendar on a wall shows; beyond them time zones cannot be reckoned with.
fn sensible(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1..=9999).contains(&at.year()).then_some(at)
}

/// The first time after a moment that is a whole number of intervals from the first run.
fn in_rhythm(first: DateTime<Utc>, every: Duration, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if first > after {
        return Some(first);
    }
    let every = i64::try_from(every.as_secs()).ok().filter(|seconds| *seconds > 0)?;
    let intervals = (after - first).num_seconds() / every + 1;
    first.checked_add_signed(TimeDelta::try_seconds(intervals.checked_mul(every)?)?)
}

/// The time zone of an IANA name such as `Europe/Zurich`.
///
/// # Errors
/// The name that was probably meant: upper and lower case and the part before the slash are often left out.
pub fn zone(name: &str) -> Result<Tz, ScheduleError> {
    name.parse().map_err(|_| {
        let meant = zones().find(|known| {
            let city = known.rsplit('/').next().unwrap_or_default();
            known.eq_ignore_ascii_case(name) || city.eq_ignore_ascii_case(&name.replace(' ', "_"))
        });
        let meant = meant.map(|zone| format!(", did you mean '{zone}'?")).unwrap_or_default();
        ScheduleError::new(
            "zone",
            format!("expected an IANA name such as Europe/Zurich or UTC, found '{name}'{meant}"),
        )
    })
}

/// The names of all time zones.
pub fn zones() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
}

/// Reads a time: `2026-12-01T02:00` in the zone, `2026-12-01` (its beginning, or its end where `end` says so), or with an
/// offset of its own, `2026-12-01T02:00:00+01:00`.
///
/// # Errors
/// What was expected; also a time that the zone's clock skips.
pub fn time(what: &'static str, text: &str, zone: Tz, end: bool) -> Result<DateTime<Utc>, ScheduleError> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let written = words::time(text).ok_or_else(|| {
        let expected = "expected a time such as 2026-12-01, 2026-12-01T02:00 or 2026-12-01T02:00:00+01:00";
        ScheduleError::new(what, format!("{expected}, found '{text}'"))
    })?;
    let wall = if end { written.end() } else { written.begin() };
    // Midnight is skipped in some zones: there a day begins when the clock jumps.
    if matches!(written, words::Written::Time(_)) && !zone::exists(zone, wall) {
        let reason =
            format!("{} does not exist in {zone}: the clock jumps over it", wall.format("%Y-%m-%d %H:%M"));
        return Err(ScheduleError::new(what, reason));
    }
    Ok(zone::first(zone, wall))
}
