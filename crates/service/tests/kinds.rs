//! Jobs that are no backups: reachability, credential checks, commands, with real PostgreSQL and real SSH.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{Failing, Failures, Lab, LabSettings};
use netraven_model::{ErrorCode, JobKind, Outcome};
use netraven_store::devices::Device;
use netraven_store::jobs::{JobDetail, JobFilter, NewRun, Origin, Progress, TargetSelection};
use netraven_store::{credentials, devices, jobs};
use std::time::Duration;
use support::House;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn one(failing: Option<Failing>) -> LabSettings {
    let failures =
        Failures { listed: failing.map(|kind| (0, kind)).into_iter().collect(), ..Failures::default() };
    LabSettings { count: 1, platforms: vec!["cisco_ios".into()], failures, ..LabSettings::default() }
}

/// A run of all devices, carried out to its end.
async fn carry_out(house: &House, kind: JobKind, commands: &[&str]) -> Progress {
    let worker = house.worker(|settings| {
        settings.retry.attempts = 1;
        settings.device.connect.attempts = 1;
        settings.device.ssh.handshake_timeout = Duration::from_secs(2);
    });
    let commands = commands.iter().map(|command| (*command).to_owned()).collect();
    let new = NewRun { commands, ..NewRun::new(kind, Origin::Person, TargetSelection::All, "test") };
    let run = jobs::create_run(&house.store, &new).await.unwrap().run;
    let progress = house.wait(run, |progress| progress.active() == 0).await;
    worker.stop(Duration::from_secs(5)).await;
    progress
}

async fn newest_job(house: &House) -> JobDetail {
    let newest =
        jobs::list(&house.store, &JobFilter { limit: Some(1), ..JobFilter::default() }).await.unwrap();
    jobs::get(&house.store, newest[0].id).await.unwrap()
}

async fn device(house: &House, lab: &Lab) -> Device {
    devices::get(&house.store, &lab.devices()[0].hostname).await.unwrap()
}

