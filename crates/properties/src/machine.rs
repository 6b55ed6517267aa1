use crate::pieces::{Pieces, without_a_letter};
use crate::platforms;
use netraven_model::{Login, PartKind};
use netraven_platform::{Fetched, Limits, Machine, Next, Part, Plan, Platform, Report, Terminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is in every secret here.
const CANARY: &str = "c4nary";
const LOGIN: &str = "Login-c4nary!x";
const ENABLE: &str = "Enable-c4nary!y";
/// What the session asks besides the platform's own commands, or alone.
const ASKED: &str = "show community c4nary-given";

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(300),
    logout: Duration::from_secs(2),
    max_output: 20_000,
};

const PROMPTS: [&str; 8] = [
    "SW1#",
    "SW1>",
    "ops@mx1> ",
    "FGT # ",
    "[admin@r1] > ",
    "(Cisco Controller) >",
    "fw/admin# ",
    "SW1(config)#",
];
const QUESTIONS: [&str; 6] =
    ["Password: ", "User Name:", "Username: ", "User: ", "Enter password: ", "Press any key to continue"];
const ENDS: [&str; 6] = ["end\r\n", "}\r\n", "system {\r\n", ": end\r\n", "#\r\n", "[OK]\r\n"];
const PAGERS: [&str; 4] = ["--More--", " --More-- ", "---(more)---", "\r\n--More-- or (q)uit"];
const REFUSALS: [&str; 4] =
    ["% Invalid input detected\r\n", "error: denied\r\n", "syntax error\r\n", "Unknown action 0\r\n"];
const SECRETS: [&str; 4] = [
    "snmp-server community c4nary-said RO\r\n",
    "-----BEGIN RSA PRIVATE KEY-----\r\nc4nary-said\r\n",
    "name: c4nary-said password\r\n",
    "Context Name      secret c4nary-said\r\n",
];

/// A session with a device that says arbitrary things at arbitrary times: it ends, with outputs only where each shows its own
/// end; passwords go out once, at login and `enable`, to a question for one; and no secret is in what is told of it. Answers
/// whether there were outputs.
pub fn machine(input: &[u8]) -> bool {
    let mut pieces = Pieces(input);
    let platform = platforms::one(pieces.byte());
    let own = pieces.byte() % 4 == 0;
    let mut device = Device::new(&platform, own);
    while !pieces.is_empty() && !device.finished {
        device.act(&mut pieces);
    }
    device.wait_for_the_end();
    let report = device.machine.report();
    check(&platform, own, &report);
    report.result.is_ok()
}

/// The other side of the session.
struct Device {
    machine: Machine,
    started: Instant,
    now: Instant,
    /// What a person would see.
    screen: Terminal,
    /// The line that was sent last.
    sent: Vec<u8>,
    passwords: [usize; 2],
    finished: bool,
}

impl Device {
    fn new(platform: &Arc<Platform>, own: bool) -> Self {
        let now = Instant::now();
        let login = Login {
            username: "ops".into(),
            password: Some(LOGIN.into()),
            enable: Some(ENABLE.into()),
            ..Login::default()
        };
        let mut plan = Plan::backup(platform.clone(), &login, LIMITS);
        if own {
            plan.parts = [Part::command(ASKED)].into();
        }
        let (machine, screen) = (Machine::new(plan, now), Terminal::default());
        Self { machine, started: now, now, screen, sent: Vec::new(), passwords: [0; 2], finished: false }
    }

