//! The session machine against a scripted peer, with time made by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Login, Phase};
use netraven_platform::{Limits, Machine, Next, Plan, Platforms, Report};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 10_000,
};

/// Optional commands between the inventory and the configuration, with their alternatives.
const STATES: [&str; 5] =
    ["show bootvar", "show boot", "show vtp status", "show vlan brief", "show vlan-switch brief"];

const CONFIG: &str = "Building configuration...\n\nversion 15.2\nhostname SW1\nend\n";

struct Script {
    machine: Machine,
    now: Instant,
}

impl Script {
    fn new(platform: &str) -> Self {
        let now = Instant::now();
        let login = Login {
            username: "canary-user".into(),
            password: Some("canary-login".into()),
            enable: Some("canary-enable".into()),
            ..Login::default()
        };
        let plan = Plan::backup(Platforms::shipped().unwrap().get(platform).unwrap(), &login, LIMITS);
        Self { machine: Machine::new(plan, now), now }
    }

    fn receive(&mut self, text: &str) -> &mut Self {
        self.machine.receive(text.replace('\n', "\r\n").as_bytes(), self.now);
        self
    }

    fn expect_send(&mut self, text: &str) -> &mut Self {
        match self.machine.next(self.now) {
            Next::Send(bytes) => assert_eq!(String::from_utf8_lossy(&bytes), text),
            other => panic!("expected to send {text:?}, got {other:?}"),
        }
        self
    }

    /// The command goes out, its echo and its answer come back.
    fn answer(&mut self, command: &str, answer: &str, prompt: &str) -> &mut Self {
        self.expect_send(&format!("{command}\n")).receive(&format!("{command}\n{answer}{prompt}"))
    }

    fn expect_wait(&mut self, seconds: u64) -> &mut Self {
        assert_eq!(self.machine.next(self.now), Next::Wait(self.now + Duration::from_secs(seconds)));
        self
    }

    fn silence(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn prepared(prompt: &str) -> Self {
        let mut script = Self::new("cisco_ios");
        script.receive(&format!("\nWelcome\n\n{prompt}"));
        script.answer("terminal length 0", "", prompt).answer("terminal width 0", "", prompt);
        script.answer("show version", "Cisco IOS Software, Version 15.2(4)E\n", prompt);
        script.answer("show inventory", "% Invalid input detected\n", prompt);
        script.refuse_states(prompt);
        script
    }

    /// What only switches have.
    fn refuse_states(&mut self, prompt: &str) -> &mut Self {
        for command in STATES {
            self.answer(command, "% Invalid input detected\n", prompt);
        }
        self
    }

    fn finish(mut self) -> Report {
        assert_eq!(self.machine.next(self.now), Next::Finished);
        self.machine.report()
    }

    fn failure(self) -> (ErrorCode, Phase, String) {
        let failure = self.finish().result.unwrap_err();
        (failure.code, failure.phase, failure.message)
    }
}

#[test]
fn a_backup_runs_from_the_first_prompt_to_the_logout() {
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", CONFIG, "SW1#").expect_send("exit\n");
    script.machine.closed(script.now);
    let report = script.finish();
    let outputs = report.result.unwrap();
    assert_eq!(outputs.len(), 2, "the optional command was refused");
    assert_eq!(outputs[1].command, "show running-config");
    assert_eq!(outputs[1].capture.expose_bytes(), CONFIG.as_bytes());
    assert_eq!(report.host.as_deref(), Some("SW1"));
    let accepted: Vec<_> = report.commands.iter().map(|c| (c.command.as_str(), c.accepted)).collect();
    assert_eq!(accepted[..2], [("show version", true), ("show inventory", false)]);
    assert_eq!(accepted[2..7], STATES.map(|command| (command, false)));
    assert_eq!(accepted[7..], [("show running-config", true)]);
    assert!(!report.dialogue.contains("hostname SW1"), "{}", report.dialogue);
    assert!(report.dialogue.contains("show running-config") && report.dialogue.contains("Welcome"));
}

#[test]
fn the_session_counts_when_the_device_never_closes() {
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", CONFIG, "SW1#").expect_send("exit\n").expect_wait(2).silence(2);
    assert_eq!(script.finish().result.unwrap().len(), 2);
}

#[test]
fn enable_sends_its_secret_once_and_only_to_its_own_question() {
    let mut script = Script::new("cisco_ios");
    script.receive("Password: \nSW1>").expect_send("enable\n").receive("enable\nPassword: ");
    script.expect_send("canary-enable\n").receive("\nSW1#").expect_send("terminal length 0\n");
    let report = script.machine.report();
    assert!(!report.dialogue.contains("canary"), "{}", report.dialogue);
}

#[test]
fn a_wrong_enable_secret_is_not_sent_twice() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1>").expect_send("enable\n").receive("enable\nPassword: ");
    script.expect_send("canary-enable\n").receive("\nPassword: ");
    let (code, phase, message) = script.failure();
    assert_eq!((code, phase), (ErrorCode::EnableFailed, Phase::Enable));
    assert!(!message.contains("canary"));
}

