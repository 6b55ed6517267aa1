//! Servers that repeat what they were told: no message, event or dialogue holds the credential's own password.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, DeviceSettings, ExecuteRequest, Gateway};
use netraven_model::ErrorCode;
use netraven_platform::Platforms;
use russh::MethodKind::KeyboardInteractive;
use ssh_common::peer::{self, Script};
use ssh_common::*;

/// Everything that comes out of a request that must fail, and its code.
async fn outcome(script: Script) -> (ErrorCode, String) {
    let peer = peer::start(script).await;
    let request = ExecuteRequest {
        job: None,
        access: Access::new(peer.target.clone(), password("canary-own")),
        platform: Platforms::shipped().unwrap().get("cisco_ios").unwrap(),
        commands: vec!["show version".into()],
        within: LONG,
    };
    let outcome = Gateway::new(DeviceSettings::default()).execute(&request).await;
    let shown = format!("{outcome:?}");
    (outcome.result.unwrap_err().code, shown)
}

#[tokio::test]
async fn a_question_that_repeats_the_password_is_quoted_without_it() {
    let rounds = vec![vec![("Password:", false)], vec![("You said canary-own; colour?", true)]];
    let script = Script {
        methods: vec![KeyboardInteractive],
        password: Some("canary-own"),
        rounds,
        ..Script::default()
    };
    let (code, shown) = outcome(script).await;
    assert_eq!(code, ErrorCode::AuthFailed);
    assert!(shown.contains("colour?") && !shown.contains("canary"), "{shown}");
}
