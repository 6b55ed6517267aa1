//! The gateway against simulated devices: sessions that are reused, connections that are tried again, limits, the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_device::{
    Access, Answer, CollectRequest, Collected, DeviceSettings, ExecuteRequest, Gateway, Networks, Outcome,
};
use netraven_lab::{Failing, Failures, Lab, LabDevice, LabSettings};
use netraven_model::{Backoff, ErrorCode, Event, HostKey, Login, Phase, Protocol, Target};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Ends a test that hangs.
const LONG: Duration = Duration::from_secs(60);

fn lab(change: impl FnOnce(&mut LabSettings)) -> Lab {
    let mut settings =
        LabSettings { count: 2, platforms: vec!["cisco_ios".into()], ..LabSettings::default() };
    change(&mut settings);
    Lab::start(settings).unwrap()
}

fn quick() -> DeviceSettings {
    let connect =
        Backoff { attempts: 3, base: Duration::from_millis(20), factor: 2, limit: Duration::from_secs(1) };
    DeviceSettings { connect, ..DeviceSettings::default() }
}

fn access(device: &LabDevice) -> Access {
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: device.hostname.clone(),
        address: device.address.to_string(),
        protocol: Protocol::Ssh,
        port: device.port,
        platform: device.platform.clone(),
    };
    let login = Login {
        username: device.username.clone(),
        password: Some(device.password.clone()),
        enable: Some(device.enable.clone()),
        ..Login::default()
    };
    Access::new(target, login)
}

fn asking(access: Access, commands: &[&str]) -> ExecuteRequest {
    ExecuteRequest {
        job: None,
        platform: Platforms::shipped().unwrap().get(&access.target.platform).unwrap(),
        access,
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        within: LONG,
    }
}

fn answers(outcome: &Outcome<Vec<Answer>>) -> Vec<(bool, String)> {
    let answers = outcome.result.as_ref().unwrap_or_else(|failure| panic!("{failure}\n{}", outcome.dialogue));
    let text = |answer: &Answer| String::from_utf8_lossy(answer.text.expose_bytes()).into_owned();
    answers.iter().map(|answer| (answer.accepted, text(answer))).collect()
}

/// Waits for what must come about, and not for long.
async fn until(mut come: impl FnMut() -> bool) {
    let poll = async {
        while !come() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, poll).await.expect("it comes about");
}

#[tokio::test]
async fn commands_are_answered_one_by_one_and_a_refused_one_says_why() {
    let lab = lab(|_| {});
    let gateway = Gateway::new(quick());
    let request =
        asking(access(&lab.devices()[0]), &["show version", "show nonsense", "show running-config"]);
    let outcome = gateway.execute(&request).await;
    let answers = answers(&outcome);
    assert!(answers[0].0 && answers[0].1.contains("Cisco IOS"), "{answers:?}");
    assert!(!answers[1].0 && answers[1].1.contains("Invalid input"), "{answers:?}");
    assert!(answers[2].0 && answers[2].1.trim_end().ends_with("end"), "{answers:?}");
    assert!(!outcome.dialogue.contains("hostname "), "of a configuration only the size is logged");
    let status = gateway.status();
    assert_eq!((status.successful_commands(), status.failed_commands(), status.active), (2, 1, 0));
}

#[tokio::test]
async fn a_second_request_finds_the_session_open_and_another_credential_does_not() {
    let lab = lab(|_| {});
    let device = &lab.devices()[0];
    let gateway = Gateway::new(quick());
    let request = asking(access(device), &["show version"]);
    for round in 0..3 {
        let outcome = gateway.execute(&request).await;
        assert!(answers(&outcome)[0].1.contains("Cisco IOS"));
        assert_eq!(outcome.dialogue.contains("kept open"), round > 0, "{}", outcome.dialogue);
    }
    assert_eq!(lab.counters(0).unwrap().sessions, 1);
    assert_eq!(gateway.status().platforms["cisco_ios"].reused, 2);
    let mut other = access(device);
    other.login.password = Some("canary-wrong".into());
    let outcome = gateway.execute(&asking(other, &["show version"])).await;
    assert_eq!(
        outcome.result.unwrap_err().code,
        ErrorCode::AuthFailed,
        "a wrong password opens no kept session"
    );
    gateway.drain().await;
    until(|| lab.open_connections() == 0).await;
    assert_eq!(gateway.status().idle, 0);
    // With an empty line it is seen whether a kept session still answers.
    let only_checks = lab.unexpected().iter().all(|(_, what)| what.starts_with("an empty line"));
    assert!(only_checks, "{:?}", lab.unexpected());
}

