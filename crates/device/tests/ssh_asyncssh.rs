//! asyncssh, a second implementation of the server's side: logins, and commands on channels of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, Answer, CollectRequest, DeviceSettings, ExecuteRequest, Gateway, Outcome};
use netraven_model::{ErrorCode, Login, Target};
use netraven_platform::{Platform, Platforms};
use netraven_seal::FingerprintKey;
use ssh_common::*;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ssh_common/other_server.py");

/// Debian's package is for its own Python, which need not be the first one.
const PYTHONS: &[&str] = &["/usr/bin/python3", "python3"];

struct Server {
    target: Target,
    _process: Child,
}

/// `None`, said aloud, where no Python has asyncssh.
async fn start() -> Option<Server> {
    for python in PYTHONS {
        let mut command = Command::new(python);
        command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut process) = command.kill_on_drop(true).spawn() else { continue };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(LONG, lines.next_line()).await.expect("it starts").unwrap();
        if let Some(port) = line {
            return Some(Server { target: target("127.0.0.1", port.parse().unwrap()), _process: process });
        }
    }
    skip("asyncssh is missing: install the package python3-asyncssh");
    None
}

/// A family with a part `up` and a configuration.
fn family(ssh: &str, config: &str) -> Arc<Platform> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "name: x\ntitle: X\nsources: [none]\ncomment: '#'\nmodes: {{m: {{prompt: '>$'}}}}\nlogout: exit\n\
         rejected: ['not found$']\n{ssh}\nparts: [{{name: s, command: up, kind: state}}, {{name: c, command: {config}, kind: config, end: '^end$'}}]\n"
    );
    std::fs::write(folder.path().join("x.yaml"), text).unwrap();
    Platforms::of_folder(folder.path()).unwrap().get("x").unwrap()
}

fn login(user: &str) -> Login {
    Login { username: user.into(), ..password("right") }
}

async fn ask(server: &Server, ssh: &str, commands: &[&str]) -> Outcome<Vec<Answer>> {
    let request = ExecuteRequest {
        job: None,
        access: Access::new(server.target.clone(), login("pass")),
        platform: family(ssh, "whole"),
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        within: LONG,
    };
    Gateway::new(DeviceSettings::default()).execute(&request).await
}

const MARKED: &str = "ssh: {channel: exec, wrap: '{command}; mark', end: '^the end$'}";
const EXEC: &str = "ssh: {channel: exec}";

#[tokio::test]
async fn commands_are_asked_one_by_one_over_one_connection() {
    let Some(server) = start().await else { return };
    let outcome = ask(&server, EXEC, &["echo one", "fail", "echo two"]).await;
    let answers = outcome.result.unwrap_or_else(|failure| panic!("{failure}"));
    let told: Vec<_> = answers.iter().map(|answer| (answer.accepted, answer.text.expose_bytes())).collect();
    assert_eq!(told, [(true, &b"one\n"[..]), (false, b"fail: not found\n"), (true, b"two\n")]);
    assert_eq!(outcome.events.len(), 5, "{:?}", outcome.events);
}

#[tokio::test]
async fn a_whole_answer_is_kept_and_half_of_one_is_truncated_however_cleanly_it_ends() {
    let Some(server) = start().await else { return };
    let mut request = CollectRequest {
        job: None,
        access: Access::new(server.target.clone(), login("pass")),
        platform: family(MARKED, "whole"),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    };
    let gateway = Gateway::new(DeviceSettings::default());
    let whole = gateway.collect(&request).await;
    assert!(whole.result.is_ok(), "{whole:?}");

    for (command, code) in [("half", ErrorCode::Truncated), ("cut", ErrorCode::Disconnected)] {
        request.platform = family(MARKED, command);
        let failure = gateway.collect(&request).await.result.unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains(command) && !failure.message.contains("line of"), "{failure}");
    }
}

#[tokio::test]
async fn a_second_round_without_questions_is_acknowledged() {
    let Some(server) = start().await else { return };
    let connection = open(&server.target, &login("rounds"), &[], &settings()).await.unwrap();
    assert!(connection.server_version().contains("AsyncSSH"), "{}", connection.server_version());
}

#[tokio::test]
async fn of_two_questions_in_one_round_the_one_that_has_no_answer_is_quoted() {
    let Some(server) = start().await else { return };
    let refusal = open(&server.target, &login("ask"), &[], &settings()).await.unwrap_err();
    assert_eq!(refusal.failure.code, ErrorCode::AuthFailed, "{refusal}");
    assert!(refusal.failure.message.contains("\"Verification code:\""), "{refusal}");
}

#[tokio::test]
async fn a_wrong_password_is_auth_failed() {
    let Some(server) = start().await else { return };
    let wrong = Login { username: "pass".into(), ..password("canary") };
    let refusal = open(&server.target, &wrong, &[], &settings()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::AuthFailed, true), "{refusal}");
}

#[tokio::test]
async fn an_expired_password_is_told_from_a_slow_device() {
    let Some(server) = start().await else { return };
    let hasty =
        netraven_device::SshSettings { auth_timeout: std::time::Duration::from_secs(3), ..settings() };
    let refusal = open(&server.target, &login("expired"), &[], &hasty).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::AuthFailed, true), "{refusal}");
    assert!(refusal.failure.message.contains("expired password"), "{refusal}");
}
