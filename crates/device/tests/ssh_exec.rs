//! Commands on channels of their own with a real OpenSSH server, and the shell where a device does not have that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, CollectRequest, Collected, DeviceSettings, ExecuteRequest, Gateway};
use netraven_lab::{Lab, LabSettings};
use netraven_model::{ErrorCode, Login};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use ssh_common::*;
use std::time::Duration;

fn ask(access: Access, commands: &[&str]) -> ExecuteRequest {
    ExecuteRequest {
        job: None,
        access,
        platform: Platforms::shipped().unwrap().get("linux").unwrap(),
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        within: LONG,
    }
}

#[tokio::test]
async fn what_a_shell_would_garble_comes_as_it_is() {
    let Some(server) = sshd::start(&["PermitTTY no"], &["ed25519"], "ed25519").await else { return };
    let commands = ["printf 'ops@box:~$ \\nrouter# \\n'", "cat /nonexistent", "seq -s '' 1 40000"];
    let request = ask(Access::new(server.target.clone(), server.login()), &commands);
    let outcome = Gateway::new(DeviceSettings::default()).execute(&request).await;
    let answers = outcome.result.unwrap_or_else(|failure| panic!("{failure}\n{}", server.errors()));
    assert_eq!(answers[0].text.expose_bytes(), b"ops@box:~$ \nrouter#\n", "lines that read like prompts");
    let refusal = String::from_utf8_lossy(answers[1].text.expose_bytes());
    assert!(!answers[1].accepted && refusal.contains("No such file"), "{refusal}");
    assert!(answers[2].text.expose_bytes().ends_with(b"3999940000\n"), "one line of 200 KB");
}

#[tokio::test]
async fn a_command_that_hangs_or_floods_is_given_up_in_time() {
    let Some(server) = sshd::start(&[], &["ed25519"], "ed25519").await else { return };
    let access = Access::new(server.target.clone(), server.login());
    let hasty = Duration::from_millis(500);
    for (command, command_timeout, code) in
        [("sleep 600", hasty, ErrorCode::Timeout), ("yes", LONG, ErrorCode::OutputTooLarge)]
    {
        let bounds = DeviceSettings { command_timeout, max_output: 1 << 20, ..DeviceSettings::default() };
        let gateway = Gateway::new(bounds);
        let failure = gateway.execute(&ask(access.clone(), &[command])).await.result.unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.len() < 1000, "{failure}");
    }
    tokio::time::timeout(LONG, server.until_idle()).await.expect("the connections are closed");
}

#[tokio::test]
async fn a_device_that_refuses_commands_is_asked_in_a_shell_on_the_same_channel() {
    let lab = Lab::start(LabSettings { count: 1, platforms: vec!["linux".into()], ..LabSettings::default() });
    let lab = lab.unwrap();
    let device = &lab.devices()[0];
    let login = Login {
        username: device.username.clone(),
        password: Some(device.password.clone()),
        ..Login::default()
    };
    let request = CollectRequest {
        job: None,
        access: Access::new(target(&device.address.to_string(), device.port), login),
        platform: Platforms::shipped().unwrap().get("linux").unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    };
    let outcome = Gateway::new(DeviceSettings::default()).collect(&request).await;
    assert!(matches!(outcome.result, Ok(Collected::Changed { .. })), "{outcome:?}");
}
