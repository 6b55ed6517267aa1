//! Devices that ask for user name and password inside the shell, against a scripted peer.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Login, Phase};
use netraven_platform::{Limits, Machine, Next, Plan, Platforms, Report};
use std::time::{Duration, Instant};

const CONTROLLER: &str = r##"
name: controller
title: A controller that lets everybody into its shell and then asks
sources: [a test]
comment: "#"
modes:
  any: {prompt: '^\((?<host>\w+)\) >$'}
login:
  username_prompt: '^User: *$'
  password_prompt: '^Password: *$'
parts:
  - {name: status, command: show status, kind: state}
logout: exit
"##;

struct Script {
    machine: Machine,
    now: Instant,
}

impl Script {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("controller.yaml"), CONTROLLER).unwrap();
        let limits = Limits {
            login: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            session: Duration::from_secs(300),
            logout: Duration::from_secs(2),
            max_output: 10_000,
        };
        let platform = Platforms::of_folder(folder.path()).unwrap().get("controller").unwrap();
        let (username, password) = ("canary-user".into(), Some("canary-password".into()));
        let plan = Plan::backup(platform, &Login { username, password, ..Login::default() }, limits);
        let now = Instant::now();
        Self { machine: Machine::new(plan, now), now }
    }

    fn receive(&mut self, text: &str) -> &mut Self {
        self.machine.receive(text.as_bytes(), self.now);
        self
    }

    fn sent(&mut self) -> Option<String> {
        match self.machine.next(self.now) {
            Next::Send(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        }
    }

    fn report(mut self) -> Report {
        self.machine.closed(self.now);
        self.machine.report()
    }
}

#[test]
fn each_question_is_answered_once_and_in_turn() {
    let mut script = Script::new();
    // A password is nobody's business before the user name.
    assert_eq!(script.receive("Password: ").sent(), None);
    assert_eq!(script.receive("\r\n\r\nUser: ").sent().as_deref(), Some("canary-user\n"));
    assert_eq!(script.receive("canary-user\r\nPassword: ").sent().as_deref(), Some("canary-password\n"));
    assert_eq!(script.receive("\r\n(wlc) >").sent().as_deref(), Some("show status\n"));
    assert_eq!(
        script.receive("show status\r\nok\r\nPassword: \r\n(wlc) >").sent().as_deref(),
        Some("exit\n")
    );
    let report = script.report();
    assert_eq!(report.result.unwrap().len(), 1);
    assert!(!report.dialogue.contains("canary-password"), "{}", report.dialogue);
}

#[test]
fn a_login_that_is_asked_for_again_was_refused() {
    let mut script = Script::new();
    script.receive("User: ").sent();
    script.receive("\r\nPassword: ").sent();
    assert_eq!(script.receive("\r\nLogin incorrect\r\nUser: ").sent(), None);
    let failure = script.report().result.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::AuthFailed, Phase::Login));
    assert!(!failure.message.contains("canary-password"), "{failure}");
}

#[test]
fn a_question_behind_the_login_gets_nothing() {
    let mut script = Script::new();
    script.receive("(wlc) >").sent();
    assert_eq!(script.receive("show status\r\nUser: ").sent(), None);
    assert_eq!(script.receive("\r\nPassword: ").sent(), None);
}