#[tokio::test]
async fn a_session_of_a_first_contact_is_found_by_the_key_that_it_taught_and_by_no_other() {
    let lab = lab(|_| {});
    let gateway = Gateway::new(quick());
    let mut request = asking(access(&lab.devices()[0]), &["show version"]);
    let learned = gateway.execute(&request).await.learned.unwrap();
    request.access.host_keys = vec![learned.clone()];
    assert!(gateway.execute(&request).await.dialogue.contains("kept open"));
    request.access.host_keys = vec![HostKey { key: "another".into(), ..learned }];
    let outcome = gateway.execute(&request).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::HostKeyChanged);
}

#[tokio::test]
async fn idle_sessions_end_when_their_time_is_over_and_when_there_are_too_many() {
    let lab = lab(|settings| settings.count = 4);
    let gateway = Gateway::new(DeviceSettings { max_pool_size: 2, idle_timeout: LONG, ..quick() });
    for device in lab.devices() {
        answers(&gateway.execute(&asking(access(&device), &["show version"])).await);
    }
    until(|| lab.open_connections() == 2).await;
    assert_eq!(gateway.status().idle, 2);
    let short = Gateway::new(DeviceSettings { idle_timeout: Duration::from_millis(50), ..quick() });
    answers(&short.execute(&asking(access(&lab.devices()[0]), &["show version"])).await);
    until(|| short.status().idle == 0).await;
    drop(gateway);
    until(|| lab.open_connections() == 0).await;
}

#[tokio::test]
async fn a_kept_session_that_the_device_closed_is_replaced() {
    let lab = lab(|settings| settings.idle_timeout = Duration::from_millis(300));
    let gateway = Gateway::new(quick());
    let request = asking(access(&lab.devices()[0]), &["show version"]);
    answers(&gateway.execute(&request).await);
    until(|| gateway.status().idle == 0).await;
    assert!(answers(&gateway.execute(&request).await)[0].0);
    assert_eq!(lab.counters(0).unwrap().sessions, 2);
}

#[tokio::test]
async fn a_session_left_in_another_mode_is_not_kept() {
    let lab = lab(|_| {});
    let gateway = Gateway::new(quick());
    // What logs out ends the session: nothing is left to be kept.
    let outcome = gateway.execute(&asking(access(&lab.devices()[0]), &["show version", "exit"])).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Disconnected);
    assert_eq!(gateway.status().idle, 0);
    until(|| lab.open_connections() == 0).await;
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_until_somebody_listens() {
    let lab = lab(|_| {});
    let device = lab.devices()[0].clone();
    let gateway = Gateway::new(quick());
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut access = access(&device);
    (access.target.address, access.target.port) = (closed.ip().to_string(), closed.port());
    let outcome = gateway.execute(&asking(access, &["show version"])).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Refused);
    let retried = |event: &&netraven_model::JobEvent| matches!(event.event, Event::ConnectionRetried { .. });
    assert_eq!(outcome.events.iter().filter(retried).count(), 2, "three tries in all");
}