    fn act(&mut self, pieces: &mut Pieces<'_>) {
        match pieces.byte() % 13 {
            0 => {
                let length = pieces.byte() % 64;
                self.say(&without_a_letter(pieces.take(length), CANARY));
            }
            1 => {
                let echo = [&self.sent[..], b"\r\n"].concat();
                self.say(&echo);
            }
            2 => self.say(pieces.one_of(&PROMPTS).as_bytes()),
            3 => self.say(b"\r\n"),
            4 => {
                self.now += Duration::from_millis(100) * pieces.byte() as u32;
                self.drain();
            }
            5 => {
                self.machine.closed(self.now);
                self.drain();
            }
            6 => self.say(pieces.one_of(&QUESTIONS).as_bytes()),
            7 => self.say(pieces.one_of(&[LOGIN, ENABLE]).as_bytes()),
            8 => self.say(pieces.one_of(&ENDS).as_bytes()),
            9 => self.say(pieces.one_of(&PAGERS).as_bytes()),
            10 => self.say(pieces.one_of(&REFUSALS).as_bytes()),
            11 => self.say(&b"x".repeat(pieces.byte() * 16)),
            _ => self.say(pieces.one_of(&SECRETS).as_bytes()),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
        self.machine.receive(bytes, self.now);
        self.drain();
    }

    /// Does what the machine wants, up to its next wait.
    fn drain(&mut self) {
        for _ in 0..16 {
            match self.machine.next(self.now) {
                Next::Send(bytes) => self.take(&bytes),
                Next::Fetch(_) => self.machine.fetched(Fetched::Refused(String::new()), self.now),
                Next::Wait(until) => return assert!(until > self.now, "a wait that is over"),
                Next::Finished => return self.finished = true,
            }
        }
        panic!("the machine sends without end");
    }

    fn take(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for (count, secret) in self.passwords.iter_mut().zip([LOGIN, ENABLE]) {
            if !text.contains(secret) {
                continue;
            }
            *count += 1;
            assert_eq!(*count, 1, "a password is sent twice");
            assert_eq!(text.trim_end_matches(['\r', '\n']), secret, "a password is sent with something else");
            let phase = self.machine.phase().to_string();
            assert!(["login", "enable"].contains(&phase.as_str()), "a password is sent during {phase}");
            let line = String::from_utf8_lossy(self.screen.last_line()).to_lowercase();
            let question = line.trim_end().trim_end_matches(':').trim_end();
            let asked = question.ends_with("password") || question.ends_with("passcode");
            assert!(asked, "a password is sent to {line:?}");
        }
        self.sent = text.trim_end_matches(['\r', '\n']).as_bytes().to_vec();
    }

    /// Silence, as long as the machine wants it.
    fn wait_for_the_end(&mut self) {
        for _ in 0..1_000 {
            match self.machine.next(self.now) {
                Next::Send(bytes) => self.take(&bytes),
                Next::Fetch(_) => self.machine.fetched(Fetched::Refused(String::new()), self.now),
                Next::Wait(until) => {
                    assert!(until > self.now, "a wait that is over");
                    self.now = until;
                }
                Next::Finished => {
                    let longest = LIMITS.session + LIMITS.logout;
                    let began_late = self.now - self.started > longest + Duration::from_millis(25_500);
                    // Time that the input let pass at once may lie behind every deadline.
                    return assert!(!began_late || self.finished, "the session took too long");
                }
            }
        }
        panic!("the session does not end");
    }
}

fn check(platform: &Platform, own: bool, report: &Report) {
    let told = format!("{} {:?} {report:?}", report.dialogue, report.commands);
    for secret in [LOGIN, ENABLE, "c4nary-said", "c4nary-given"] {
        // The name that the prompt gives the device is a fact, not a log.
        let shown = told.replace(&format!("host: {:?}", report.host), "");
        let as_output = report
            .result
            .as_ref()
            .is_ok_and(|outputs| outputs.iter().any(|output| output.command.contains(secret)));
        assert!(as_output || !shown.contains(secret), "{secret} is in {shown}");
    }
    assert!(report.dialogue.len() < 40 * 1024);
    let outputs = match &report.result {
        Err(failure) => return assert!(failure.message.len() < 8 * 1024, "{}", failure.message.len()),
        Ok(outputs) => outputs,
    };
    if own {
        return assert_eq!(outputs.len(), 1);
    }
    for (index, part) in platform.parts.iter().enumerate() {
        let brought: Vec<_> = outputs.iter().filter(|output| output.part == index).collect();
        assert!(part.optional || !brought.is_empty(), "{} is missing", part.name);
        for output in brought {
            let complete = part.check_complete(output.capture.expose_bytes());
            assert!(part.kind != PartKind::Config || complete.is_ok(), "{}: {complete:?}", part.name);
        }
    }
}
