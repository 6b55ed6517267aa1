//! Stretches of time that come back every week, and those between two dates.

use super::{ScheduleError, words, zone};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use std::fmt;

const MINUTES_A_DAY: u16 = 24 * 60;

/// Beginning and end.
type Stretch = (DateTime<Utc>, DateTime<Utc>);

/// A stretch of time in which something may run, or may not. It is read in a schedule's time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    text: String,
    when: When,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Weekly {
        /// From Monday on: whether it begins on that day.
        days: [bool; 7],
        /// Minutes from midnight.
        from: u16,
        /// The same; on the next day where it is not behind `from`.
        to: u16,
    },
    Dates {
        from: NaiveDateTime,
        to: NaiveDateTime,
    },
}

/// Which of the two is meant where the clock shows the end of a stretch twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A window closes rather early.
    First,
    /// A blackout ends rather late.
    Last,
}

impl Span {
    /// Reads a window: `22:00-05:00`, `Mon-Fri 20:00-06:00`, `Sat,Sun 00:00-24:00`, `Sat,Sun`.
    ///
    /// # Errors
    /// What was expected.
    pub fn window(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match weekly(&text) {
            Ok(when) => Ok(Self { text, when }),
            Err(reason) => Err(ScheduleError::new("window", reason)),
        }
    }

    /// Reads a blackout: what a window can be, a date or two dates with `..` between them, with or without a time of day:
    /// `2026-12-24`, `2026-12-20..2027-01-03`, `2026-12-20T18:00..2027-01-03T06:00`. A date alone is the whole day.
    ///
    /// # Errors
    /// What was expected.
    pub fn blackout(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let dated = text.contains("..") || words::time(&text).is_some();
        let when = if dated { dates(&text) } else { weekly(&text) };
        when.map(|when| Self { text, when }).map_err(|reason| ScheduleError::new("blackout", reason))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How long it is on a day without a change of the clock.
    pub fn length(&self) -> TimeDelta {
        match self.when {
            When::Weekly { from, to, .. } => {
                let to = if to > from { to } else { to + MINUTES_A_DAY };
                TimeDelta::minutes(i64::from(to - from))
            }
            When::Dates { from, to } => to - from,
        }
    }

    /// When it ends, if it lasts at that moment.
    pub(super) fn lasts_until(&self, zone: Tz, at: DateTime<Utc>, end: End) -> Option<DateTime<Utc>> {
        let covering = |(from, to): Stretch| (from <= at && at < to).then_some(to);
        match self.when {
            When::Dates { from, to } => covering(stretch(zone, from, to, end)?),
            // One that began yesterday may last still.
            When::Weekly { .. } => {
                let today = zone::wall(zone, at).date();
                let days = (0..2).filter_map(|back| today.checked_sub_days(Days::new(back)));
                days.filter_map(|day| covering(self.on(zone, day, end)?)).max()
            }
        }
    }

    /// When it begins next, strictly after that moment.
    pub(super) fn begins_after(&self, zone: Tz, after: DateTime<Utc>, end: End) -> Option<DateTime<Utc>> {
        match self.when {
            When::Dates { from, to } => stretch(zone, from, to, end).map(|(from, _)| from),
            // A change of the clock may swallow a week's only one, never two weeks' in a row.
            When::Weekly { .. } => {
                let today = zone::wall(zone, after).date();
                let mut days = (0..16).filter_map(|on| today.checked_add_days(Days::new(on)));
                days.find_map(|day| {
                    self.on(zone, day, end).map(|(from, _)| from).filter(|from| *from > after)
                })
            }
        }
        .filter(|from| *from > after)
    }

    /// The stretch that begins on a day.
    fn on(&self, zone: Tz, day: NaiveDate, end: End) -> Option<Stretch> {
        let When::Weekly { days, from, .. } = self.when else { return None };
        let index = usize::try_from(day.weekday().num_days_from_monday()).ok()?;
        days.get(index).filter(|begins| **begins)?;
        let begins = day.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(i64::from(from)))?;
        stretch(zone, begins, begins.checked_add_signed(self.length())?, end)
    }
}

/// Nothing where the clock jumps over the whole of it.
fn stretch(zone: Tz, from: NaiveDateTime, to: NaiveDateTime, end: End) -> Option<Stretch> {
    let begins = zone::first(zone, from);
    let ends = match end {
        End::First => zone::first(zone, to),
        End::Last => zone::last(zone, to),
    };
    (begins < ends).then_some((begins, ends))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn weekly(text: &str) -> Result<When, String> {
    let week = words::week(text)?;
    Ok(When::Weekly { days: week.days, from: week.from, to: week.to })
}

fn dates(text: &str) -> Result<When, String> {
    let (from, to) = words::dates(text)?;
    Ok(When::Dates { from, to })
}