#[test]
fn staying_in_user_mode_is_a_failed_enable() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1>").expect_send("enable\n").receive("enable\n% Error in authentication.\n\nSW1>");
    let (code, _, message) = script.failure();
    assert_eq!(code, ErrorCode::EnableFailed);
    assert!(message.contains("mode 'user'") && message.contains("Error in authentication"), "{message}");
}

#[test]
fn a_pager_that_cannot_be_switched_off_is_answered_and_leaves_no_trace() {
    let mut script = Script::prepared("SW1#");
    script.expect_send("show running-config\n").receive("show running-config\nversion 15.2\n --More-- ");
    script.expect_send(" ");
    script.machine.receive(b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08 ip x\r\nend\r\nSW1#", script.now);
    script.expect_send("exit\n");
    script.machine.closed(script.now);
    assert_eq!(script.finish().result.unwrap()[1].capture.expose_bytes(), b"version 15.2\n ip x\nend\n");
}

#[test]
fn a_line_of_the_configuration_that_reads_like_the_prompt_does_not_end_it() {
    let mut script = Script::prepared("SW1#");
    script
        .expect_send("show running-config\n")
        .receive("show running-config\nversion 15.2\nbanner motd ^\nSW1#");
    script.expect_wait(3).silence(2).receive(" beware\n^\nend\nSW1#").expect_send("exit\n");
    script.machine.closed(script.now);
    let config = script.finish().result.unwrap().remove(1);
    assert_eq!(config.capture.expose_bytes(), b"version 15.2\nbanner motd ^\nSW1# beware\n^\nend\n");
}

#[test]
fn a_configuration_without_its_end_is_truncated_and_nothing_is_kept() {
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", "version 15.2\nhostname SW1\n", "SW1#").expect_wait(3).silence(3);
    let (code, phase, message) = script.failure();
    assert_eq!((code, phase), (ErrorCode::Truncated, Phase::Collect));
    assert!(message.contains("last line was expected to match"), "{message}");
}

#[test]
fn a_junos_configuration_with_an_open_block_is_truncated() {
    let mut script = Script::new("juniper_junos");
    script.receive("\n{master:0}\nops@mx1> ");
    for command in ["set cli screen-length 0", "set cli screen-width 0", "set cli complete-on-space off"] {
        script.answer(command, "ok\n\n{master:0}\n", "ops@mx1> ");
    }
    script.answer("show version", "Hostname: mx1\nModel: mx240\n\n{master:0}\n", "ops@mx1> ");
    script.answer("show chassis hardware", "Chassis\n\n{master:0}\n", "ops@mx1> ");
    for command in ["show virtual-chassis", "show system license"] {
        script.answer(command, "error: command is not valid on the mx240\n\n{master:0}\n", "ops@mx1> ");
    }
    let open = "system {\n    host-name mx1;\n\n{master:0}\n";
    script.answer("show configuration | display omit", open, "ops@mx1> ").silence(3);
    let (code, _, message) = script.failure();
    assert_eq!(code, ErrorCode::Truncated);
    assert!(message.contains("1 blocks were opened with '{' and 0 closed"), "{message}");
}

#[test]
fn the_line_above_a_junos_prompt_is_no_part_of_the_answer() {
    let mut script = Script::new("juniper_junos");
    script.receive("ops@mx1> ");
    for command in ["set cli screen-length 0", "set cli screen-width 0", "set cli complete-on-space off"] {
        script.answer(command, "\n{master:0}\n", "ops@mx1> ");
    }
    script.answer("show version", "Hostname: mx1\n\n{master:0}\n", "ops@mx1> ");
    for command in ["show chassis hardware", "show virtual-chassis", "show system license"] {
        script.answer(command, "error: permission denied: chassis\n", "ops@mx1> ");
    }
    script.answer("show configuration | display omit", "syntax error, expecting <command>.\n", "ops@mx1> ");
    script.answer("show configuration", "system {\n}\n\n{master:0}\n", "ops@mx1> ").expect_send("exit\n");
    script.machine.closed(script.now);
    let outputs = script.finish().result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), b"Hostname: mx1\n");
    assert_eq!(outputs[1].capture.expose_bytes(), b"system {\n}\n");
}

