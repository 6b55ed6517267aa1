//! Who is asked before a credential is shown, and where it may be shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_device::{
    Access, DeviceSettings, ExecuteRequest, Gateway, Guarding, LoginGuard, LoginPermit, LoginResult,
    Networks, Outcome,
};
use netraven_lab::{Lab, LabSettings};
use netraven_model::{ErrorCode, Failure, Login, Phase, Protocol, Secret, Target};
use netraven_platform::Platforms;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Writes down what it is asked and told.
#[derive(Debug, Default)]
struct Witness {
    forbids: bool,
    said: Arc<Mutex<Vec<&'static str>>>,
}

#[derive(Debug)]
struct Permit(Arc<Mutex<Vec<&'static str>>>);

impl LoginGuard for Witness {
    fn enter(&self) -> Guarding<'_, Result<Box<dyn LoginPermit>, Failure>> {
        Box::pin(async {
            self.said.lock().unwrap().push("enter");
            match self.forbids {
                true => Err(Failure::new(ErrorCode::LockoutGuard, Phase::Authenticate, "not now")),
                false => Ok(Box::new(Permit(self.said.clone())) as Box<dyn LoginPermit>),
            }
        })
    }
}

impl LoginPermit for Permit {
    fn settle(&mut self, accepted: bool) -> Guarding<'_, ()> {
        let said = self.0.clone();
        Box::pin(async move { said.lock().unwrap().push(if accepted { "accepted" } else { "refused" }) })
    }
}

struct Tried {
    outcome: Outcome<Vec<netraven_device::Answer>>,
    said: Vec<&'static str>,
}

impl Tried {
    fn failure(&self) -> Failure {
        self.outcome.result.as_ref().unwrap_err().clone()
    }
}

fn lab() -> Lab {
    let settings = LabSettings {
        count: 1,
        platforms: vec!["cisco_ios".into()],
        telnet_port: Some(0),
        ..LabSettings::default()
    };
    Lab::start(settings).unwrap()
}

fn access(lab: &Lab, protocol: Protocol) -> Access {
    let device = lab.device(0).unwrap();
    let port = if protocol == Protocol::Telnet { device.telnet_port.unwrap() } else { device.port };
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: device.hostname.clone(),
        address: device.address.to_string(),
        protocol,
        port,
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

async fn log_in(access: Access, forbids: bool) -> Tried {
    let witness = Witness { forbids, ..Witness::default() };
    let said = witness.said.clone();
    let request = ExecuteRequest {
        job: None,
        access: Access { guard: Some(Arc::new(witness)), ..access },
        platform: Platforms::shipped().unwrap().get("cisco_ios").unwrap(),
        commands: Vec::new(),
        within: Duration::from_secs(60),
    };
    let settings = DeviceSettings { max_pool_size: 0, ..DeviceSettings::default() };
    let outcome = Gateway::new(settings).execute(&request).await;
    let said = said.lock().unwrap().clone();
    Tried { outcome, said }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_asked_before_each_login_and_told_what_the_device_said() {
    let lab = lab();
    for protocol in [Protocol::Ssh, Protocol::Telnet] {
        let good = log_in(access(&lab, protocol), false).await;
        assert!(good.outcome.result.is_ok(), "{:?}", good.outcome);
        assert!(
            good.said.starts_with(&["enter", "accepted"]) && !good.said.contains(&"refused"),
            "{:?}",
            good.said
        );

        let mut wrong = access(&lab, protocol);
        wrong.login.password = Some(Secret::from("wrong"));
        let wrong = log_in(wrong, false).await;
        assert_eq!((wrong.failure().code, wrong.said), (ErrorCode::AuthFailed, vec!["enter", "refused"]));
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_to_which_the_guard_allows_no_login_is_shown_nothing() {
    let lab = lab();
    for protocol in [Protocol::Ssh, Protocol::Telnet] {
        let forbidden = log_in(access(&lab, protocol), true).await;
        assert_eq!(
            (forbidden.failure().code, &forbidden.said[..]),
            (ErrorCode::LockoutGuard, &["enter"][..])
        );
        assert_eq!(forbidden.outcome.login, LoginResult::NotTried);
    }
    let counters = lab.counters(0).unwrap();
    assert_eq!((counters.connections, counters.refused_logins, counters.sessions), (2, 0, 0));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_only_to_addresses_within_its_networks_whatever_the_name_says() {
    let lab = lab();
    let limited = |networks: &[&str], address: Option<&str>| {
        let mut access = access(&lab, Protocol::Ssh);
        let networks: Vec<String> = networks.iter().map(|text| (*text).to_owned()).collect();
        access.login_networks = Networks::new(&networks, &[]).unwrap();
        access.target.address = address.map_or(access.target.address, str::to_owned);
        access
    };
    for address in [None, Some("localhost")] {
        let outside = log_in(limited(&["192.0.2.0/24"], address), false).await;
        assert_eq!((outside.failure().code, outside.said.len()), (ErrorCode::CredentialNotAllowed, 0));
        assert!(outside.failure().message.contains("limited to 192.0.2.0/24"), "{}", outside.failure());
    }
    assert_eq!(lab.counters(0).unwrap().connections, 0);
    assert!(log_in(limited(&["127.0.0.0/8"], None), false).await.outcome.result.is_ok());

    // A jump host's own login is as limited, and counts as the jump host's trouble.
    let hop = limited(&["192.0.2.0/24"], None);
    let behind = Access { via: vec![hop], ..access(&lab, Protocol::Ssh) };
    let outside = log_in(behind, false).await;
    assert_eq!((outside.failure().code, outside.said.len()), (ErrorCode::JumpHost, 0));
    assert!(outside.failure().message.contains("limited to 192.0.2.0/24"), "{}", outside.failure());
    lab.shutdown().await;
}
