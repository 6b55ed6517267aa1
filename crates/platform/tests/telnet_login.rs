//! Logging in over a line on which nobody has: what is answered, and what never is.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{ErrorCode, Failure, Login};
use netraven_platform::{Limits, Machine, Next, Plan, Platforms, Report};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 100_000,
};

static SHIPPED: LazyLock<Platforms> = LazyLock::new(|| Platforms::shipped().unwrap());

struct Script {
    machine: Machine,
    now: Instant,
}

impl Script {
    fn with(platform: &str, asks_login: bool) -> Self {
        let login = Login {
            username: "canary-user".into(),
            password: Some("canary-password".into()),
            enable: Some("canary-enable".into()),
            ..Login::default()
        };
        let plan = Plan { asks_login, ..Plan::backup(SHIPPED.get(platform).unwrap(), &login, LIMITS) };
        let now = Instant::now();
        Self { machine: Machine::new(plan, now), now }
    }

    fn new(platform: &str) -> Self {
        Self::with(platform, true)
    }

    fn receive(&mut self, text: &str) -> &mut Self {
        self.machine.receive(text.replace('\n', "\r\n").as_bytes(), self.now);
        self
    }

    /// What is sent now, or after a silence that is no longer than it takes to be sure.
    fn sent(&mut self) -> Option<String> {
        for _ in 0..3 {
            match self.machine.next(self.now) {
                Next::Send(bytes) => return Some(String::from_utf8(bytes.to_vec()).unwrap()),
                Next::Wait(until) if until - self.now <= Duration::from_secs(1) => self.now = until,
                _ => return None,
            }
        }
        None
    }

    fn expect(&mut self, text: &str) -> &mut Self {
        assert_eq!(self.sent().as_deref(), Some(text));
        self
    }

    fn logs_in(&mut self) -> &mut Self {
        self.receive("\nUser Access Verification\n\nUsername: ").expect("canary-user\n");
        self.receive("canary-user\nPassword: ").expect("canary-password\n")
    }

    fn silence(&mut self) -> &mut Self {
        self.now += LIMITS.login;
        self
    }

    fn report(mut self) -> Report {
        while let Next::Send(_) = self.machine.next(self.now) {}
        self.machine.closed(self.now);
        self.machine.report()
    }

    fn failure(self) -> Failure {
        let report = self.report();
        let failure = report.result.unwrap_err();
        assert!(!failure.message.contains("canary-password"), "{failure}");
        assert!(!report.dialogue.contains("canary-password"), "{}", report.dialogue);
        failure
    }

    fn refused(self) {
        let failure = self.failure();
        assert_eq!(failure.code, ErrorCode::AuthFailed, "{failure}");
    }
}

#[test]
fn user_name_and_password_are_answered_in_turn_and_enable_in_its_own() {
    let mut script = Script::new("cisco_ios");
    script.logs_in().receive("\nWelcome\nsw1>").expect("enable\n");
    script
        .receive("enable\nPassword: ")
        .expect("canary-enable\n")
        .receive("\nsw1#")
        .expect("terminal length 0\n");
    let report = script.report();
    assert!(report.password_sent && report.login_time.is_some());
    assert!(!report.dialogue.contains("canary-password") && !report.dialogue.contains("canary-enable"));
}

#[test]
fn hosts_and_banners_may_stand_around_the_questions() {
    let mut script = Script::new("linux");
    script.receive("Debian GNU/Linux 12 box\n\nbox login: ").expect("canary-user\n");
    script.receive("canary-user\nPassword: ").expect("canary-password\n");
    script.receive("\nLast login:").receive(" Tue Nov 21 from 10.0.0.1\nops@box:~$ ");
    script.expect("export LC_ALL=C PAGER=cat SYSTEMD_PAGER=cat\n");
}

#[test]
fn a_password_without_a_user_name_is_answered_as_the_first_question() {
    let mut script = Script::new("frr");
    script.receive("\nUser Access Verification\n\nPassword: ").expect("canary-password\n");
    script.receive("\nr1> ").expect("enable\n");
}

#[test]
fn a_key_that_is_asked_for_is_pressed() {
    let mut script = Script::new("cisco_nxos");
    script.receive("console is now available\n\nPress RETURN to get started.\n\n").silence();
    assert_eq!(script.failure().code, ErrorCode::PromptNotFound, "a line that is over is no question");
    let mut script = Script::new("cisco_nxos");
    script.receive("Press any key to continue...").expect("\n").receive("\nlogin: ").expect("canary-user\n");
}

#[test]
fn a_device_that_asks_again_has_refused() {
    for again in ["\n% Authentication failed\n\nUsername: ", "\nPassword: ", "\nLogin incorrect\nsw1 login: "]
    {
        let mut script = Script::new("cisco_ios");
        script.logs_in().receive(again);
        assert_eq!(script.sent(), None, "{again}");
        script.refused();
    }
}

