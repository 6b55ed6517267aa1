use super::{HOUR, hourly, made, newest_run, next, nightly, only, start, utc};
use crate::support::fixture;
use netraven_model::schedule::{Calendar, Timing};
use netraven_model::{JobKind, JobStatus};
use netraven_store::jobs::{self, JobFilter, Progress, TargetSelection};
use netraven_store::schedules::{self, Plan};
use netraven_store::tags;
use std::time::Duration;

#[tokio::test]
async fn a_schedule_starts_a_run_when_it_is_due_and_by_the_database_clock() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let now = schedules::clock(&fixture.store).await.unwrap();
    let plan = Plan::backup_every("hourly", HOUR, now, TargetSelection::All);
    let made = schedules::add(&fixture.store, &plan, now).await.unwrap();
    assert_eq!((&made.plan, made.enabled, made.last_run, made.next_run), (&plan, true, None, Some(now)));
    let started = schedules::start_due(&fixture.store).await.unwrap();
    assert_eq!(started.iter().map(|run| (run.jobs, run.shared)).collect::<Vec<_>>(), [(2, 0)]);
    assert!(schedules::start_due(&fixture.store).await.unwrap().is_empty());
    let run = newest_run(&fixture).await;
    assert_eq!(
        (run.origin.as_str(), run.schedule, run.requested_by.as_str()),
        ("schedule", Some(made.id), "hourly")
    );
    assert_eq!(next(&fixture).await, Some(now + HOUR));
    assert!(only(&fixture).await.last_run.is_some_and(|last| last >= now));
    schedules::remove(&fixture.store, "hourly").await.unwrap();
    let run = newest_run(&fixture).await;
    assert_eq!((run.origin.as_str(), run.schedule), ("schedule", None));
}

#[tokio::test]
async fn runs_that_were_missed_are_one_and_the_next_is_in_step() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    schedules::add(&fixture.store, &hourly("hourly"), made()).await.unwrap();
    assert_eq!(start(&fixture, "2026-03-01T17:20").await.len(), 1);
    assert_eq!(next(&fixture).await, Some(utc("2026-03-01T18:00")));
    assert!(start(&fixture, "2026-03-01T17:59").await.is_empty());
    // To the moment: the next is strictly behind it.
    assert_eq!(start(&fixture, "2026-03-01T18:00").await.len(), 1);
    assert_eq!(next(&fixture).await, Some(utc("2026-03-01T19:00")));
}

#[tokio::test]
async fn a_run_that_is_late_waits_for_the_window_and_ends_with_it() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    let mut plan = nightly("0 23 * * *", &["22:00-05:00"], &["2026-03-03T00:00..2026-03-03T03:00"]);
    (plan.jitter, plan.priority) = (6 * HOUR, 7);
    schedules::add(&fixture.store, &plan, made()).await.unwrap();
    assert_eq!(next(&fixture).await, Some(utc("2026-03-01T22:00")));
    // Down over the whole night: not in the morning, but once in the evening, together with that evening's own.
    assert!(start(&fixture, "2026-03-02T07:00").await.is_empty());
    assert_eq!(next(&fixture).await, Some(utc("2026-03-02T21:00")));
    assert_eq!(only(&fixture).await.last_run, None);
    assert_eq!(start(&fixture, "2026-03-02T21:00").await.len(), 1);
    assert_eq!(next(&fixture).await, Some(utc("2026-03-02T22:00")));
    // A blackout ends the window before its time, and no job is put behind that.
    let limits = "SELECT count(*) FROM netraven.jobs WHERE not_after = '2026-03-02T23:00Z' AND priority = 7
            AND scheduled_for - created_at BETWEEN '0 s' AND '2 h'";
    assert_eq!(fixture.number(limits).await, 3);
    assert_eq!(start(&fixture, "2026-03-02T22:00").await[0].shared, 3);
    assert_eq!(next(&fixture).await, Some(utc("2026-03-03T22:00")));
}

#[tokio::test]
async fn the_jobs_of_a_run_are_spread_over_its_jitter() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(50).await;
    let plan = Plan { jitter: HOUR / 2, ..hourly("hourly") };
    schedules::add(&fixture.store, &plan, made()).await.unwrap();
    start(&fixture, "2026-03-01T12:00").await;
    let spread = "SELECT count(DISTINCT scheduled_for) FROM netraven.jobs
        WHERE not_after IS NULL AND scheduled_for - created_at BETWEEN '0 s' AND '30 min'";
    assert_eq!(fixture.number(spread).await, 50);
}

#[tokio::test]
async fn once_is_once_and_a_schedule_that_is_over_has_no_next_run() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let once = Plan { calendar: Calendar::new(Timing::Once(utc("2026-03-02T02:00"))), ..hourly("once") };
    schedules::add(&fixture.store, &once, made()).await.unwrap();
    assert!(start(&fixture, "2026-03-02T01:59").await.is_empty());
    assert_eq!(start(&fixture, "2026-03-05T02:00").await.len(), 1);
    assert_eq!(next(&fixture).await, None);
    for now in ["2026-03-06T00:00", "2026-03-02T01:00", "2020-01-01", "2026-03-02T02:00"] {
        assert!(start(&fixture, now).await.is_empty(), "{now}");
    }
    // One that ends leaves a run that was missed undone: nothing starts behind its end.
    let calendar = Calendar { valid_until: Some(utc("2026-03-01T14:00")), ..hourly("x").calendar };
    schedules::add(&fixture.store, &Plan { calendar, ..hourly("short") }, made()).await.unwrap();
    assert_eq!(start(&fixture, "2026-03-01T13:30").await.len(), 1);
    assert!(start(&fixture, "2026-03-01T14:00").await.is_empty());
    assert_eq!(schedules::get(&fixture.store, "short").await.unwrap().next_run, None);
}

