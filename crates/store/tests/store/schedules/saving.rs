use super::{HOUR, hourly, made, next, nightly, only, start, utc};
use crate::support::{Fixture, fixture, is_duplicate, is_invalid, is_missing};
use netraven_model::schedule::{Calendar, CronTime, Span, Timing, zone};
use netraven_model::{DeviceId, JobKind};
use netraven_store::audit::{self, AuditFilter};
use netraven_store::devices::{self, DeviceChange};
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Plan, ScheduleChange};
use netraven_store::{StoreError, tags};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn everything_that_can_be_chosen_is_kept() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    let mut full =
        nightly("30 2 * * MON-FRI", &["Mon-Fri 20:00-06:00", "Sat,Sun"], &["2026-12-20..2027-01-03"]);
    full.calendar.valid_from = Some(utc("2026-04-01"));
    full.calendar.valid_until = Some(utc("2027-04-01"));
    full.description = Some("every night".into());
    (full.kind, full.commands) = (JobKind::Command, vec!["show clock".into(), "show version".into()]);
    (full.jitter, full.priority) = (Duration::from_secs(900), -5);
    full.target = TargetSelection::Devices(vec![device.id]);
    let once = Plan { calendar: Calendar::new(Timing::Once(utc("2026-05-01"))), ..hourly("once") };
    for plan in [full, once, hourly("hourly")] {
        let made = schedules::add(&fixture.store, &plan, made()).await.unwrap();
        assert_eq!(made.plan, plan);
        assert_eq!(schedules::get(&fixture.store, &plan.name).await.unwrap(), made);
    }
    let names: Vec<_> = schedules::list(&fixture.store)
        .await
        .unwrap()
        .into_iter()
        .map(|schedule| schedule.plan.name)
        .collect();
    assert_eq!(names, ["hourly", "nightly", "once"]);
    let first = schedules::get(&fixture.store, "nightly").await.unwrap().next_run;
    assert_eq!(first, Some(utc("2026-04-01T00:30")));
}

#[tokio::test]
async fn a_target_is_stored_as_people_would_write_it() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await.id;
    devices::update(
        &fixture.store,
        "r1",
        DeviceChange { site: Some("paris".into()), ..DeviceChange::default() },
    )
    .await
    .unwrap();
    let tag = vec![tags::DEFAULT.to_owned()];
    for (target, stored) in [
        (TargetSelection::All, json!("all")),
        (TargetSelection::Tags(tag.clone()), json!({"tags": ["default"]})),
        (TargetSelection::AllTags(tag), json!({"all_tags": ["default"]})),
        (TargetSelection::Sites(vec!["paris".into()]), json!({"sites": ["paris"]})),
        (TargetSelection::Devices(vec![device]), json!({"devices": [device]})),
    ] {
        schedules::add(&fixture.store, &Plan { target: target.clone(), ..hourly("x") }, made())
            .await
            .unwrap();
        let found = fixture.value("SELECT target FROM netraven.schedules").await.unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&found).unwrap(), stored);
        assert_eq!(only(&fixture).await.plan.target, target);
        schedules::remove(&fixture.store, "x").await.unwrap();
    }
}