#[test]
fn silence_is_a_timeout_that_says_what_was_expected_and_what_came() {
    let mut script = Script::prepared("SW1#");
    script
        .expect_send("show running-config\n")
        .receive("show running-config\nenable secret 5 $1$abc$canary\n")
        .expect_wait(60);
    script.silence(60);
    let (code, phase, message) = script.failure();
    assert_eq!((code, phase), (ErrorCode::Timeout, Phase::Collect));
    assert!(message.contains("`show running-config`") && message.contains("expected"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

#[test]
fn a_device_that_drips_forever_is_stopped_by_the_session_deadline() {
    let mut script = Script::prepared("SW1#");
    script.expect_send("show running-config\n");
    for _ in 0..30 {
        script.receive("x").silence(10);
    }
    let (code, _, message) = script.failure();
    assert_eq!(code, ErrorCode::Timeout);
    assert!(message.contains("300s"), "{message}");
}

#[test]
fn nothing_at_login_is_a_timeout_and_a_strange_prompt_is_quoted() {
    let mut script = Script::new("cisco_ios");
    script.expect_wait(30).silence(30);
    assert_eq!(script.failure().0, ErrorCode::Timeout);

    let mut script = Script::new("cisco_ios");
    script.receive("Welcome\nmenu choice: ").silence(30);
    let (code, _, message) = script.failure();
    assert_eq!(code, ErrorCode::PromptNotFound);
    assert!(message.contains("menu choice:") && message.contains("#\\s*$"), "{message}");
}

#[test]
fn a_close_in_the_middle_and_a_flood_are_failures() {
    let mut script = Script::prepared("SW1#");
    script.expect_send("show running-config\n").receive("show running-config\nversion 15.2\n");
    script.machine.closed(script.now);
    assert_eq!(script.failure().0, ErrorCode::Disconnected);

    let mut script = Script::prepared("SW1#");
    script.expect_send("show running-config\n").receive(&"x".repeat(10_001));
    assert_eq!(script.failure().0, ErrorCode::OutputTooLarge);
}

#[test]
fn a_rejected_required_command_fails_with_the_devices_words() {
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", "       ^\n% Invalid input detected at '^' marker.\n\n", "SW1#");
    let (code, _, message) = script.failure();
    assert_eq!(code, ErrorCode::CommandRejected);
    assert!(message.contains("Invalid input detected"), "{message}");
}

#[test]
fn a_message_of_the_day_is_no_prompt_when_more_follows() {
    let mut script = Script::new("linux");
    script.receive("user@elsewhere:~$ ").receive("is how to log in\nops@web1:~$ ");
    assert!(matches!(script.machine.next(script.now), Next::Wait(_)));
    script.silence(1).expect_send("export LC_ALL=C PAGER=cat SYSTEMD_PAGER=cat\n");
    assert_eq!(script.machine.report().host.as_deref(), Some("ops@web1"));
}

#[test]
fn a_prompt_left_over_from_before_does_not_shift_the_answers() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1#").expect_send("terminal length 0\n").receive("\n%SYS-5-CONFIG_I: Configured\nSW1#");
    script.expect_wait(1).receive("terminal length 0\nSW1#").expect_send("terminal width 0\n");
    // Again, now that the device is known to echo.
    script.receive("\nSW1#").expect_wait(60).receive("terminal width 0\nSW1#");
    script.answer("show version", "Version 1\n", "SW1#").answer("show inventory", "", "SW1#");
    script.refuse_states("SW1#");
    script.answer("show running-config", CONFIG, "SW1#").expect_send("exit\n");
    script.machine.closed(script.now);
    let outputs = script.finish().result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), b"Version 1\n");
    assert_eq!(outputs[2].capture.expose_bytes(), CONFIG.as_bytes());
}

#[test]
fn a_device_that_does_not_echo_is_read_all_the_same() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1#").expect_send("terminal length 0\n").receive("\nSW1#").expect_wait(1).silence(1);
    script.expect_send("terminal width 0\n").receive("SW1#");
    script.expect_send("show version\n").receive("Version 1\nSW1#");
    script.expect_send("show inventory\n").receive("SW1#");
    for command in STATES {
        script.expect_send(&format!("{command}\n")).receive("% Invalid input detected\nSW1#");
    }
    script.expect_send("show running-config\n").receive(&format!("{CONFIG}SW1#")).expect_send("exit\n");
    script.machine.closed(script.now);
    assert_eq!(script.finish().result.unwrap()[2].capture.expose_bytes(), CONFIG.as_bytes());
}

