//! Schedules by a fake clock: no test waits for a time to come.

mod due;
mod saving;

use crate::support::Fixture;
use chrono::{DateTime, Utc};
use netraven_model::JobKind;
use netraven_model::schedule::{Calendar, CronTime, Span, Timing, time, zone};
use netraven_store::jobs::{self, RunCreated, TargetSelection};
use netraven_store::schedules::{self, Plan, Schedule};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A time in UTC.
fn utc(text: &str) -> DateTime<Utc> {
    time("time", text, zone("UTC").unwrap(), false).unwrap()
}

/// When the tests' schedules are made.
fn made() -> DateTime<Utc> {
    utc("2026-03-01T12:00")
}

fn hourly(name: &str) -> Plan {
    Plan::backup_every(name, HOUR, made(), TargetSelection::All)
}

fn nightly(expression: &str, windows: &[&str], blackouts: &[&str]) -> Plan {
    let calendar = Calendar {
        zone: zone("Europe/Zurich").unwrap(),
        windows: windows.iter().map(|text| Span::window(text).unwrap()).collect(),
        blackouts: blackouts.iter().map(|text| Span::blackout(text).unwrap()).collect(),
        ..Calendar::new(Timing::Cron(CronTime::parse(expression).unwrap()))
    };
    Plan::new("nightly", JobKind::Backup, calendar, TargetSelection::All)
}

async fn only(fixture: &Fixture) -> Schedule {
    schedules::list(&fixture.store).await.unwrap().remove(0)
}

async fn next(fixture: &Fixture) -> Option<DateTime<Utc>> {
    only(fixture).await.next_run
}

async fn start(fixture: &Fixture, now: &str) -> Vec<RunCreated> {
    schedules::start_due_at(&fixture.store, utc(now)).await.unwrap()
}

async fn newest_run(fixture: &Fixture) -> jobs::RunRow {
    jobs::runs_list(&fixture.store, 1, None).await.unwrap().remove(0)
}