#[tokio::test]
async fn schedules_that_cannot_be_are_refused_with_the_reason() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    schedules::add(&fixture.store, &hourly("hourly"), made()).await.unwrap();
    assert!(is_duplicate(schedules::add(&fixture.store, &hourly("hourly"), made()).await, "hourly"));
    let every = |every| Plan::backup_every("x", every, made(), TargetSelection::All);
    let kind = |kind, commands: &[&str]| Plan {
        kind,
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        ..hourly("x")
    };
    let once = Plan { calendar: Calendar::new(Timing::Once(utc("2026-02-28"))), ..hourly("x") };
    for (plan, reason) in [
        (every(Duration::ZERO), "every: expected whole seconds"),
        (every(Duration::from_millis(1500)), "every: expected whole seconds"),
        (every(Duration::MAX), "every: expected whole seconds"),
        (hourly(""), "needs a name"),
        (hourly("a\nb"), "needs a name"),
        (nightly("0 0 31 2 *", &[], &[]), "cron: '0 0 31 2 *' never comes"),
        (nightly("0 2 * * *", &["22:00-05:00"], &["21:00-06:00"]), "blackout: they cover the windows"),
        (once, "at: 2026-02-28 00:00 UTC is over"),
        (
            Plan { jitter: HOUR * 2, ..hourly("x") },
            "jitter: 2 h is longer than the time between two runs, 1 h",
        ),
        (Plan { jitter: Duration::MAX, ..hourly("x") }, "jitter: "),
        (kind(JobKind::Command, &[]), "commands: expected one at least"),
        (kind(JobKind::Backup, &["show clock"]), "runs of the kind 'backup' ask none"),
        (kind(JobKind::Command, &["show clock", "a\nb"]), "commands: number 2"),
        (kind(JobKind::Command, &[" "]), "commands: number 1"),
    ] {
        refused(&fixture, &plan, reason).await;
    }
    assert!(is_missing(schedules::remove(&fixture.store, "x").await, "schedule"));
    assert!(is_missing(schedules::enable(&fixture.store, "x", true, made()).await, "schedule"));
    assert_eq!(schedules::list(&fixture.store).await.unwrap().len(), 1);
}

async fn refused(fixture: &Fixture, plan: &Plan, reason: &str) {
    let error = schedules::add(&fixture.store, plan, made()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid { reason: found, .. } if found.contains(reason)), "{error}");
}

#[tokio::test]
async fn a_target_that_is_empty_or_does_not_exist_is_refused() {
    let Some(fixture) = fixture().await else { return };
    let of = |target| Plan { target, ..hourly("x") };
    refused(&fixture, &hourly("x"), "takes no device at the moment").await;
    let device = fixture.add_device("r1").await;
    tags::add(&fixture.store, "spare", "label").await.unwrap();
    for target in [
        TargetSelection::Tags(vec!["spare".into()]),
        TargetSelection::Tags(Vec::new()),
        TargetSelection::AllTags(vec![tags::DEFAULT.into(), "spare".into()]),
        TargetSelection::Sites(Vec::new()),
        TargetSelection::Devices(Vec::new()),
    ] {
        refused(&fixture, &of(target), "takes no device at the moment").await;
    }
    for (target, what) in [
        (TargetSelection::Tags(vec!["gone".into()]), "tag"),
        (TargetSelection::AllTags(vec![tags::DEFAULT.into(), "gone".into()]), "tag"),
        (TargetSelection::Sites(vec!["paris".into()]), "site"),
        (TargetSelection::Sites(vec!["a\0".into()]), "site"),
        (TargetSelection::Devices(vec![device.id, DeviceId(77)]), "device"),
    ] {
        assert!(is_missing(schedules::add(&fixture.store, &of(target), made()).await, what));
    }
    assert!(is_invalid(
        schedules::add(&fixture.store, &of(TargetSelection::Tags(vec!["a\0".into()])), made()).await
    ));
    let off = DeviceChange { enabled: Some(false), ..DeviceChange::default() };
    devices::update(&fixture.store, "r1", off).await.unwrap();
    refused(&fixture, &of(TargetSelection::Devices(vec![device.id])), "takes no device at the moment").await;
}

#[tokio::test]
async fn a_change_moves_the_next_run_only_when_it_is_about_time() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let store = &fixture.store;
    schedules::add(store, &hourly("hourly"), made()).await.unwrap();
    // Due since noon, and still due after a change of something else.
    let later = utc("2026-03-01T12:10");
    let change = ScheduleChange {
        name: Some("often".into()),
        description: Some("text".into()),
        priority: Some(3),
        ..ScheduleChange::default()
    };
    let changed = schedules::update(store, "hourly", &change, later).await.unwrap();
    assert_eq!((changed.plan.name.as_str(), changed.next_run), ("often", Some(made())));
    assert_eq!(start(&fixture, "2026-03-01T12:10").await.len(), 1);
    let change = ScheduleChange {
        timing: Some(Timing::Cron(CronTime::parse("0 2 * * *").unwrap())),
        zone: Some(zone("America/New_York").unwrap()),
        windows: Some(vec![Span::window("01:00-03:00").unwrap()]),
        description: Some(String::new()),
        ..ScheduleChange::default()
    };
    let changed = schedules::update(store, "often", &change, later).await.unwrap();
    assert_eq!((changed.plan.description, changed.plan.priority), (None, 3));
    assert_eq!(next(&fixture).await, Some(utc("2026-03-02T07:00")));
}

