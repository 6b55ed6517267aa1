//! How people write days, times and stretches of time.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

const MINUTES_A_DAY: u16 = 24 * 60;

/// A date with or without a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A whole day.
    Day(NaiveDate),
    /// A time on a day.
    Time(NaiveDateTime),
}

impl Written {
    /// When it begins.
    pub fn begin(self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::Time(time) => time,
        }
    }

    /// When it is over: a whole day at the next midnight.
    pub fn end(self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.checked_add_days(Days::new(1)).unwrap_or(day).and_time(NaiveTime::MIN),
            Self::Time(time) => time,
        }
    }
}

/// Reads `2026-12-20`, `2026-12-20T18:00` or `2026-12-20 18:00:30`.
pub fn time(text: &str) -> Option<Written> {
    let plain = text.replace(['T', 't'], " ");
    // The library would take years of any length.
    if plain.find('-') != Some(4) {
        return None;
    }
    let times = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    let time = times.iter().find_map(|format| NaiveDateTime::parse_from_str(&plain, format).ok());
    let day = || NaiveDate::parse_from_str(&plain, "%Y-%m-%d").ok().map(Written::Day);
    time.map(Written::Time).or_else(day)
}

/// Two dates with `..` between them, or one: from its beginning to its end.
pub fn dates(text: &str) -> Result<(NaiveDateTime, NaiveDateTime), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let read = |part: &str| {
        time(part.trim()).ok_or_else(|| {
            format!(
                "expected dates such as 2026-12-20..2027-01-03 or 2026-12-20T18:00..2027-01-03T06:00, \
                 found '{text}'"
            )
        })
    };
    let (from, to) = (read(from)?.begin(), read(to)?.end());
    if from < to { Ok((from, to)) } else { Err(format!("'{text}' ends before it begins")) }
}

/// Days of a week, and from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// From Monday on.
    pub days: [bool; 7],
    /// Minutes from midnight.
    pub from: u16,
    /// The same.
    pub to: u16,
}

/// Reads `22:00-05:00`, `Mon-Fri 20:00-06:00` or `Sat,Sun`.
pub fn week(text: &str) -> Result<Week, String> {
    let (days, hours) = match text.split_once(' ') {
        Some((days, hours)) => (Some(days), Some(hours)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let days = days.map_or(Some([true; 7]), week_days);
    let hours = hours.map_or(Some((0, MINUTES_A_DAY)), from_to);
    let (Some(days), Some((from, to))) = (days, hours) else {
        return Err(format!(
            "expected times such as 22:00-05:00, days and times such as 'Mon-Fri 20:00-06:00', \
             or days such as Sat,Sun, found '{text}'"
        ));
    };
    if from == to {
        return Err(format!(
            "'{text}' ends when it begins, so it would never be open; a whole day is 00:00-24:00"
        ));
    }
    Ok(Week { days, from, to })
}

/// `Mon`, `Mon-Fri`, `Sat,Sun`, `Fri-Mon`, `Mon,Wed-Fri`
fn week_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last): (Weekday, Weekday) = (first.parse().ok()?, last.parse().ok()?);
        loop {
            *days.get_mut(usize::try_from(day.num_days_from_monday()).ok()?)? = true;
            if day == last {
                break;
            }
            day = day.succ();
        }
    }
    Some(days)
}

/// `22:00-05:00`, in minutes from midnight.
fn from_to(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    Some((minutes(from.trim())?, minutes(to.trim())?)).filter(|(from, _)| *from < MINUTES_A_DAY)
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| -> Option<u16> {
        let fits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse().ok() } else { None }
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= MINUTES_A_DAY).then_some(minutes)
}