#[test]
fn a_device_that_repeats_the_password_does_not_get_it_into_the_log() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1>").expect_send("enable\n").receive("enable\nPassword: ");
    script.expect_send("canary-enable\n").receive("canary-enable\n% Access denied\nSW1>");
    let report = script.finish();
    let message = report.result.unwrap_err().message;
    assert!(message.contains("Access denied") && !message.contains("canary"), "{message}");
    assert!(!report.dialogue.contains("canary"), "{}", report.dialogue);
}

#[test]
fn a_message_about_a_configuration_quotes_nothing_of_it() {
    let mut script = Script::prepared("SW1#");
    script
        .expect_send("show running-config\n")
        .receive("show running-config\nip nhrp canary\n path x")
        .silence(60);
    let report = script.finish();
    let message = report.result.unwrap_err().message;
    assert!(message.contains("bytes that came") && !message.contains("canary"), "{message}");
    assert!(!report.dialogue.contains("canary"));
}

#[test]
fn a_device_that_talks_on_after_the_logout_loses_nothing() {
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", CONFIG, "SW1#").expect_send("exit\n");
    script.receive(&"bye ".repeat(10_000)).silence(2);
    assert_eq!(script.finish().result.unwrap().len(), 2);
}

#[test]
fn debug_output_shows_neither_what_is_sent_nor_what_came() {
    let mut script = Script::new("cisco_ios");
    script.receive("SW1>").expect_send("enable\n").receive("enable\nPassword: ");
    let waiting = format!("{:?}", script.machine);
    let sent = script.machine.next(script.now);
    let shown = format!("{waiting} {sent:?} {:?}", script.machine);
    assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    assert_eq!(format!("{sent:?}"), "Send(14 bytes)");
}

#[test]
fn giving_up_in_the_middle_keeps_nothing() {
    let report = Script::prepared("SW1#").machine.report();
    assert_eq!(report.result.unwrap_err().code, ErrorCode::Cancelled);
}

const LOG: &str = "*Mar  1 00:12:01: %SYS-5-CONFIG_I: Configured\n";

#[test]
fn a_log_message_behind_the_last_prompt_does_not_lose_the_configuration() {
    for prompt in ["SW1#\n", "SW1#"] {
        let mut script = Script::prepared("SW1#");
        script.answer("show running-config", CONFIG, &format!("{prompt}{LOG}")).expect_wait(3).silence(3);
        script.expect_send("exit\n");
        script.machine.closed(script.now);
        assert_eq!(script.finish().result.unwrap()[1].capture.expose_bytes(), CONFIG.as_bytes());
    }
    // Drawn again, it is believed at once.
    let mut script = Script::prepared("SW1#");
    script.answer("show running-config", CONFIG, &format!("SW1#\n{LOG}SW1#")).expect_send("exit\n");
    script.machine.closed(script.now);
    assert_eq!(script.finish().result.unwrap()[1].capture.expose_bytes(), CONFIG.as_bytes());
}

#[test]
fn a_prompt_in_the_middle_of_a_configuration_is_not_taken_for_its_end_when_the_device_stalls() {
    let mut script = Script::prepared("SW1#");
    let half = "version 15.2\nbanner motd ^\nSW1#\nSW1# beware\n";
    script.expect_send("show running-config\n").receive(&format!("show running-config\n{half}"));
    script.expect_wait(60).silence(60);
    assert_eq!(script.failure().0, ErrorCode::Timeout);
}

#[test]
fn a_log_message_behind_a_prompt_of_the_preparation_costs_some_seconds() {
    let mut script = Script::new("cisco_ios");
    script
        .receive("SW1#")
        .expect_send("terminal length 0\n")
        .receive("terminal length 0\nSW1#\n")
        .receive(LOG);
    script.expect_wait(3).silence(3).expect_send("terminal width 0\n");
}

#[test]
fn prompts_that_never_end_an_answer_cost_linear_time() {
    let mut script = Script::new("juniper_junos");
    script.receive("ops@mx1> ");
    for command in ["set cli screen-length 0", "set cli screen-width 0", "set cli complete-on-space off"] {
        script.answer(command, "", "ops@mx1> ");
    }
    for command in ["show version", "show chassis hardware", "show virtual-chassis", "show system license"] {
        script.answer(command, "x\n", "ops@mx1> ");
    }
    script.expect_send("show configuration | display omit\n");
    script.receive("show configuration | display omit\nsystem {\n");
    for _ in 0..300 {
        script.receive("ops@mx1>\n");
    }
    script.receive("}\nops@mx1> ").expect_send("exit\n");
}
