//! Telnet to the lab's simulated devices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_device::{
    Access, CollectOutcome, CollectRequest, Collected, DeviceSettings, Gateway, LoginResult,
};
use netraven_lab::{Failing, Failures, Lab, LabDevice, LabSettings, embedded_platforms};
use netraven_model::{ErrorCode, Event, Login, Protocol, Target};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

fn request(device: &LabDevice, platforms: &Platforms) -> CollectRequest {
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: device.hostname.clone(),
        address: device.address.to_string(),
        protocol: Protocol::Telnet,
        port: device.telnet_port.unwrap(),
        platform: device.platform.clone(),
    };
    let login = Login {
        username: device.username.clone(),
        password: Some(device.password.clone()),
        enable: Some(device.enable.clone()),
        ..Login::default()
    };
    CollectRequest {
        job: None,
        platform: platforms.get(&device.platform).unwrap(),
        access: Access::new(target, login),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    }
}

fn lab(change: impl FnOnce(&mut LabSettings)) -> Lab {
    let mut settings = LabSettings {
        count: 1,
        platforms: vec!["cisco_ios".into()],
        telnet_port: Some(0),
        ..LabSettings::default()
    };
    change(&mut settings);
    Lab::start(settings).unwrap()
}

async fn collect(lab: &Lab, change: impl FnOnce(&mut CollectRequest)) -> CollectOutcome {
    let platforms = Platforms::shipped().unwrap();
    let mut request = request(&lab.device(0).unwrap(), &platforms);
    change(&mut request);
    Gateway::new(DeviceSettings::default()).collect(&request).await
}

#[tokio::test]
async fn every_family_is_collected_over_telnet_as_it_is_over_ssh() {
    let names: Vec<String> = embedded_platforms().into_iter().map(str::to_owned).collect();
    let count = names.len() as u32;
    let lab = lab(|settings| (settings.count, settings.platforms) = (count, names));
    let platforms = Platforms::shipped().unwrap();
    let settings = DeviceSettings { login_timeout: Duration::from_secs(60), ..DeviceSettings::default() };
    let gateway = Arc::new(Gateway::new(settings));
    let mut sessions = JoinSet::new();
    for device in lab.devices() {
        let (request, gateway) = (request(&device, &platforms), gateway.clone());
        sessions.spawn(async move {
            let outcome = gateway.collect(&request).await;
            match &outcome.result {
                Ok(Collected::Changed { .. }) => None,
                other => Some(format!("{}: {other:?}\n{}", device.platform, outcome.dialogue)),
            }
        });
    }
    let failed: Vec<String> = sessions.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!(lab.unexpected(), [], "nothing was sent that nobody asked for");
    lab.shutdown().await;
}

#[tokio::test]
async fn the_credential_that_logs_in_is_known_and_no_secret_is_in_the_log() {
    let lab = lab(|_| {});
    let outcome = collect(&lab, |_| {}).await;
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert_eq!(outcome.login, LoginResult::Accepted);
    assert!(outcome.learned.is_none());
    let device = lab.device(0).unwrap();
    for secret in [device.password, device.enable] {
        assert!(!outcome.dialogue.contains(secret.expose_text().unwrap()), "{}", outcome.dialogue);
    }
    assert!(outcome.dialogue.contains("in clear"), "{}", outcome.dialogue);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_and_named() {
    let lab = lab(|settings| settings.rejection_delay = Duration::ZERO);
    let outcome = collect(&lab, |request| request.access.login.password = Some("wrong-canary".into())).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, outcome.login), (ErrorCode::AuthFailed, LoginResult::Refused), "{failure}");
    let refused = |event: &Event| matches!(event, Event::CredentialRefused { .. });
    assert!(outcome.events.iter().any(|event| refused(&event.event)));
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    assert_eq!(outcome.dialogue.matches("[password]").count(), 1, "{}", outcome.dialogue);
}

#[tokio::test]
async fn devices_that_misbehave_are_told_apart() {
    let outcome_of = async |failing| {
        let lab =
            lab(|settings| settings.failures = Failures { listed: [(0, failing)].into(), fraction: 0.0 });
        let platforms = Platforms::shipped().unwrap();
        let request = request(&lab.device(0).unwrap(), &platforms);
        let settings = DeviceSettings { login_timeout: Duration::from_secs(2), ..DeviceSettings::default() };
        Gateway::new(settings).collect(&request).await.result.unwrap_err().code
    };
    assert_eq!(outcome_of(Failing::Refuses).await, ErrorCode::Refused);
    assert_eq!(outcome_of(Failing::NeverAnswers).await, ErrorCode::Timeout);
    assert_eq!(outcome_of(Failing::ClosesMidOutput).await, ErrorCode::Disconnected);
    assert_eq!(outcome_of(Failing::WrongPassword).await, ErrorCode::AuthFailed);
}

#[tokio::test]
async fn a_family_is_recognised_over_telnet() {
    let lab = lab(|settings| settings.platforms = vec!["arista_eos".into()]);
    let platforms = Platforms::shipped().unwrap();
    let mut request = request(&lab.device(0).unwrap(), &platforms);
    request.access.target.platform = "auto".into();
    let outcome = Gateway::new(DeviceSettings::default()).recognise(&request, &platforms).await;
    assert_eq!(outcome.result.unwrap().name, "arista_eos", "{}", outcome.dialogue);
}
