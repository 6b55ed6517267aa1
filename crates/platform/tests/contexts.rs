//! Devices whose configuration lies in several contexts, against a scripted peer.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Login};
use netraven_platform::{Limits, Machine, Next, Plan, Platforms, Report};
use std::time::{Duration, Instant};

const WALL: &str = r##"
name: wall
title: A firewall with virtual ones in it
sources: [a test]
comment: "#"
line_end: crlf
modes:
  any: {prompt: '^(?<host>\w+)(?: \(\w+\))? # $'}
rejected: ['^Unknown action', '^command parse error']
contexts:
  vdom:
    list: list vdoms
    pattern: '^name: (.+)$'
    enter: [config vdom, "edit {context}"]
    leave: [end]
parts:
  - {name: status, command: get status, kind: state}
  - {name: configuration, command: show, kind: config, for_each: vdom, end: '^end$'}
  - {name: policy, command: show policy, kind: config, for_each: vdom, optional: true}
logout: exit
"##;

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 10_000,
};

struct Script {
    machine: Machine,
    now: Instant,
}

impl Script {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wall.yaml"), WALL).unwrap();
        let platform = Platforms::of_folder(folder.path()).unwrap().get("wall").unwrap();
        let now = Instant::now();
        let mut script =
            Self { machine: Machine::new(Plan::backup(platform, &Login::default(), LIMITS), now), now };
        script.machine.receive(b"fw # ", now);
        script.answer("get status", "ok\n", "fw # ");
        script
    }

    fn answer(&mut self, command: &str, answer: &str, prompt: &str) -> &mut Self {
        let mut next = self.machine.next(self.now);
        // A configuration without an end of its own is believed after a silence.
        if let Next::Wait(until) = next {
            assert_eq!(until, self.now + Duration::from_millis(200));
            self.now = until;
            next = self.machine.next(self.now);
        }
        match next {
            Next::Send(bytes) => assert_eq!(String::from_utf8_lossy(&bytes), format!("{command}\r\n")),
            other => panic!("expected `{command}`, got {other:?}"),
        }
        let text = format!("{command}\n{answer}{prompt}").replace('\n', "\r\n");
        self.machine.receive(text.as_bytes(), self.now);
        self
    }

    fn finish(mut self) -> Report {
        self.machine.closed(self.now);
        self.machine.report()
    }
}

#[test]
fn each_context_is_entered_collected_and_left() {
    let mut script = Script::new();
    script.answer("list vdoms", "name: root\nname: lab\n", "fw # ");
    for (part, text) in [("show", "config system\nend\n"), ("show policy", "policy\n")] {
        for vdom in ["root", "lab"] {
            script.answer("config vdom", "", "fw (vdom) # ").answer(
                &format!("edit {vdom}"),
                "",
                &format!("fw ({vdom}) # "),
            );
            script.answer(part, text, &format!("fw ({vdom}) # ")).answer("end", "", "fw # ");
        }
    }
    script.answer("exit", "", "");
    let outputs = script.finish().result.unwrap();
    let found: Vec<_> = outputs.iter().map(|output| (output.part, output.context.as_deref())).collect();
    assert_eq!(found, [(0, None), (1, Some("root")), (1, Some("lab")), (2, Some("root")), (2, Some("lab"))]);
}

#[test]
fn a_device_without_contexts_is_collected_as_a_whole() {
    for list in ["Unknown action 0\n", ""] {
        let mut script = Script::new();
        script.answer("list vdoms", list, "fw # ").answer("show", "x\nend\n", "fw # ");
        script.answer("show policy", "Unknown action 0\n", "fw # ").answer("exit", "", "");
        let outputs = script.finish().result.unwrap();
        assert_eq!(outputs.iter().map(|output| &output.context).collect::<Vec<_>>(), [&None, &None]);
    }
}

#[test]
fn a_context_that_cannot_be_entered_fails_the_backup() {
    let mut script = Script::new();
    script.answer("list vdoms", "name: root\n", "fw # ").answer(
        "config vdom",
        "command parse error\n",
        "fw # ",
    );
    let failure = script.finish().result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::CommandRejected);
    assert!(failure.message.contains("`config vdom`"), "{failure}");
}

#[test]
fn a_truncated_configuration_in_a_context_is_no_configuration() {
    let mut script = Script::new();
    script.answer("list vdoms", "name: root\n", "fw # ").answer("config vdom", "", "fw (vdom) # ");
    script.answer("edit root", "", "fw (root) # ").answer("show", "config sys\n", "fw (root) # ");
    script.now += Duration::from_secs(3);
    assert_eq!(script.machine.next(script.now), Next::Finished);
    assert_eq!(script.machine.report().result.unwrap_err().code, ErrorCode::Truncated);
}

#[test]
fn a_line_like_the_prompt_does_not_end_a_configuration_without_an_end() {
    let mut script = Script::new();
    script.answer("list vdoms", "", "fw # ").answer("show", "x\nend\n", "fw # ");
    script.answer("show policy", "one\nfw # ", "");
    script.now += Duration::from_millis(100);
    script.machine.receive(b"note\r\ntwo\r\nfw # ", script.now);
    script.answer("exit", "", "");
    let outputs = script.finish().result.unwrap();
    assert_eq!(outputs[2].capture.expose_bytes(), b"one\nfw # note\ntwo\n");
}

#[test]
fn a_name_that_is_none_is_not_sent_back() {
    let mut script = Script::new();
    script.answer("list vdoms", &format!("name: {}\n", "x".repeat(200)), "fw # ");
    let failure = script.finish().result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::Unsupported);
    assert!(failure.message.contains("list vdoms"), "{failure}");
}
