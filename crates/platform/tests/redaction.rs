//! What a session's record, events and failures show of what was said: nothing that may be a secret.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Failure, Login, Phase};
use netraven_platform::{Limits, Machine, Next, Part, Plan, Platforms, Redactor, Report};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 1 << 20,
};

struct Talk {
    machine: Machine,
    now: Instant,
    prompt: &'static str,
}

impl Talk {
    /// A session that asks one command of somebody's own, with its terminal set up.
    fn with(patterns: &[&str], command: &str) -> Self {
        let redactor = Arc::new(Redactor::new(patterns).unwrap());
        let platform = Platforms::load_with(None, redactor).unwrap().get("cisco_ios").unwrap();
        let login = Login { username: "ops".into(), password: Some("canary-own".into()), ..Login::default() };
        let plan = Plan { parts: [Part::command(command)].into(), ..Plan::backup(platform, &login, LIMITS) };
        let now = Instant::now();
        let mut talk = Self { machine: Machine::new(plan, now), now, prompt: "SW1#" };
        talk.say("\r\nSW1#").answer("").answer("");
        talk
    }

    fn say(&mut self, text: &str) -> &mut Self {
        self.machine.receive(text.as_bytes(), self.now);
        self
    }

    /// Echoes what was sent, answers it and shows the prompt.
    fn answer(&mut self, answer: &str) -> &mut Self {
        let prompt = self.prompt;
        self.echo();
        self.say(&format!("{answer}{prompt}"))
    }

    fn echo(&mut self) -> &mut Self {
        let Next::Send(sent) = self.machine.next(self.now) else { panic!("nothing is sent") };
        let line = String::from_utf8_lossy(&sent).replace('\n', "\r\n");
        self.say(&line)
    }

    fn silence(&mut self) -> &mut Self {
        while let Next::Wait(until) = self.machine.next(self.now) {
            self.now = until;
        }
        self
    }

    fn end(self) -> Report {
        self.machine.report()
    }
}

fn message(report: &Report) -> &str {
    &report.result.as_ref().unwrap_err().message
}

#[test]
fn a_command_with_a_secret_in_it_is_neither_in_the_record_nor_in_its_event_nor_in_a_failure() {
    let command = "snmp-server community canary-given RO";
    let mut talk = Talk::with(&["community"], command);
    talk.answer("done\r\n");
    let report = talk.end();
    assert!(!report.dialogue.contains("canary"), "{}", report.dialogue);
    assert!(report.dialogue.contains("> [REDACTED LINE]"), "{}", report.dialogue);
    assert!(report.dialogue.contains("> terminal length 0"), "{}", report.dialogue);
    assert_eq!(report.commands[0].command, "[REDACTED LINE]");

    let mut talk = Talk::with(&["community"], command);
    talk.echo().silence();
    let report = talk.end();
    assert!(message(&report).contains("after `[REDACTED LINE]`"), "{}", message(&report));
    assert!(!format!("{report:?}").contains("canary"));
}

#[test]
fn an_installations_own_pattern_hides_lines_of_answers_and_failures() {
    let mut talk = Talk::with(&["re:^site [0-9]+$"], "show clock");
    talk.echo().say("fine\r\nSite 4711").silence();
    let report = talk.end();
    assert!(message(&report).contains("[REDACTED LINE]"), "{}", message(&report));
    assert!(!format!("{report:?} {}", report.dialogue).contains("4711"));
}

#[test]
fn a_cut_private_key_is_not_quoted_although_its_last_line_says_nothing() {
    for cut in ["MIIEcanary", "canary==\r\n-----END RSA PRIV"] {
        let mut talk = Talk::with(&[], "show it");
        talk.echo().say("-----BEGIN RSA PRIVATE KEY-----\r\nMIIB\r\n").say(cut);
        talk.machine.closed(talk.now);
        let report = talk.end();
        assert!(message(&report).contains("[REDACTED LINE]"), "{}", message(&report));
        assert!(!format!("{report:?} {}", report.dialogue).contains("canary"));
    }
}

#[test]
fn a_line_whose_begin_is_too_far_away_to_be_looked_at_is_not_quoted() {
    let mut talk = Talk::with(&["secret"], "show it");
    talk.echo().say("secret ").say(&"x".repeat(80_000)).say("canary");
    talk.machine.closed(talk.now);
    let report = talk.end();
    assert!(message(&report).contains("none on the last line that can be shown"), "{}", message(&report));
    assert!(!format!("{report:?}").contains("canary"));
}

#[test]
fn a_password_that_the_device_repeats_in_pieces_is_found_in_the_whole() {
    let mut talk = Talk::with(&[], "show it");
    talk.echo().say("typed: can").say("ary-").say("own ok?");
    talk.machine.closed(talk.now);
    let report = talk.end();
    assert!(message(&report).contains("typed: [REDACTED] ok?"), "{}", message(&report));
}

#[test]
fn who_asked_for_a_text_gets_its_lines_without_their_secrets() {
    let ios = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
    let text = b"enable secret 9 $9$canary$x\r\nservice password-encryption\nend\xff";
    assert_eq!(
        ios.hide_secrets(text),
        "enable secret 9 [REDACTED]\r\nservice password-encryption\nend\u{fffd}"
    );
}

#[test]
fn a_farewell_that_repeats_the_password_is_told_without_it() {
    let mut talk = Talk::with(&[], "show version");
    let lost = Failure::new(ErrorCode::Disconnected, Phase::Collect, "it said: bye, canary-own");
    talk.machine.broken(lost, talk.now);
    let shown = format!("{:?}", talk.machine.report());
    assert!(shown.contains("it said: bye") && !shown.contains("canary"), "{shown}");
}