#[test]
fn a_device_that_says_so_or_hangs_up_has_refused() {
    for end in ["\n% Bad passwords\n", "\n% Login invalid\n", "\nAccess denied\n", "\n", ""] {
        let mut script = Script::new("cisco_ios");
        script.logs_in().receive(end);
        script.refused();
    }
    let mut script = Script::new("cisco_ios");
    script.logs_in().receive("\nAccess denied\nGood bye").silence();
    script.refused();
    // What has nothing to do with the login is a lost line.
    let mut script = Script::new("cisco_ios");
    script.logs_in().receive("\nWelcome to ");
    assert_eq!(script.failure().code, ErrorCode::Disconnected);
    let mut script = Script::new("cisco_ios");
    script.receive("Sorry, all lines are busy\n");
    assert_eq!(script.failure().code, ErrorCode::Disconnected);
}

#[test]
fn a_password_that_must_be_changed_and_a_menu_are_named() {
    for asks_login in [true, false] {
        let mut script = Script::with("cisco_ios", asks_login);
        script.receive("Your password has expired.\nEnter new password: ");
        assert_eq!(script.sent(), None);
        let failure = script.failure();
        assert_eq!(failure.code, ErrorCode::AuthFailed);
        assert!(failure.message.contains("wants the password to be changed"), "{failure}");
    }
    let mut script = Script::new("cisco_ios");
    script.logs_in().receive("\n1) Shell\n2) Reboot\nEnter choice: ").silence();
    let failure = script.failure();
    assert_eq!(failure.code, ErrorCode::PromptNotFound);
    assert!(failure.message.contains("menu") && failure.message.contains("Enter choice"), "{failure}");
}

#[test]
fn a_question_in_the_banner_gets_nothing_while_the_banner_goes_on() {
    let mut script = Script::new("cisco_ios");
    for piece in
        ["Username:", " and\n", "Password:", " are needed here, login:", "\n sw9#", " is elsewhere\n"]
    {
        script.receive(piece);
        script.now += Duration::from_millis(150);
        assert!(matches!(script.machine.next(script.now), Next::Wait(_)), "{piece}");
    }
    script.logs_in().receive("\nsw1#").expect("terminal length 0\n");
}

#[test]
fn over_ssh_nothing_of_this_is_answered() {
    for question in ["Username: ", "login: ", "Password: ", "Press any key."] {
        let mut script = Script::with("cisco_nxos", false);
        assert_eq!(script.receive(question).sent(), None, "{question}");
        assert_eq!(script.silence().failure_code(), ErrorCode::PromptNotFound);
    }
}

impl Script {
    fn failure_code(&mut self) -> ErrorCode {
        assert_eq!(self.machine.next(self.now), Next::Finished);
        self.machine.interim().result.unwrap_err().code
    }
}

#[test]
fn no_platform_takes_a_question_for_its_prompt() {
    for platform in SHIPPED.iter() {
        for question in ["Username: ", "login: ", "sw1 login: ", "Password: ", "User:", "New password: "] {
            assert_eq!(platform.prompt(question.as_bytes()), None, "{}: {question}", platform.name);
        }
    }
}

/// Pieces of a session, questions among them, in no sensible order.
fn pieces() -> impl Strategy<Value = Vec<(String, u64)>> {
    let text = prop::sample::select(vec![
        "Password: ",
        "password:",
        "\nPassword: ",
        "Username: ",
        "\nlogin: ",
        "\nsw1>",
        "\nsw1#",
        "sw1#",
        "\n",
        " ",
        "enable\n",
        "terminal length 0\n",
        "show version\nPassword: ",
        "enable password 7 08\n",
        "% Login invalid\n",
        "Press any key",
        "banner motd ^\nPassword:",
        "\nEnter password: ",
        "end\nsw1#",
        "x",
    ]);
    proptest::collection::vec((text.prop_map(str::to_owned), 0u64..2000), 0..40)
}

proptest! {
    #[test]
    fn a_secret_goes_out_once_and_only_as_the_answer_to_a_question_at_its_place(pieces in pieces(), asks_login in any::<bool>()) {
        let mut script = Script::with("cisco_ios", asks_login);
        let (mut seen, mut sent) = (String::new(), Vec::<String>::new());
        for (piece, millis) in pieces {
            script.receive(&piece);
            seen.push_str(&piece);
            script.now += Duration::from_millis(millis);
            while let Next::Send(bytes) = script.machine.next(script.now) {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let last = seen.rsplit('\n').next().unwrap().trim().to_lowercase();
                if text.starts_with("canary-password") {
                    prop_assert!(asks_login && last.ends_with("password:"), "after {last:?}");
                    prop_assert!(sent.iter().all(|sent| sent == "canary-user\n" || sent == "\n"), "{sent:?}");
                }
                if text.starts_with("canary-enable") {
                    prop_assert!(last.ends_with("password:") && sent.last().unwrap() == "enable\n", "after {last:?} {sent:?}");
                }
                if text.starts_with("canary-user") {
                    prop_assert!(asks_login && sent.iter().all(|sent| sent == "\n"));
                }
                sent.push(text);
                // What was on the screen has been answered.
                seen.push('\n');
            }
        }
        for secret in ["canary-password\n", "canary-enable\n", "canary-user\n"] {
            prop_assert!(sent.iter().filter(|sent| *sent == secret).count() <= 1);
        }
    }
}
