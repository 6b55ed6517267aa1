//! Ways from where a login lands to where commands are given, and pagers, of definitions written for it.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Login};
use netraven_platform::{Limits, Machine, Next, Plan, Platform, Platforms};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 10_000,
};

const BASE: &str = "name: acme_os
title: T
sources: [none]
comment: '! '
modes:
  boot: {prompt: '^boot\\$ *$'}
  user: {prompt: '^\\w+> *$'}
  privileged: {prompt: '^\\w+# *$'}
  shell: {prompt: '^\\w+% *$'}
parts: [{name: c, command: show, kind: config, end: '^end$'}]
logout: exit
";

const STEPS: &str = "enable:
  - {from: boot, to: user, command: cli}
  - {from: boot, to: user, command: telnet localhost}
  - {from: user, to: privileged, command: enable, username_prompt: '^User:\\s*$', password_prompt: '^Password:\\s*$'}
  - {from: privileged, to: shell, command: expert, password_prompt: '^Expert:\\s*$'}
";

fn platforms(more: &str) -> Result<Platforms, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme_os.yaml"), format!("{BASE}{more}")).unwrap();
    Platforms::of_folder(folder.path()).map_err(|error| error.to_string())
}

fn platform(more: &str) -> Arc<Platform> {
    platforms(more).unwrap().get("acme_os").unwrap()
}

/// A session with a device that is played by hand.
struct Peer {
    machine: Machine,
    now: Instant,
}

impl Peer {
    fn new(more: &str) -> Self {
        let login = Login {
            username: "ops".into(),
            password: Some("canary-login".into()),
            enable: Some("canary-enable".into()),
            ..Login::default()
        };
        let now = Instant::now();
        Self { machine: Machine::new(Plan::backup(platform(more), &login, LIMITS), now), now }
    }

    fn says(&mut self, text: &str) -> &mut Self {
        self.machine.receive(text.replace('\n', "\r\n").as_bytes(), self.now);
        self
    }

    fn gets(&mut self, text: &str) -> &mut Self {
        match self.machine.next(self.now) {
            Next::Send(bytes) => assert_eq!(String::from_utf8_lossy(&bytes), text),
            other => panic!("expected to send {text:?}, got {other:?}"),
        }
        self
    }

    fn gets_nothing(&mut self) -> &mut Self {
        let next = self.machine.next(self.now);
        assert!(matches!(next, Next::Wait(_)), "{next:?}");
        self
    }

    fn fails(self) -> (ErrorCode, String) {
        let failure = self.machine.report().result.unwrap_err();
        (failure.code, failure.message)
    }
}

#[test]
fn steps_lead_in_order_from_where_the_login_landed() {
    let mut peer = Peer::new(STEPS);
    peer.says("hello\nboot$ ").gets("cli\n").says("cli\nr1>").gets("enable\n").says("enable\nPassword: ");
    peer.gets("canary-enable\n").says("\nr1#").gets("expert\n").says("expert\nExpert: ");
    peer.gets("canary-enable\n").says("\nr1%").gets("show\n");
    let mut peer = Peer::new(STEPS);
    peer.says("r1#").gets("expert\n").says("expert\nr1%").gets("show\n");
    let mut peer = Peer::new(STEPS);
    peer.says("r1%").gets("show\n");
}

#[test]
fn a_step_that_leads_nowhere_gives_way_to_the_next_one_that_begins_there() {
    let mut peer = Peer::new(STEPS);
    peer.says("boot$ ").gets("cli\n").says("cli\nsh: cli: not found\nboot$ ").gets("telnet localhost\n");
    peer.says("telnet localhost\nr1>").gets("enable\n");
    let mut peer = Peer::new(STEPS);
    peer.says("boot$ ").gets("cli\n").says("cli\nboot$ ").gets("telnet localhost\n");
    peer.says("telnet localhost\nno\nboot$ ");
    let (code, message) = peer.fails();
    assert_eq!(code, ErrorCode::EnableFailed);
    assert!(message.contains("stayed in mode 'boot'"), "{message}");
}

#[test]
fn the_user_name_is_told_once_and_the_password_behind_it() {
    let mut peer = Peer::new(STEPS);
    peer.says("r1>").gets("enable\n").says("enable\nUser: ").gets("ops\n").says("ops\nPassword: ");
    peer.gets("canary-enable\n").says("\nr1#").gets("expert\n");
    let report = peer.machine.report();
    assert!(report.dialogue.contains("[user name]") && report.dialogue.contains("[enable secret]"));
    assert!(!report.dialogue.contains("canary"), "{}", report.dialogue);

    let mut peer = Peer::new(STEPS);
    peer.says("r1>").gets("enable\n").says("enable\nUser: ").gets("ops\n").says("ops\nPassword: ");
    peer.gets("canary-enable\n").says("\nUser: ");
    let (code, message) = peer.fails();
    assert_eq!(code, ErrorCode::EnableFailed);
    assert!(message.contains("user name and enable secret"), "{message}");
}

#[test]
fn a_question_of_another_step_or_before_the_command_gets_nothing() {
    let mut peer = Peer::new(STEPS);
    peer.says("hello\nUser: ").gets_nothing().says("\nr1>").gets("enable\n").says("enable\nExpert: ");
    peer.gets_nothing().says("\nboot$ ");
    assert_eq!(peer.fails().0, ErrorCode::EnableFailed);
}

#[test]
fn a_refused_password_is_not_sent_to_another_step() {
    let twice = "enable:
  - {from: user, to: privileged, command: enable, password_prompt: '^Password:\\s*$'}
  - {from: user, to: privileged, command: super, password_prompt: '^Password:\\s*$'}
";
    let mut peer = Peer::new(twice);
    peer.says("r1>").gets("enable\n").says("enable\nPassword: ").gets("canary-enable\n").says("\nno\nr1>");
    assert_eq!(peer.fails().0, ErrorCode::EnableFailed);
}

#[test]
fn wrong_steps_are_told_with_their_line() {
    let wrong = |more: &str| platforms(more).err().unwrap();
    let error = wrong("enable:\n  - {from: user, to: user, command: x}\n");
    assert!(error.contains("leads nowhere") && error.contains(":13:"), "{error}");
    let error = wrong("enable: {from: user, to: shell, command: x, username_prompt: 'u'}\n");
    assert!(error.contains("needs the `password_prompt`"), "{error}");
    let error = wrong("enable: [{from: user, to: nowhere, command: x}]\n");
    assert!(error.contains("no mode 'nowhere'"), "{error}");
    assert!(wrong("enable: []\n").contains("at least one"));
    assert!(wrong("enable: enable\n").contains("a mapping or a list"));
    assert!(wrong("pager: [{pattern: x, sends: y}]\n").contains("sends"));
}

#[test]
fn each_pager_gets_its_own_key() {
    let pagers = "pager:
  - {pattern: '^--More--$', send: \" \"}
  - {pattern: '^Press Enter$', send: \"\\n\"}
  - {pattern: '^\\(END\\)$', send: q}
";
    let mut peer = Peer::new(pagers);
    peer.says("r1#")
        .gets("show\n")
        .says("show\none\n--More--")
        .gets(" ")
        .says("\r        \rtwo\nPress Enter");
    peer.gets("\n").says("\r           \rend\n(END)").gets("q").says("\r     \rr1#").gets("exit\n");
    peer.machine.closed(peer.now);
    let outputs = peer.machine.report().result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), b"one\ntwo\nend\n");
}
