//! The life of jobs that do not simply run: skipped, too late, cancelled, and those of slow sites.

use crate::support::{
    Fixture, MINUTE, backup_of, changed, failed, finished, fixture, is_invalid, is_missing, new_device,
};
use chrono::{TimeDelta, Utc};
use netraven_model::{ErrorCode, JobId, JobKind, JobStatus, Outcome};
use netraven_store::devices::{self, NewDevice, OnExisting};
use netraven_store::jobs::{
    self, ClaimedJob, FinishedResult, JobFilter, Load, NewRun, Origin, TargetSelection,
};
use netraven_store::logs;
use netraven_store::schedules::{self, Plan};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A run as schedules start them.
async fn scheduled(fixture: &Fixture, kind: JobKind) -> jobs::RunCreated {
    let name = format!("{}-{}", kind.as_str(), Uuid::now_v7());
    let now = schedules::clock(&fixture.store).await.unwrap();
    let plan = Plan { kind, ..Plan::backup_every(name, 60 * MINUTE, now, TargetSelection::All) };
    let schedule = schedules::add(&fixture.store, &plan, now).await.unwrap();
    let run = NewRun::new(kind, Origin::Schedule(schedule.id), TargetSelection::All, "nightly");
    let run = NewRun { priority: schedules::DEFAULT_PRIORITY, ..run };
    jobs::create_run(&fixture.store, &run).await.unwrap()
}

async fn fail_once(fixture: &Fixture, kind: JobKind, code: ErrorCode) {
    let new = NewRun { kind, ..backup_of(TargetSelection::All) };
    jobs::create_run(&fixture.store, &new).await.unwrap();
    let job = fixture.claim(1).await.pop().unwrap();
    fixture.finish_one(finished(&job, failed(code, None))).await;
}

async fn skipped_reason(fixture: &Fixture) -> String {
    let filter = JobFilter { outcome: Some(Outcome::Skipped), ..JobFilter::default() };
    let row = jobs::list(&fixture.store, &filter).await.unwrap().remove(0);
    assert_eq!((row.status, row.error_code), (JobStatus::Done, Some(ErrorCode::CircuitOpen)));
    row.error.unwrap()
}

#[tokio::test]
async fn schedules_leave_a_device_alone_that_keeps_failing_and_people_do_not() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for _ in 0..2 {
        fail_once(&fixture, JobKind::Backup, ErrorCode::Unreachable).await;
    }
    fail_once(&fixture, JobKind::Backup, ErrorCode::LockoutGuard).await;
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.failures_in_row, device.circuit_open_until), (2, None), "one of them does not count");
    fail_once(&fixture, JobKind::Backup, ErrorCode::Unreachable).await;
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    let pause = device.circuit_open_until.unwrap() - Utc::now();
    assert!((14..=15).contains(&pause.num_minutes()) && device.failures_in_row == 3, "{device:?}");

    let run = scheduled(&fixture, JobKind::Backup).await;
    assert_eq!((run.jobs, run.shared, run.skipped), (0, 0, 1));
    let progress = jobs::run_progress(&fixture.store, run.run).await.unwrap();
    assert_eq!((progress.skipped, progress.total), (1, 1));
    let reason = skipped_reason(&fixture).await;
    assert!(
        reason.starts_with("3 jobs of the device failed in a row, the last one with unreachable"),
        "{reason}"
    );

    // Whether it can be reached is asked all the same, and somebody who asks for a backup gets one.
    let reach = scheduled(&fixture, JobKind::Reachability).await;
    assert_eq!((reach.jobs, reach.skipped), (1, 0));
    let person = fixture.run(TargetSelection::All).await;
    assert_eq!((person.jobs, person.skipped), (1, 0));
    // A schedule shares the job that is there now.
    let shared = scheduled(&fixture, JobKind::Backup).await;
    assert_eq!((shared.shared, shared.skipped), (1, 0));

    let job = fixture.claim(1).await.pop().unwrap();
    assert_eq!(job.kind, JobKind::Backup, "the person's comes first");
    fixture.finish_one(finished(&job, changed("x\n"))).await;
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.failures_in_row, device.circuit_open_until, device.status.as_str()), (0, None, "ok"));
}

