//! Cron expressions: five fields, or a word such as `@daily`.

use super::{ScheduleError, zone};
use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use std::fmt;

/// Longer expressions are refused.
const LONGEST: usize = 200;

/// A clock that is set back shows at most a day's minutes again.
const REPEATED: usize = 24 * 60 + 1;

const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The fields in order with what they take.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31, L for the last, 15W for the working day nearest to it"),
    ("month", "1-12 or JAN-DEC"),
    ("day of week", "0-7 or SUN-SAT, FRI#2 for the second Friday, FRI#L for the last"),
];

/// A cron expression.
///
/// One whose hour is `*` goes by the time that passes: an hour that the clock shows twice has two runs. Any other goes by what
/// the clock shows: a time that it skips runs when it jumps, a time that it shows twice runs the first time.
#[derive(Clone, PartialEq, Eq)]
pub struct CronTime {
    text: String,
    cron: Box<Cron>,
    every_hour: bool,
}

impl CronTime {
    /// Reads `30 2 * * MON-FRI` or `@daily`.
    ///
    /// # Errors
    /// Which field is wrong, and what it takes.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.len() > LONGEST {
            return Err(wrong(format!("expected {LONGEST} characters at most, found {}", text.len())));
        }
        let expanded = match text.starts_with('@') {
            true => expand(&text)?,
            false => &text,
        };
        let fields: Vec<&str> = expanded.split(' ').collect();
        if fields.len() != FIELDS.len() {
            return Err(wrong(format!(
                "expected five fields (minute, hour, day of month, month, day of week) such as '30 2 * * MON-FRI', \
                 or a word such as @daily, found '{text}'"
            )));
        }
        for (place, field) in fields.iter().enumerate() {
            check_field(place, field)?;
        }
        let cron = Box::new(parser().parse(expanded).map_err(|error| wrong(error.to_string()))?);
        let every_hour = fields.get(1) == Some(&"*");
        Ok(Self { cron, every_hour, text })
    }

    /// The next time after a moment, or `None` when there is none: the 30th of February never comes.
    pub fn next_after(&self, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.every_hour {
            return self
                .cron
                .find_next_occurrence(&after.with_timezone(&zone), false)
                .ok()
                .map(|at| at.to_utc())
                .filter(|at| *at > after);
        }
        let mut wall = zone::wall(zone, after).with_nanosecond(0)?;
        for _ in 0..REPEATED {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            let at = zone::first(zone, wall);
            if at > after {
                return Some(at);
            }
        }
        None
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for CronTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronTime({:?})", self.text)
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

fn expand(word: &str) -> Result<&'static str, ScheduleError> {
    let found = WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
    found.map(|(_, fields)| *fields).ok_or_else(|| {
        let known: Vec<_> = WORDS.iter().map(|(known, _)| *known).collect();
        wrong(format!("expected one of {}, found '{word}'", known.join(", ")))
    })
}

/// Looks at a field alone, because what the library says of a whole expression does not name the field. Letters are refused
/// here where no names stand: the library replaces names anywhere.
fn check_field(place: usize, field: &str) -> Result<(), ScheduleError> {
    let (Some((name, takes)), mut alone) = (FIELDS.get(place), ["*"; 5]) else { return Ok(()) };
    let letters = place < 2 && field.contains(|c: char| c.is_alphabetic());
    if let Some(slot) = alone.get_mut(place) {
        *slot = field;
    }
    match parser().parse(&alone.join(" ")) {
        Ok(_) if !letters => Ok(()),
        _ => Err(wrong(format!(
            "the {name} '{field}' cannot be used; expected {takes}, lists (1,15), ranges (1-5), steps (*/10) or *"
        ))),
    }
}

fn wrong(reason: String) -> ScheduleError {
    ScheduleError::new("cron", reason)
}