#[tokio::test]
async fn a_change_that_cannot_be_changes_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let store = &fixture.store;
    schedules::add(store, &hourly("hourly"), made()).await.unwrap();
    let before = schedules::add(store, &nightly("0 2 * * *", &[], &[]), made()).await.unwrap();
    let update = async |change| schedules::update(store, "nightly", &change, made()).await;
    let none = ScheduleChange::default;
    assert!(is_duplicate(update(ScheduleChange { name: Some("hourly".into()), ..none() }).await, "hourly"));
    assert!(is_invalid(update(ScheduleChange { jitter: Some(HOUR * 48), ..none() }).await));
    assert!(is_invalid(update(ScheduleChange { valid_until: Some(Some(made())), ..none() }).await));
    let gone = Some(TargetSelection::Tags(vec!["gone".into()]));
    assert!(is_missing(update(ScheduleChange { target: gone, ..none() }).await, "tag"));
    assert_eq!(update(none()).await.unwrap(), before);
    assert!(is_missing(schedules::update(store, "x", &none(), made()).await, "schedule"));
    // What is over can still be named otherwise, and goes on only with another time.
    let once = Plan { calendar: Calendar::new(Timing::Once(made())), ..hourly("once") };
    schedules::add(store, &once, made()).await.unwrap();
    start(&fixture, "2026-03-01T12:00").await;
    let later = utc("2026-03-02");
    let words = ScheduleChange { description: Some("was".into()), ..none() };
    assert_eq!(schedules::update(store, "once", &words, later).await.unwrap().next_run, None);
    schedules::enable(store, "once", false, later).await.unwrap();
    assert!(is_invalid(schedules::enable(store, "once", true, later).await));
}

#[tokio::test]
async fn what_people_do_with_schedules_is_remembered() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let store = &fixture.store;
    let start =
        audit::list(store, &AuditFilter::default()).await.unwrap().first().map_or(0, |entry| entry.id);
    schedules::add(store, &nightly("0 2 * * *", &[], &[]), made()).await.unwrap();
    let change = ScheduleChange { jitter: Some(HOUR), priority: Some(1), ..ScheduleChange::default() };
    schedules::update(store, "nightly", &change, made()).await.unwrap();
    // Nothing happens twice, and what fails leaves nothing.
    schedules::update(store, "nightly", &change, made()).await.unwrap();
    schedules::enable(store, "nightly", false, made()).await.unwrap();
    schedules::enable(store, "nightly", false, made()).await.unwrap();
    schedules::enable(store, "nightly", true, made()).await.unwrap();
    assert!(is_duplicate(schedules::add(store, &nightly("@daily", &[], &[]), made()).await, "nightly"));
    schedules::remove(store, "nightly").await.unwrap();
    let of_schedule = json!({"kind": "backup", "when": "cron 0 2 * * *"});
    let entries = audit::list(store, &AuditFilter::default()).await.unwrap();
    let told: Vec<_> = entries
        .into_iter()
        .filter(|entry| entry.id > start)
        .map(|entry| (entry.action.to_string(), entry.target, entry.details))
        .collect();
    let entry = |action: &str, details| (action.to_owned(), Some("nightly".to_owned()), details);
    let expected = [
        entry("schedule.removed", Some(of_schedule.clone())),
        entry("schedule.enabled", None),
        entry("schedule.disabled", None),
        entry("schedule.changed", Some(json!({"changed": ["jitter", "priority"]}))),
        entry("schedule.added", Some(of_schedule)),
    ];
    assert_eq!(told, expected);
}
