use crate::support::{Fixture, fixture, is_duplicate, is_invalid, is_missing};
use chrono::{Duration as Span, Utc};
use netraven_model::JobKind;
use netraven_store::jobs::{self, Progress, TargetSelection};
use netraven_store::schedules::{self, NewSchedule, Schedule};
use netraven_store::tags;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn hourly(name: &str) -> NewSchedule {
    NewSchedule {
        name: name.into(),
        kind: JobKind::Backup,
        every: HOUR,
        target: TargetSelection::All,
        first_run: None,
    }
}

async fn only(fixture: &Fixture) -> Schedule {
    schedules::list(&fixture.store).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_schedule_starts_a_run_when_it_is_due() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let made = schedules::add(&fixture.store, &hourly("hourly")).await.unwrap();
    assert_eq!((made.every, made.enabled, made.last_run), (HOUR, true, None));
    let started = schedules::start_due(&fixture.store).await.unwrap();
    assert_eq!(started.iter().map(|run| (run.jobs, run.shared)).collect::<Vec<_>>(), [(2, 0)]);
    assert!(schedules::start_due(&fixture.store).await.unwrap().is_empty());
    let run = jobs::runs_list(&fixture.store, 1, None).await.unwrap().remove(0);
    assert_eq!(
        (run.origin.as_str(), run.schedule, run.requested_by.as_str()),
        ("schedule", Some(made.id), "hourly")
    );
    assert!(only(&fixture).await.last_run.is_some());
    schedules::remove(&fixture.store, "hourly").await.unwrap();
    let run = jobs::runs_list(&fixture.store, 1, None).await.unwrap().remove(0);
    assert_eq!((run.origin.as_str(), run.schedule), ("schedule", None));
}

#[tokio::test]
async fn missed_intervals_run_once_and_the_next_is_in_the_future_and_in_step() {
    let Some(fixture) = fixture().await else { return };
    let first = Utc::now() - Span::minutes(5 * 60 + 20);
    let new = NewSchedule { first_run: Some(first), ..hourly("hourly") };
    let first = schedules::add(&fixture.store, &new).await.unwrap().next_run;
    assert_eq!(schedules::start_due(&fixture.store).await.unwrap().len(), 1);
    let next = only(&fixture).await.next_run;
    assert!(next > Utc::now());
    assert_eq!((next - first).num_microseconds(), Some(6 * 3_600_000_000));
}

#[tokio::test]
async fn a_run_that_is_due_to_the_moment_leaves_the_next_strictly_behind_it() {
    let Some(fixture) = fixture().await else { return };
    schedules::add(&fixture.store, &hourly("hourly")).await.unwrap();
    let first = only(&fixture).await.next_run;
    schedules::start_due(&fixture.store).await.unwrap();
    assert_eq!(only(&fixture).await.next_run, first + Span::hours(1));
}

#[tokio::test]
async fn a_schedule_that_is_off_starts_nothing_and_does_not_catch_up() {
    let Some(fixture) = fixture().await else { return };
    let new = NewSchedule { first_run: Some(Utc::now() - Span::minutes(90)), ..hourly("hourly") };
    let first = schedules::add(&fixture.store, &new).await.unwrap().next_run;
    schedules::enable(&fixture.store, "hourly", false).await.unwrap();
    assert!(schedules::start_due(&fixture.store).await.unwrap().is_empty());
    schedules::enable(&fixture.store, "hourly", true).await.unwrap();
    assert!(schedules::start_due(&fixture.store).await.unwrap().is_empty());
    let next = only(&fixture).await.next_run;
    assert_eq!((next - first).num_minutes(), 120);
    schedules::enable(&fixture.store, "hourly", true).await.unwrap();
    assert_eq!(only(&fixture).await.next_run, next);
}

#[tokio::test]
async fn several_that_look_at_once_start_each_schedule_once() {
    let Some(fixture) = fixture().await else { return };
    for n in 0..10 {
        schedules::add(&fixture.store, &hourly(&format!("s{n}"))).await.unwrap();
    }
    let other = fixture.another_store().await;
    let (a, b) = tokio::join!(schedules::start_due(&fixture.store), schedules::start_due(&other));
    assert_eq!(a.unwrap().len() + b.unwrap().len(), 10);
}

#[tokio::test]
async fn a_schedule_whose_tag_is_gone_starts_a_run_without_jobs() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let target = TargetSelection::Tags(vec![tags::DEFAULT.into()]);
    schedules::add(&fixture.store, &NewSchedule { target, ..hourly("hourly") }).await.unwrap();
    fixture.execute("DELETE FROM netraven.tags").await;
    let started = schedules::start_due(&fixture.store).await.unwrap();
    assert_eq!(jobs::run_progress(&fixture.store, started[0].run).await.unwrap(), Progress::default());
    assert!(tags::list(&fixture.store).await.unwrap().is_empty());
}

#[tokio::test]
async fn schedules_that_cannot_be_are_refused() {
    let Some(fixture) = fixture().await else { return };
    schedules::add(&fixture.store, &hourly("hourly")).await.unwrap();
    assert!(is_duplicate(schedules::add(&fixture.store, &hourly("hourly")).await, "hourly"));
    for every in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert!(is_invalid(schedules::add(&fixture.store, &NewSchedule { every, ..hourly("x") }).await));
    }
    assert!(is_invalid(schedules::add(&fixture.store, &hourly("")).await));
    for (tag, malformed) in [("gone", false), ("a\0", true)] {
        let target = TargetSelection::Tags(vec![tag.into()]);
        let result = schedules::add(&fixture.store, &NewSchedule { target, ..hourly("x") }).await;
        assert!(if malformed { is_invalid(result) } else { is_missing(result, "tag") });
    }
    assert!(is_missing(schedules::remove(&fixture.store, "x").await, "schedule"));
    assert!(is_missing(schedules::enable(&fixture.store, "x", true).await, "schedule"));
}
