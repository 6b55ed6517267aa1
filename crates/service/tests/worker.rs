//! What becomes of jobs when people cancel, workers stop or die, and the database goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{Failing, Failures, Lab, LabSettings};
use netraven_model::{JobStatus, Outcome};
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Plan};
use netraven_store::{jobs, workers};
use std::time::Duration;
use support::{House, LONG};
use tokio::time::{sleep, timeout};

/// Devices that take long enough to be met in the middle of their session.
fn slow(count: u32) -> LabSettings {
    let think_time = Duration::from_millis(400);
    LabSettings { count, think_time, platforms: vec!["frr".into()], ..LabSettings::default() }
}

async fn until_connected(lab: &Lab, connections: usize) {
    let reached = async {
        while lab.open_connections() < connections {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, reached).await.expect("sessions are opened");
}

async fn until_nothing_is_connected(lab: &Lab) {
    let closed = async {
        while lab.open_connections() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, closed).await.expect("sessions are closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_run_closes_its_sessions_and_frees_its_queue() {
    let failures =
        Failures { listed: (0..4).map(|n| (n, Failing::NeverAnswers)).collect(), ..Failures::default() };
    let Some((house, lab)) = House::with_lab(LabSettings { count: 4, failures, ..slow(4) }).await else {
        return;
    };
    let worker = house.worker(|settings| {
        settings.parallel_sessions = 2;
        settings.device.ssh.handshake_timeout = LONG;
    });
    let run = house.start_run().await;
    until_connected(&lab, 2).await;
    assert_eq!(jobs::cancel_run(&house.store, run).await.unwrap(), 4);
    until_nothing_is_connected(&lab).await;
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.cancelled, 4, "{progress:?}");
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_lets_short_sessions_finish_and_gives_the_others_back() {
    let failures = Failures { listed: [(1, Failing::NeverAnswers)].into(), ..Failures::default() };
    let Some((house, lab)) = House::with_lab(LabSettings { failures, ..slow(2) }).await else { return };
    let worker = house.worker(|settings| settings.device.ssh.handshake_timeout = LONG);
    let run = house.start_run().await;
    until_connected(&lab, 2).await;
    timeout(LONG, worker.stop(Duration::from_secs(6))).await.expect("the worker stops");
    let progress = jobs::run_progress(&house.store, run).await.unwrap();
    assert_eq!((progress.changed, progress.queued, progress.running), (1, 1, 0), "{progress:?}");
    let all = jobs::list(&house.store, &jobs::JobFilter::default()).await.unwrap();
    let back = all.iter().find(|job| job.status == JobStatus::Queued).unwrap();
    assert_eq!(back.attempts, 0, "an attempt that was given back does not count");
    assert!(!workers::alive(&house.store, "worker", LONG).await.unwrap(), "it signed off");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_worker_that_died_are_done_by_another_one_without_a_second_version() {
    let Some((house, lab)) = House::with_lab(slow(6)).await else { return };
    let run = house.start_run().await;
    // A worker that claims and is never heard of again.
    let claimed = jobs::claim(&house.store, "dead", 3, Duration::from_millis(300)).await.unwrap();
    assert_eq!(claimed.len(), 3);
    let worker = house.worker(|_| {});
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.changed, 6, "{progress:?}");
    worker.stop(Duration::from_secs(5)).await;
    for device in lab.devices() {
        assert_eq!(house.versions(&device.hostname).await.len(), 1);
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_run_and_no_device_is_in_two_sessions() {
    let Some((house, lab)) = House::with_lab(LabSettings { count: 30, ..slow(30) }).await else { return };
    let workers = [house.worker(|s| s.parallel_sessions = 5), house.worker(|s| s.parallel_sessions = 5)];
    let (first, second) = (house.start_run().await, house.start_run().await);
    for run in [first, second] {
        let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
        assert_eq!(progress.failed, 0, "{progress:?}");
    }
    for worker in workers {
        worker.stop(Duration::from_secs(5)).await;
    }
    for device in lab.devices() {
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1, "{}", device.hostname);
        assert_eq!(house.versions(&device.hostname).await.len(), 1, "{}", device.hostname);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_runs_by_itself() {
    let Some((house, lab)) = House::with_lab(LabSettings { count: 2, ..LabSettings::default() }).await else {
        return;
    };
    let now = schedules::clock(&house.store).await.unwrap();
    let plan = Plan::backup_every("often", Duration::from_secs(3600), now, TargetSelection::All);
    schedules::add(&house.store, &plan, now).await.unwrap();
    let worker = house.worker(|_| {});
    let done = async {
        loop {
            let all = jobs::list(&house.store, &jobs::JobFilter::default()).await.unwrap();
            if all.len() == 2 && all.iter().all(|job| job.outcome == Some(Outcome::Changed)) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, done).await.expect("the schedule's run is carried out");
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}