#[tokio::test]
async fn a_device_that_can_be_reached_again_is_taken_again_and_so_is_one_that_somebody_resumes() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for _ in 0..3 {
        fail_once(&fixture, JobKind::Backup, ErrorCode::Unreachable).await;
    }
    scheduled(&fixture, JobKind::Reachability).await;
    let job = fixture.claim(1).await.pop().unwrap();
    let recorded = fixture.finish_one(finished(&job, FinishedResult::Ok)).await;
    assert_eq!(recorded.outcome, Some(Outcome::Ok));
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.failures_in_row, device.circuit_open_until, device.status.as_str()), (0, None, "ok"));
    assert!(device.last_seen.is_some() && device.last_error_code.is_none());

    for _ in 0..3 {
        fail_once(&fixture, JobKind::Backup, ErrorCode::Unreachable).await;
    }
    let device = devices::resume(&fixture.store, "r1").await.unwrap();
    assert_eq!(
        (device.failures_in_row, device.circuit_open_until, device.status.as_str()),
        (0, None, "failing")
    );
    assert_eq!(scheduled(&fixture, JobKind::Backup).await.jobs, 1);
    assert!(is_missing(devices::resume(&fixture.store, "r2").await, "device"));
}

#[tokio::test]
async fn a_circuit_closes_by_itself_when_its_pause_is_over() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for _ in 0..3 {
        fail_once(&fixture, JobKind::Backup, ErrorCode::Refused).await;
    }
    assert_eq!(scheduled(&fixture, JobKind::Backup).await.skipped, 1);
    fixture.execute("UPDATE netraven.devices SET circuit_open_until = now() - interval '1 second'").await;
    assert_eq!(scheduled(&fixture, JobKind::Backup).await.jobs, 1);
}

#[tokio::test]
async fn a_job_whose_window_is_closed_is_never_begun_and_ends_skipped() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    let not_after = Some(Utc::now() - TimeDelta::seconds(1));
    let run = NewRun { not_after, ..backup_of(TargetSelection::All) };
    let run = jobs::create_run(&fixture.store, &run).await.unwrap().run;
    assert!(fixture.claim(10).await.is_empty());
    let events = jobs::close_windows(&fixture.store).await.unwrap();
    assert_eq!(events.len(), 3);
    logs::write(&fixture.store, &events.iter().collect::<Vec<_>>(), &[]).await.unwrap();
    assert!(jobs::close_windows(&fixture.store).await.unwrap().is_empty());
    assert_eq!(jobs::run_progress(&fixture.store, run).await.unwrap().skipped, 3);
    let detail = jobs::get(&fixture.store, events[0].job.unwrap()).await.unwrap();
    assert_eq!(detail.job.error_code, Some(ErrorCode::WindowClosed));
    assert!(detail.job.error.unwrap().contains("had not begun when its window closed at"));
    assert_eq!(detail.events[0].event, "skipped");

    let open =
        NewRun { not_after: Some(Utc::now() + TimeDelta::hours(1)), ..backup_of(TargetSelection::All) };
    jobs::create_run(&fixture.store, &open).await.unwrap();
    assert!(jobs::close_windows(&fixture.store).await.unwrap().is_empty());
    assert_eq!(fixture.claim(10).await.len(), 3);
}

#[tokio::test]
async fn one_job_is_cancelled_whichever_runs_want_it() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let (first, _) = (fixture.run(TargetSelection::All).await, fixture.run(TargetSelection::All).await);
    let running = fixture.claim(1).await.pop().unwrap();
    let queued =
        jobs::list(&fixture.store, &JobFilter { status: Some(JobStatus::Queued), ..JobFilter::default() })
            .await
            .unwrap()
            .remove(0)
            .id;
    assert_eq!(jobs::cancel(&fixture.store, queued).await.unwrap(), JobStatus::Cancelled);
    assert_eq!(jobs::cancel(&fixture.store, running.job).await.unwrap(), JobStatus::Running);
    assert_eq!(jobs::cancelled_among(&fixture.store, &[running.job]).await.unwrap(), [running.job]);
    fixture.finish_one(finished(&running, FinishedResult::Cancelled)).await;
    assert_eq!(jobs::run_progress(&fixture.store, first.run).await.unwrap().cancelled, 2);
    assert!(is_invalid(jobs::cancel(&fixture.store, running.job).await), "it is over");
    assert!(is_missing(jobs::cancel(&fixture.store, JobId(4711)).await, "job"));
}

