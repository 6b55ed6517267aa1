//! What is kept of sessions, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use chrono::{Months, Utc};
use netraven_lab::LabSettings;
use netraven_model::{DeviceId, ErrorCode, Event, JobEvent, JobId};
use netraven_service::Stores;
use netraven_store::logs::Dialogue;
use netraven_store::{credentials, jobs, logs, maintenance};
use std::time::Duration;
use support::{House, LONG};
use tokio::time::{sleep, timeout};

/// One event and one dialogue of so many months ago, in the partition of that month; the job's number is the age.
async fn log_of_age(house: &House, months: u32) {
    let (at, joblog) = (Utc::now() - Months::new(months), &house.stores.joblog);
    maintenance::ensure_partitions_at(joblog, at).await.unwrap();
    let (job, device) = (Some(JobId(i64::from(months))), Some(DeviceId(1)));
    let event = JobEvent::new(job, device, at, Event::Cancelled);
    let dialogue = Dialogue::new(job, device, at, "> show version".into());
    logs::write(joblog, &[&event], &[&dialogue]).await.unwrap();
}

/// The ages of those events and dialogues that are still there.
async fn ages(house: &House, all: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut events, mut dialogues) = (Vec::new(), Vec::new());
    for &age in all {
        let job = JobId(i64::from(age));
        if !logs::job_events(&house.store, job).await.unwrap().is_empty() {
            events.push(age);
        }
        if logs::connection_log(&house.store, job).await.unwrap().is_some() {
            dialogues.push(age);
        }
    }
    (events, dialogues)
}

#[tokio::test(flavor = "multi_thread")]
async fn months_of_logs_are_dropped_when_they_are_old_and_for_ever_is_for_ever() {
    const AGES: [u32; 6] = [30, 26, 23, 8, 5, 1];
    let Some(house) = House::new().await else { return };
    for age in AGES {
        log_of_age(&house, age).await;
    }
    for (job_log_months, connection_log_months, expected) in
        [(None, Some(6), (&AGES[..], &[5, 1][..])), (Some(24), None, (&[23, 8, 5, 1][..], &[5, 1][..]))]
    {
        let worker = house.worker(|settings| {
            settings.job_log_months = job_log_months;
            settings.connection_log_months = connection_log_months;
        });
        let dropped = async {
            loop {
                let (events, dialogues) = ages(&house, &AGES).await;
                if (&events[..], &dialogues[..]) == expected {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, dropped).await.expect("what is too old is dropped");
        worker.stop(Duration::from_secs(5)).await;
        let (events, dialogues) = ages(&house, &AGES).await;
        assert_eq!((&events[..], &dialogues[..]), expected, "and nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_log_is_refused_brings_no_version_and_its_job_says_why() {
    let settings = LabSettings { count: 2, platforms: vec!["frr".into()], ..LabSettings::default() };
    let Some((mut house, lab)) = House::with_lab(settings).await else { return };
    // A login that may not write logs, as after a mistake in the roles.
    house.stores = Stores { joblog: house.stores.gateway.clone(), ..house.stores.clone() };
    let worker = house.worker(|_| {});
    let progress = house.back_up().await;
    worker.stop(Duration::from_secs(5)).await;
    assert_eq!(progress.failures, [(ErrorCode::Internal, 2)]);
    for job in jobs::list(&house.store, &jobs::JobFilter::default()).await.unwrap() {
        let error = job.error.unwrap();
        assert!(error.contains("job log") && error.contains("permission denied"), "{error}");
        assert!(house.versions(&job.hostname).await.is_empty(), "no version without its log");
    }
    let credential = credentials::get_info(&house.store, "lab").await.unwrap();
    assert_eq!((credential.successes, credential.failures), (0, 0));
    lab.shutdown().await;
}
