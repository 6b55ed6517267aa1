//! Slow sites, windows and cancellations while a worker is at it, with real sessions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use chrono::{TimeDelta, Utc};
use netraven_device::Pace;
use netraven_lab::{Failing, Failures, Lab, LabSettings};
use netraven_model::{ErrorCode, JobKind, JobStatus, RunId};
use netraven_store::devices::{self, DeviceChange};
use netraven_store::jobs::{self, JobFilter, NewRun, Origin, TargetSelection};
use std::time::{Duration, Instant};
use support::{House, LONG};
use tokio::time::{sleep, timeout};

fn lab_where(silent: u32, count: u32) -> LabSettings {
    let listed = (0..silent).map(|n| (n, Failing::NeverAnswers)).collect();
    let failures = Failures { listed, ..Failures::default() };
    LabSettings { count, platforms: vec!["frr".into()], failures, ..LabSettings::default() }
}

async fn until(mut come: impl FnMut() -> bool, what: &str) {
    let poll = async {
        while !come() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, poll).await.expect(what);
}

async fn start(house: &House, change: impl FnOnce(&mut NewRun)) -> RunId {
    let mut new = NewRun::new(JobKind::Backup, Origin::Person, TargetSelection::All, "test");
    change(&mut new);
    jobs::create_run(&house.store, &new).await.unwrap().run
}

async fn stand_at(house: &House, lab: &Lab, site: impl Fn(u32) -> &'static str) {
    for device in lab.devices() {
        let change = DeviceChange { site: Some(site(device.index).to_owned()), ..DeviceChange::default() };
        devices::update(&house.store, &device.hostname, change).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_devices_hang_does_not_delay_the_others() {
    let Some((house, lab)) = House::with_lab(lab_where(12, 16)).await else { return };
    stand_at(&house, &lab, |index| if index < 12 { "hanging" } else { "well" }).await;
    let worker = house.worker(|settings| {
        settings.parallel_sessions = 4;
        settings.device.site = Pace { sessions: Some(2), logins_per_second: None };
        settings.device.ssh.handshake_timeout = LONG * 10;
    });
    let run = start(&house, |_| {}).await;
    let progress = house.wait(run, |progress| progress.changed == 4).await;
    assert_eq!((progress.failed, progress.cancelled), (0, 0), "{progress:?}");
    assert!(progress.running <= 2, "what has no room at its site waits in the queue: {progress:?}");
    jobs::cancel_run(&house.store, run).await.unwrap();
    house.wait(run, |progress| progress.active() == 0).await;
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_cancelled_job_is_closed_within_two_seconds_and_the_others_go_on() {
    let Some((house, lab)) = House::with_lab(lab_where(2, 2)).await else { return };
    let worker = house.worker(|settings| settings.device.ssh.handshake_timeout = LONG * 10);
    let mut quickest = LONG;
    // A busy machine may be late once, and not each time.
    for _ in 0..3 {
        let run = start(&house, |_| {}).await;
        until(|| lab.open_connections() == 2, "both are connected").await;
        let filter = JobFilter { run: Some(run), ..JobFilter::default() };
        let job = jobs::list(&house.store, &filter).await.unwrap().remove(0).id;
        let begun = Instant::now();
        assert_eq!(jobs::cancel(&house.store, job).await.unwrap(), JobStatus::Running);
        until(|| lab.open_connections() == 1, "one session is closed").await;
        quickest = quickest.min(begun.elapsed());
        let progress = house.wait(run, |progress| progress.cancelled == 1).await;
        assert_eq!(progress.running, 1, "{progress:?}");
        jobs::cancel_run(&house.store, run).await.unwrap();
        house.wait(run, |progress| progress.active() == 0).await;
        until(|| lab.open_connections() == 0, "all sessions are closed").await;
    }
    assert!(quickest < Duration::from_secs(2), "{quickest:?}");
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_behind_the_end_of_the_window_is_not_planned() {
    let failures = Failures { listed: [(0, Failing::Refuses)].into(), ..Failures::default() };
    let Some((house, lab)) = House::with_lab(LabSettings { failures, ..lab_where(0, 1) }).await else {
        return;
    };
    let worker = house.worker(|settings| {
        settings.device.connect.attempts = 1;
        settings.retry.base = LONG * 20;
        settings.retry.limit = LONG * 20;
    });
    let run = start(&house, |new| new.not_after = Some(Utc::now() + TimeDelta::minutes(5))).await;
    let progress = house.wait(run, |progress| progress.active() == 0).await;
    assert_eq!(progress.failures, [(ErrorCode::Refused, 1)], "with its own code");
    assert_eq!(house.only_job().await.attempts, 1);
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_do_not_begin_before_their_window_closes_are_skipped_by_the_worker() {
    let Some((house, lab)) = House::with_lab(lab_where(0, 3)).await else { return };
    let run = start(&house, |new| new.not_after = Some(Utc::now() - TimeDelta::seconds(1))).await;
    let worker = house.worker(|_| {});
    let progress = house.wait(run, |progress| progress.active() == 0).await;
    assert_eq!((progress.skipped, progress.total), (3, 3), "{progress:?}");
    worker.stop(Duration::from_secs(5)).await;
    let all = jobs::list(&house.store, &JobFilter::default()).await.unwrap();
    assert!(all.iter().all(|job| job.error_code == Some(ErrorCode::WindowClosed) && job.attempts == 0));
    assert_eq!(lab.counters(0).unwrap().connections, 0);
    lab.shutdown().await;
}