fn events(job: &JobDetail) -> Vec<&str> {
    job.events.iter().map(|event| event.event.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_introduces_itself_is_reached_without_any_credential() {
    let Some(house) = House::new().await else { return };
    let lab = Lab::start(one(None)).unwrap();
    house.add_devices(&lab.devices()).await;
    let progress = carry_out(&house, JobKind::Reachability, &[]).await;
    assert_eq!((progress.ok, progress.total), (1, 1), "{progress:?}");
    let job = newest_job(&house).await;
    assert_eq!(job.job.outcome, Some(Outcome::Ok));
    assert_eq!(events(&job), ["started", "reached"]);
    let device = device(&house, &lab).await;
    assert_eq!((device.status.as_str(), device.last_error_code.as_deref()), ("new", None));
    assert!(device.last_seen.is_some());
    assert_eq!(lab.counters(0).unwrap().sessions, 0, "nobody logged in");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_failing_while_it_cannot_be_reached_and_well_when_it_can() {
    let Some((house, lab)) = House::with_lab(one(Some(Failing::Refuses))).await else { return };
    assert_eq!(carry_out(&house, JobKind::Reachability, &[]).await.failures, [(ErrorCode::Refused, 1)]);
    assert_eq!(device(&house, &lab).await.status, "failing");
    let (name, port) = (lab.devices()[0].hostname.clone(), lab.devices()[0].port);
    lab.shutdown().await;
    let lab = Lab::start(LabSettings { port, ..one(Some(Failing::WrongPassword)) }).unwrap();
    assert_eq!(carry_out(&house, JobKind::Reachability, &[]).await.ok, 1);
    let device = devices::get(&house.store, &name).await.unwrap();
    assert_eq!((device.status.as_str(), device.failures_in_row), ("ok", 0));

    // What stands behind the introduction is not proved by it.
    assert_eq!(carry_out(&house, JobKind::Backup, &[]).await.failures, [(ErrorCode::AuthFailed, 1)]);
    assert_eq!(carry_out(&house, JobKind::Reachability, &[]).await.ok, 1);
    let device = devices::get(&house.store, &name).await.unwrap();
    assert_eq!((device.status.as_str(), device.failures_in_row), ("failing", 1));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_port_and_one_that_speaks_something_else_are_not_the_device() {
    let Some(house) = House::new().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lab = Lab::start(one(None)).unwrap();
    let mut lab_devices = lab.devices();
    lab_devices[0].address = "127.0.0.1".parse().unwrap();
    lab_devices[0].port = listener.local_addr().unwrap().port();
    house.add_devices(&lab_devices).await;
    // The first connection gets no word, the second one a web server's.
    let serving = tokio::spawn(async move {
        let silent = listener.accept().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        (silent, stream)
    });
    assert_eq!(carry_out(&house, JobKind::Reachability, &[]).await.failures, [(ErrorCode::Timeout, 1)]);
    assert_eq!(carry_out(&house, JobKind::Reachability, &[]).await.failures, [(ErrorCode::SshProtocol, 1)]);
    let message = newest_job(&house).await.job.error.unwrap();
    assert!(message.contains("HTTP/1.1 400"), "{message}");
    drop(serving.await.unwrap());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_check_logs_in_and_asks_nothing() {
    let Some((house, lab)) = House::with_lab(one(None)).await else { return };
    let stale = house.add_credential("stale", &lab.devices()[0], Some("old password"), 1).await;
    let progress = carry_out(&house, JobKind::CredentialCheck, &[]).await;
    assert_eq!(progress.ok, 1, "{progress:?}");
    let job = newest_job(&house).await;
    let expected = ["started", "host_key_learned", "credential_refused", "failed", "logged_in"];
    assert_eq!(events(&job), expected, "no command");
    let info = credentials::list(&house.store).await.unwrap();
    let uses =
        |id| info.iter().find(|info| info.id == id).map(|info| (info.successes, info.failures)).unwrap();
    assert_eq!(uses(stale), (0, 1));
    assert!(info.iter().any(|info| info.name == "lab" && info.successes == 1));
    assert!(house.versions(&lab.devices()[0].hostname).await.is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_refused_fails_the_check_and_the_device() {
    let Some((house, lab)) = House::with_lab(one(Some(Failing::WrongPassword))).await else { return };
    assert_eq!(carry_out(&house, JobKind::CredentialCheck, &[]).await.failures, [(ErrorCode::AuthFailed, 1)]);
    let device = device(&house, &lab).await;
    assert_eq!((device.status.as_str(), device.failures_in_row), ("failing", 1));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_commands_are_kept_without_secrets() {
    let Some((house, lab)) = House::with_lab(one(None)).await else { return };
    let progress = carry_out(&house, JobKind::Command, &["show version", "show running-config"]).await;
    assert_eq!(progress.ok, 1, "{progress:?}");
    let job = newest_job(&house).await;
    let answers: Vec<_> = job.events.iter().filter(|event| event.event == "command_answered").collect();
    assert_eq!(answers.len(), 2, "{:?}", events(&job));
    let output = |at: usize| answers[at].output.as_deref().unwrap();
    assert!(answers.iter().all(|answer| answer.success == Some(true)));
    assert!(output(0).contains("Cisco IOS Software"), "{}", output(0));
    assert!(output(1).contains("[REDACTED LINE]") && output(1).contains("interface"), "{}", output(1));
    assert!(answers[0].details.as_ref().unwrap().get("output").is_none(), "it stands once");
    assert!(house.versions(&lab.devices()[0].hostname).await.is_empty());
    let device = device(&house, &lab).await;
    assert!(device.last_seen.is_some() && device.status == "new");
    assert_eq!(lab.open_connections(), 0, "the session ended with its job");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_device_refuses_fails_the_job_and_not_the_device() {
    let Some((house, lab)) = House::with_lab(one(None)).await else { return };
    let progress = carry_out(&house, JobKind::Command, &["show version", "no such command"]).await;
    assert_eq!(progress.failures, [(ErrorCode::CommandRejected, 1)]);
    let job = newest_job(&house).await;
    assert!(
        job.job.error.as_ref().unwrap().contains("the device refused `no such command`"),
        "{:?}",
        job.job.error
    );
    let answers: Vec<_> = job
        .events
        .iter()
        .filter(|event| event.event == "command_answered")
        .map(|event| event.success)
        .collect();
    assert_eq!(answers, [Some(true), Some(false)]);
    let device = device(&house, &lab).await;
    assert_eq!((device.status.as_str(), device.failures_in_row, device.last_error_code), ("new", 0, None));
    assert!(device.last_seen.is_some());
    lab.shutdown().await;
}
