//! The whole way from a run to stored versions, with real PostgreSQL and real SSH.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{Failing, Failures, LabSettings};
use netraven_model::ErrorCode;
use netraven_store::{credentials, devices, jobs, logs};
use std::time::Duration;
use support::House;

fn lab_of(count: u32) -> LabSettings {
    LabSettings { count, ..LabSettings::default() }
}

fn failing(kind: Failing) -> LabSettings {
    let failures = Failures { listed: [(0, kind)].into(), ..Failures::default() };
    LabSettings { count: 1, platforms: vec!["cisco_ios".into()], failures, ..LabSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_platform_is_stored_once_and_again_only_when_something_changed() {
    let Some((house, lab)) = House::with_lab(lab_of(12)).await else { return };
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.changed, 12);
    assert_eq!(house.back_up().await.unchanged, 12);

    assert!(lab.change(3));
    let third = house.back_up().await;
    assert_eq!((third.changed, third.unchanged), (1, 11));
    worker.stop(Duration::from_secs(5)).await;

    for device in lab.devices() {
        let versions = house.versions(&device.hostname).await;
        assert_eq!(versions.len(), if device.index == 3 { 2 } else { 1 }, "{}", device.hostname);
        assert!(versions.iter().all(|version| version.last_seen >= version.retrieved_at));
        let (session, personality, state) = lab.inside(device.index).unwrap();
        let stored = house.newest(&device.hostname).await;
        for part in session.expect(&personality, state).parts {
            let found = stored.parts.iter().find(|stored| stored.command == part.command).unwrap();
            let text = String::from_utf8_lossy(&found.content);
            for line in part.contains {
                assert!(text.lines().any(|found| found == line), "{}: {line}", device.hostname);
            }
        }
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1, "{}", device.hostname);
    }
    assert_eq!(lab.unexpected(), []);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_credential_is_tried_and_the_refused_one_never_twice() {
    let Some((house, lab)) = House::with_lab(lab_of(1)).await else { return };
    let device = &lab.devices()[0];
    let refused = house.add_credential("stale", device, Some("old password"), 1).await;
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.changed, 1);
    worker.stop(Duration::from_secs(5)).await;
    let job = jobs::get(&house.store, house.only_job().await.id).await.unwrap();
    let events: Vec<_> = logs::job_events(&house.store, job.job.id).await.unwrap();
    let refusals = events.iter().filter(|event| event.event == "credential_refused").count();
    assert_eq!(refusals, 1, "{events:?}");
    let info = credentials::list(&house.store).await.unwrap();
    let stale = info.iter().find(|credential| credential.id == refused).unwrap();
    assert_eq!((stale.successes, stale.failures), (0, 1));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_is_not_shown_again_in_a_later_attempt_of_the_job() {
    let Some((house, lab)) = House::with_lab(failing(Failing::ClosesMidOutput)).await else { return };
    house.add_credential("stale", &lab.devices()[0], Some("old password"), 1).await;
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.failed, 1);
    worker.stop(Duration::from_secs(5)).await;
    let job = house.only_job().await;
    assert_eq!(job.attempts, 2);
    let events = logs::job_events(&house.store, job.id).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.event == "credential_refused").count(), 1, "{events:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_fails_at_once_and_is_not_retried() {
    let Some((house, lab)) = House::with_lab(failing(Failing::WrongPassword)).await else { return };
    let worker = house.worker(|_| {});
    let progress = house.back_up().await;
    assert_eq!(progress.failures, [(ErrorCode::AuthFailed, 1)]);
    worker.stop(Duration::from_secs(5)).await;
    assert_eq!(house.only_job().await.attempts, 1);
    assert_eq!(lab.counters(0).unwrap().connections, 1);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_and_a_cut_are_retried_and_nothing_of_them_is_stored() {
    for (kind, codes) in [
        (Failing::Refuses, vec![ErrorCode::Refused]),
        (Failing::ClosesMidOutput, vec![ErrorCode::Disconnected, ErrorCode::Truncated]),
    ] {
        let Some((house, lab)) = House::with_lab(failing(kind)).await else { return };
        let worker = house.worker(|_| {});
        let progress = house.back_up().await;
        assert_eq!(progress.failed, 1, "{kind:?}: {progress:?}");
        assert!(codes.contains(&progress.failures[0].0), "{kind:?}: {progress:?}");
        worker.stop(Duration::from_secs(5)).await;
        let hostname = &lab.devices()[0].hostname;
        assert_eq!(house.only_job().await.attempts, 2, "{kind:?}");
        assert!(house.versions(hostname).await.is_empty(), "{kind:?}");
        assert_eq!(devices::get(&house.store, hostname).await.unwrap().status, "failing");
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_answers_times_out_and_delays_nobody() {
    let mut settings = failing(Failing::NeverAnswers);
    settings.count = 6;
    let Some((house, lab)) = House::with_lab(settings).await else { return };
    let worker = house.worker(|settings| {
        settings.parallel_sessions = 2;
        settings.retry.attempts = 1;
        settings.device.ssh.handshake_timeout = Duration::from_secs(2);
    });
    let run = house.start_run().await;
    // The silent device keeps its place; all others pass beside it.
    let before = house.wait(run, |progress| progress.changed == 5 || progress.failed > 0).await;
    assert_eq!(before.failed, 0, "the healthy ones were done first: {before:?}");
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.failures, [(ErrorCode::Timeout, 1)]);
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_credential_or_platform_says_so() {
    let Some(house) = House::new().await else { return };
    let lab = netraven_lab::Lab::start(lab_of(2)).unwrap();
    let mut lab_devices = lab.devices();
    lab_devices[1].platform = "acme_os".into();
    house.add_devices(&lab_devices).await;
    let worker = house.worker(|_| {});
    let mut failures = house.back_up().await.failures;
    failures.sort_by_key(|(code, _)| code.as_str());
    assert_eq!(failures, [(ErrorCode::NoCredential, 1), (ErrorCode::UnknownPlatform, 1)]);
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_is_refused_until_it_is_accepted() {
    let Some((house, lab)) = House::with_lab(lab_of(1)).await else { return };
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.changed, 1);
    let device = lab.devices()[0].clone();
    lab.shutdown().await;

    let other = LabSettings { seed: 2, port: device.port, ..lab_of(1) };
    let lab = netraven_lab::Lab::start(other).unwrap();
    let progress = house.back_up().await;
    assert_eq!(progress.failures, [(ErrorCode::HostKeyChanged, 1)]);
    assert_eq!(lab.counters(0).unwrap().sessions, 0, "no password went to the stranger");

    devices::accept_host_key(&house.store, &device.hostname).await.unwrap();
    assert_eq!(house.back_up().await.changed, 1);
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}