/// Devices of these sites, and a run of all of them. Those that are named first are queued first.
async fn queue(fixture: &Fixture, sites: &[(&str, usize)]) {
    let mut new = Vec::new();
    for (site, count) in sites {
        let site = Some((*site).to_owned()).filter(|site| !site.is_empty());
        new.extend((0..*count).map(|_| NewDevice { site: site.clone(), ..new_device("x") }));
    }
    for (number, device) in new.iter_mut().enumerate() {
        device.hostname = netraven_model::DeviceName::parse(&format!("d{number:05}")).unwrap();
    }
    devices::add_many(&fixture.store, new, OnExisting::Fail).await.unwrap();
    fixture.run(TargetSelection::All).await;
}

fn by_site(claimed: &[ClaimedJob]) -> BTreeMap<&str, usize> {
    let mut sites = BTreeMap::new();
    for job in claimed {
        *sites.entry(job.site.as_deref().unwrap_or_default()).or_default() += 1;
    }
    sites
}

#[tokio::test]
async fn sites_take_turns_however_many_jobs_one_of_them_has() {
    let Some(fixture) = fixture().await else { return };
    queue(&fixture, &[("big", 2000), ("small", 5), ("", 3)]).await;
    let first = fixture.claim(30).await;
    assert_eq!(by_site(&first), [("", 3), ("big", 20), ("small", 5)].into());
    // Alone it gets everything, in one claim.
    assert_eq!(by_site(&fixture.claim(64).await), [("big", 64)].into());
}

#[tokio::test]
async fn a_site_where_much_is_under_way_waits_for_those_where_little_is() {
    let Some(fixture) = fixture().await else { return };
    queue(&fixture, &[("slow", 500), ("quick", 500)]).await;
    let mut load = Load::new(None);
    (0..40).for_each(|_| load.add(Some("slow")));
    let claimed = jobs::claim_beside(&fixture.store, "w1", 32, MINUTE, &load).await.unwrap();
    assert_eq!(by_site(&claimed), [("quick", 32)].into());
}

#[tokio::test]
async fn a_site_without_room_is_left_out_and_one_with_little_gets_that() {
    let Some(fixture) = fixture().await else { return };
    queue(&fixture, &[("full", 3000), ("nearly", 50), ("free", 50), ("", 10)]).await;
    let mut load = Load::new(Some(4));
    (0..4).for_each(|_| load.add(Some("full")));
    (0..3).for_each(|_| load.add(Some("nearly")));
    let claimed = jobs::claim_beside(&fixture.store, "w1", 60, MINUTE, &load).await.unwrap();
    assert_eq!(by_site(&claimed), [("", 10), ("free", 4), ("nearly", 1)].into());

    // A second lane, of another priority, gives no second room.
    let urgent = NewRun { kind: JobKind::Reachability, priority: 1, ..backup_of(TargetSelection::All) };
    jobs::create_run(&fixture.store, &urgent).await.unwrap();
    let mut load = Load::new(Some(4));
    (0..4).for_each(|_| load.add(Some("full")));
    (0..2).for_each(|_| load.add(Some("nearly")));
    let claimed = jobs::claim_beside(&fixture.store, "w1", 60, MINUTE, &load).await.unwrap();
    assert_eq!(by_site(&claimed), [("free", 4), ("nearly", 2)].into());
    assert!(claimed.iter().all(|job| job.kind == JobKind::Reachability), "the lower number goes first");
}

#[tokio::test]
async fn what_a_person_asks_for_goes_before_the_nightly_run_of_all_sites() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(200).await;
    scheduled(&fixture, JobKind::Backup).await;
    let device = devices::get(&fixture.store, "d0150").await.unwrap().id;
    let click =
        NewRun::new(JobKind::CredentialCheck, Origin::Person, TargetSelection::Devices(vec![device]), "me");
    assert!(click.priority < schedules::DEFAULT_PRIORITY);
    jobs::create_run(&fixture.store, &click).await.unwrap();
    let first = fixture.claim(1).await.pop().unwrap();
    assert_eq!((first.target.hostname.as_str(), first.kind), ("d0150", JobKind::CredentialCheck));
}
