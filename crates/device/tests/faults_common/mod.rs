//! A device that goes wrong where it is told to, over Telnet and SSH, and requests to it.
// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod device;
pub mod ssh;
pub mod telnet;

use netraven_device::{Access, CollectOutcome, CollectRequest, Collected, DeviceSettings, Gateway};
use netraven_model::{Backoff, ErrorCode, Login, Protocol, Target};
use netraven_platform::{Platform, Platforms};
use netraven_seal::{FingerprintKey, decompress};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::time::timeout;

/// Ends a test that hangs; nothing here takes that long.
pub const LONG: Duration = Duration::from_secs(120);

/// A family as plain as can be, with everything that a session may need.
const BOX: &str = r##"
name: box
title: A box of the tests
sources: [a test]
comment: "! "
modes:
  user: {prompt: '^(?<host>[a-z][\w-]*)>\s*$'}
  privileged: {prompt: '^(?<host>[a-z][\w-]*)#\s*$'}
enable: {from: user, to: privileged, command: enable, password_prompt: '^Password:\s*$'}
prepare: [terminal length 0]
pager: {pattern: '^ ?--More--\s*$', send: " "}
rejected: ['^% Invalid input']
parts:
  - {name: version, command: show version, kind: state}
  - {name: config, command: show config, kind: config, end: '^end\s*$'}
logout: exit
"##;

pub static PLATFORM: LazyLock<Arc<Platform>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("box.yaml"), BOX).unwrap();
    Platforms::of_folder(folder.path()).unwrap().get("box").unwrap()
});

/// Deadlines that nothing honest needs, and no second attempts.
pub fn patient() -> DeviceSettings {
    DeviceSettings {
        login_timeout: Duration::from_secs(60),
        connect: Backoff { attempts: 1, ..DeviceSettings::default().connect },
        max_pool_size: 0,
        ..DeviceSettings::default()
    }
}

/// Deadlines for devices that fall silent.
pub fn impatient() -> DeviceSettings {
    DeviceSettings {
        login_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(2),
        session_timeout: Duration::from_secs(20),
        ..patient()
    }
}

pub fn request(protocol: Protocol, port: u16) -> CollectRequest {
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: "sw1".into(),
        address: "127.0.0.1".into(),
        protocol,
        port,
        platform: "box".into(),
    };
    let login = Login {
        username: "ops".into(),
        password: Some("login-canary".into()),
        enable: Some("enable-canary".into()),
        ..Login::default()
    };
    CollectRequest {
        job: None,
        access: Access::new(target, login),
        platform: PLATFORM.clone(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    }
}

/// One backup, which ends.
pub async fn collect(protocol: Protocol, port: u16, settings: DeviceSettings) -> CollectOutcome {
    let gateway = Gateway::new(settings);
    timeout(LONG, gateway.collect(&request(protocol, port))).await.expect("it has its deadlines")
}

/// The code of a backup that failed, whose log gives nothing away.
pub fn failed(outcome: &CollectOutcome) -> ErrorCode {
    let text = format!("{:?}\n{}", outcome.result, outcome.dialogue);
    assert!(!text.contains("canary"), "{text}");
    match &outcome.result {
        Ok(_) => panic!("it was collected\n{text}"),
        Err(failure) => failure.code,
    }
}

/// The configuration that was collected.
pub fn collected(outcome: CollectOutcome) -> String {
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    match outcome.result {
        Ok(Collected::Changed { config, .. }) => {
            let part = config.parts().iter().find(|part| part.name == "config").unwrap();
            String::from_utf8_lossy(&decompress(&part.content, part.size, part.digest).unwrap()).into_owned()
        }
        other => panic!("{other:?}\n{}", outcome.dialogue),
    }
}