#[tokio::test]
async fn a_refused_password_is_shown_once() {
    let lab = lab(|settings| {
        settings.failures = Failures { listed: [(0, Failing::WrongPassword)].into(), fraction: 0.0 }
    });
    let gateway = Gateway::new(quick());
    let outcome = gateway.execute(&asking(access(&lab.devices()[0]), &["show version"])).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::AuthFailed);
    let refused = |event: &&netraven_model::JobEvent| matches!(event.event, Event::CredentialRefused { .. });
    assert_eq!(outcome.events.iter().filter(refused).count(), 1);
    assert_eq!(lab.counters(0).unwrap().connections, 1);
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_not_connected_to() {
    let lab = lab(|_| {});
    let networks = Networks::new(&["192.0.2.0/24".to_owned()], &[]).unwrap();
    let gateway = Gateway::new(DeviceSettings { networks, ..quick() });
    let outcome = gateway.execute(&asking(access(&lab.devices()[0]), &["show version"])).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::AddressNotAllowed, Phase::Connect));
    assert_eq!(lab.counters(0).unwrap().connections, 0);
}

#[tokio::test]
async fn a_request_that_is_given_up_closes_its_session_at_once() {
    let lab = lab(|settings| settings.think_time = LONG);
    let gateway = Arc::new(Gateway::new(quick()));
    let request = asking(access(&lab.devices()[0]), &["show version"]);
    let task = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.execute(&request).await }
    });
    until(|| lab.counters(0).is_some_and(|counters| counters.sessions == 1)).await;
    assert_eq!(gateway.status().active, 1);
    let given_up = Instant::now();
    task.abort();
    until(|| lab.open_connections() == 0).await;
    assert!(given_up.elapsed() < Duration::from_secs(10), "within a second where the machine is not busy");
    assert_eq!(gateway.status().active, 0);
}

#[tokio::test]
async fn a_request_ends_within_its_deadline_and_says_where_it_was() {
    let lab = lab(|settings| {
        settings.failures = Failures { listed: [(0, Failing::NeverAnswers)].into(), fraction: 0.0 }
    });
    let gateway = Gateway::new(quick());
    let request =
        ExecuteRequest { within: Duration::from_millis(500), ..asking(access(&lab.devices()[0]), &["x"]) };
    let outcome = timeout(LONG, gateway.execute(&request)).await.expect("it has a deadline");
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Timeout);
    until(|| lab.open_connections() == 0).await;
}

#[tokio::test]
async fn a_kept_session_ends_before_another_one_with_the_device_begins() {
    let lab = lab(|_| {});
    let device = &lab.devices()[0];
    let gateway = Gateway::new(quick());
    answers(&gateway.execute(&asking(access(device), &["show version"])).await);
    let backup = CollectRequest {
        job: None,
        platform: Platforms::shipped().unwrap().get("cisco_ios").unwrap(),
        access: access(device),
        fingerprint_key: FingerprintKey::from_bytes([1; 32]),
        sealing: None,
        previous: None,
    };
    assert!(gateway.collect(&backup).await.result.is_ok());
    let counters = lab.counters(0).unwrap();
    assert_eq!((counters.sessions, counters.max_parallel), (2, 1));
}

#[tokio::test]
async fn requests_to_one_device_wait_for_each_other() {
    let lab = lab(|settings| settings.think_time = Duration::from_millis(20));
    let gateway = Arc::new(Gateway::new(DeviceSettings { max_pool_size: 0, ..quick() }));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (gateway, request) = (gateway.clone(), asking(access(&lab.devices()[0]), &["show version"]));
        tasks.spawn(async move { gateway.execute(&request).await.result.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|done| done));
    let counters = lab.counters(0).unwrap();
    assert_eq!((counters.sessions, counters.max_parallel), (5, 1));
}

#[tokio::test]
async fn a_backup_goes_the_same_way() {
    let lab = lab(|_| {});
    let access = access(&lab.devices()[0]);
    let gateway = Gateway::new(quick());
    let request = CollectRequest {
        job: None,
        platform: Platforms::shipped().unwrap().get("cisco_ios").unwrap(),
        access,
        fingerprint_key: FingerprintKey::from_bytes([1; 32]),
        sealing: None,
        previous: None,
    };
    let outcome = gateway.collect(&request).await;
    assert!(matches!(outcome.result, Ok(Collected::Changed { .. })), "{}", outcome.dialogue);
    until(|| lab.open_connections() == 0).await;
    assert_eq!(gateway.status().idle, 0, "a backup leaves no session behind");
}
