//! Schedules: every time here is passed in, no test waits and none reads a clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clock_changes;
mod cron;
mod limits;
mod properties;
mod refusals;
mod windows;

use chrono::{DateTime, Utc};
use netraven_model::schedule::{Calendar, CronTime, Span, Timing, time, zone};
use std::time::Duration;

/// A time in UTC.
fn utc(text: &str) -> DateTime<Utc> {
    time("time", text, chrono_tz::UTC, false).unwrap()
}

fn cron(expression: &str, zone_name: &str) -> Calendar {
    Calendar {
        zone: zone(zone_name).unwrap(),
        ..Calendar::new(Timing::Cron(CronTime::parse(expression).unwrap()))
    }
}

fn every(seconds: u64, first: &str) -> Calendar {
    Calendar::new(Timing::Every { every: Duration::from_secs(seconds), first: utc(first) })
}

fn within(calendar: Calendar, windows: &[&str], blackouts: &[&str]) -> Calendar {
    Calendar {
        windows: windows.iter().map(|text| Span::window(text).unwrap()).collect(),
        blackouts: blackouts.iter().map(|text| Span::blackout(text).unwrap()).collect(),
        ..calendar
    }
}

/// The next runs as the zone's clock shows them, with the zone's word for its time.
fn shown(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
    let upcoming = calendar.upcoming(utc(after)).take(count);
    upcoming.map(|run| run.at.with_timezone(&calendar.zone).format("%Y-%m-%d %H:%M %Z").to_string()).collect()
}
