//! PostgreSQL is restarted in the middle of a run: it costs retries, not data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{Lab, LabSettings};
use netraven_model::{JobStatus, Outcome, RunId};
use netraven_service::Stores;
use netraven_store::jobs::{JobDetail, JobFilter, JobRow, Progress};
use netraven_store::{Store, jobs, logs};
use nix::sys::signal::Signal;
use std::time::Duration;
use support::House;
use support::server::{PATIENCE, Server};
use tokio::time::{sleep, timeout};

const DEVICES: u32 = 60;
/// Sessions that the lab has seen.
fn sessions(lab: &Lab) -> u32 {
    (0..DEVICES).map(|index| lab.counters(index).unwrap().sessions).sum()
}

async fn until_sessions(lab: &Lab, wanted: u32) {
    let reached = async {
        while sessions(lab) < wanted {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("the run goes on");
}

/// Waits until the run is over, whatever the database says meanwhile.
async fn until_over(store: &Store, run: RunId) -> Progress {
    let over = async {
        loop {
            match jobs::run_progress(store, run).await {
                Ok(progress) if progress.active() == 0 => return progress,
                Ok(_) => {}
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, over).await.expect("the run ends")
}

async fn all_jobs(store: &Store) -> Vec<JobRow> {
    jobs::list(store, &JobFilter { limit: Some(2 * DEVICES), ..JobFilter::default() }).await.unwrap()
}

/// What the log must tell of a job that brought a version: each session from its begin, the last one to its end.
async fn check_log(store: &Store, detail: &JobDetail) {
    let hostname = &detail.job.hostname;
    let events: Vec<&str> = detail.events.iter().map(|event| event.event.as_str()).collect();
    let count = |name| events.iter().filter(|event| **event == name).count();
    assert_eq!(count("version_stored"), 1, "{hostname}: {events:?}");
    assert_eq!(count("unchanged"), 0, "{hostname}: {events:?}");
    assert!(count("started") >= 1 && count("logged_in") >= 1, "{hostname}: {events:?}");
    assert!(count("command_output") >= 2, "{hostname}: {events:?}");
    let last = detail.attempts.last().unwrap();
    assert_eq!((last.outcome, last.credential.is_some()), (Some(Outcome::Changed), true), "{hostname}");
    let dialogue = logs::connection_log(store, detail.job.id).await.unwrap().unwrap();
    assert!(dialogue.log.contains(hostname), "{}", dialogue.log);
    assert_eq!(dialogue.timestamp, last.completed_at, "{hostname}: the dialogue is the last session's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restarted_in_the_middle_of_a_run_costs_retries_and_no_data() {
    let Some(mut server) = Server::start().await else { return };
    let store = server.store().await;
    let house = House::on(store.clone(), Stores::all(store));
    let think_time = Duration::from_millis(60);
    let lab = house.move_in(LabSettings { count: DEVICES, think_time, ..LabSettings::default() }).await;
    let worker = house.worker(|settings| {
        settings.parallel_sessions = 12;
        // What a claim has given whose answer was lost comes back soon.
        settings.lease = Duration::from_secs(5);
    });
    let run = house.start_run().await;

    until_sessions(&lab, DEVICES / 4).await;
    server.restart(Signal::SIGINT).await;
    until_sessions(&lab, DEVICES / 2).await;
    assert!(sessions(&lab) < DEVICES, "the second restart comes in the middle of the run, too");
    server.restart(Signal::SIGKILL).await;

    let progress = until_over(&house.store, run).await;
    assert_eq!((progress.changed, progress.failed, progress.total), (60, 0, 60), "{progress:?}");
    worker.stop(Duration::from_secs(30)).await;
    let jobs_done = all_jobs(&house.store).await;
    assert_eq!(jobs_done.len(), 60);
    for job in jobs_done {
        assert_eq!((job.status, job.outcome), (JobStatus::Done, Some(Outcome::Changed)), "{}", job.hostname);
        assert_eq!(house.versions(&job.hostname).await.len(), 1, "{}", job.hostname);
        check_log(&house.store, &jobs::get(&house.store, job.id).await.unwrap()).await;
    }
    for device in lab.devices() {
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1, "{}", device.hostname);
    }
    lab.shutdown().await;
    server.stop().await;
}