#[tokio::test]
async fn a_clock_that_jumps_repeats_no_run_and_stops_none() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    schedules::add(&fixture.store, &nightly("0 2 * * *", &[], &[]), made()).await.unwrap();
    assert_eq!(start(&fixture, "2026-03-02T01:00").await.len(), 1);
    // Back by some hours: the run of that night was.
    assert!(start(&fixture, "2026-03-01T20:00").await.is_empty());
    assert!(start(&fixture, "2026-03-02T01:00").await.is_empty());
    // Forward by years: one run; and when that is corrected, the nights go on.
    assert_eq!(start(&fixture, "2031-07-01T12:00").await.len(), 1);
    assert!(start(&fixture, "2026-03-02T13:00").await.is_empty());
    assert_eq!(next(&fixture).await, Some(utc("2026-03-03T01:00")));
    assert_eq!(start(&fixture, "2026-03-03T01:00").await.len(), 1);
    assert_eq!(next(&fixture).await, Some(utc("2026-03-04T01:00")));
}

#[tokio::test]
async fn a_schedule_that_is_off_starts_nothing_and_does_not_catch_up() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let store = &fixture.store;
    schedules::add(store, &hourly("hourly"), made()).await.unwrap();
    schedules::enable(store, "hourly", false, made()).await.unwrap();
    assert!(start(&fixture, "2026-03-01T13:30").await.is_empty());
    let on = schedules::enable(store, "hourly", true, utc("2026-03-01T13:30")).await.unwrap();
    assert_eq!((on.enabled, on.next_run), (true, Some(utc("2026-03-01T14:00"))));
    assert!(start(&fixture, "2026-03-01T13:30").await.is_empty());
    // On already: what is due stays due.
    schedules::enable(store, "hourly", true, utc("2026-03-01T14:30")).await.unwrap();
    assert_eq!(start(&fixture, "2026-03-01T14:30").await.len(), 1);
}

#[tokio::test]
async fn several_that_look_at_once_start_each_schedule_once() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for n in 0..10 {
        schedules::add(&fixture.store, &hourly(&format!("s{n}")), made()).await.unwrap();
    }
    let other = fixture.another_store().await;
    let now = utc("2026-03-01T12:00");
    let (a, b) =
        tokio::join!(schedules::start_due_at(&fixture.store, now), schedules::start_due_at(&other, now));
    assert_eq!(a.unwrap().len() + b.unwrap().len(), 10);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_does_not_keep_the_others() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for name in ["a", "b", "c"] {
        schedules::add(&fixture.store, &hourly(name), made()).await.unwrap();
    }
    fixture.execute("UPDATE netraven.schedules SET time_zone = 'Middle/Earth' WHERE name = 'a'").await;
    fixture.execute("UPDATE netraven.schedules SET target = '\"nobody\"' WHERE name = 'b'").await;
    assert_eq!(start(&fixture, "2026-03-01T12:00").await.len(), 1);
    assert_eq!(newest_run(&fixture).await.requested_by, "c");
}

#[tokio::test]
async fn a_schedule_whose_tag_is_gone_starts_a_run_without_jobs() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for (name, target) in [("any", TargetSelection::Tags as fn(_) -> _), ("all", TargetSelection::AllTags)] {
        let target = target(vec![tags::DEFAULT.to_owned()]);
        schedules::add(&fixture.store, &Plan { target, ..hourly(name) }, made()).await.unwrap();
    }
    fixture.execute("DELETE FROM netraven.tags").await;
    for run in start(&fixture, "2026-03-01T12:00").await {
        assert_eq!(jobs::run_progress(&fixture.store, run.run).await.unwrap(), Progress::default());
    }
}

#[tokio::test]
async fn a_person_starts_a_schedule_at_once_without_moving_it() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let mut plan = nightly("0 2 * * *", &["01:00-05:00"], &[]);
    (plan.kind, plan.commands) = (JobKind::Command, vec!["show clock".to_owned()]);
    (plan.jitter, plan.priority) = (Duration::from_secs(600), 300);
    let before = schedules::add(&fixture.store, &plan, made()).await.unwrap();
    let run = schedules::run_now(&fixture.store, "nightly", "ann").await.unwrap();
    assert_eq!((run.jobs, run.shared), (1, 0));
    let row = newest_run(&fixture).await;
    assert_eq!((row.origin.as_str(), row.requested_by.as_str()), ("person", "ann"));
    let waiting = "SELECT count(*) FROM netraven.jobs WHERE commands = '{show clock}' AND not_after IS NULL
        AND priority = 100 AND scheduled_for <= clock_timestamp()";
    assert_eq!(fixture.number(waiting).await, 1);
    assert_eq!(only(&fixture).await, before);
    let queued = JobFilter { status: Some(JobStatus::Queued), ..JobFilter::default() };
    assert_eq!(jobs::list(&fixture.store, &queued).await.unwrap().len(), 1);
    assert!(crate::support::is_missing(schedules::run_now(&fixture.store, "x", "ann").await, "schedule"));
}
