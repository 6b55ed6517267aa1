//! One session as a state machine without IO.
//!
//! ```text
//! Login ──prompt──▶ (Enable ──each step──▶) Prepare ──each command──▶ Collect ──each part──▶ Logout ──▶ Done
//!                                                                  ▲        └──▶ Idle ──▶ Collect | Logout
//!   any state ──deadline, close, flood──▶ Done with a failure
//! ```
//!
//! The driver feeds it what came and the time, sends what it is told to send and wakes it at the
//! time it names. Only the end of the stream is looked at for a prompt, once per piece that came,
//! so that an output of any size costs linear time.

mod answer;
mod buried;
mod enable;
mod expiry;
mod files;
mod login;
mod look;
mod questions;
mod stay;
mod steps;
mod types;

pub use types::{CommandRecord, Limits, Next, Output, Plan, Report};

use crate::dialogue::Dialogue;
use crate::terminal::Terminal;
use netraven_model::{ErrorCode, Failure, Phase};
use questions::Question;
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};
use steps::Steps;
use zeroize::Zeroizing;

/// More answers to login questions than any honest device asks for.
const MAX_DIALOGS: u32 = 8;
/// More prompts inside one answer than any honest configuration has.
const MAX_SUSPECTS: u32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Login {
        seen: Seen,
    },
    Enable {
        step: usize,
        asked: Asked,
    },
    Prepare {
        step: usize,
    },
    Collect {
        alternative: usize,
        suspects: u32,
        suspect: Option<Doubt>,
    },
    /// The driver fetches the file that is the part.
    Fetch,
    /// All is asked; the prompt stands there.
    Idle,
    /// It is seen whether an idle session still answers.
    Check,
    Logout,
    Done,
}

/// What stands at the end before the first prompt is believed. More text behind it makes it nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Prompt,
    Question(Question),
}

/// Why a prompt is not believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// The answer's own end has not come.
    Incomplete,
    /// The answer has no end of its own: only silence tells the prompt from a line of the text.
    Unproven,
}

/// Whether the device repeats what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Echo {
    Unknown,
    /// A prompt stands there and no echo before it.
    Doubtful,
    Yes,
    No,
}

/// Questions for user name and password that were answered, of a login inside the shell or of a step to another mode; none
/// is answered twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Asked {
    username: bool,
    password: bool,
}

/// The session machine; see the module's documentation.
pub struct Machine {
    plan: Plan,
    state: State,
    terminal: Terminal,
    outgoing: VecDeque<Zeroizing<Vec<u8>>>,
    started: Instant,
    /// When something last came or was asked for: silence is counted from here.
    heard: Instant,
    command_sent: Instant,
    /// Bytes that came since something was asked: also those that leave no text.
    received: usize,
    echo: Echo,
    /// The prompt as it stood there when something was last asked.
    prompt_line: Vec<u8>,
    /// Where such a prompt begins behind which something else was printed.
    buried: Option<usize>,
    buried_tries: u32,
    steps: Steps,
    host: Option<Vec<u8>>,
    /// The mode in which commands are given.
    home: Option<usize>,
    /// The mode whose prompt was seen last.
    mode: Option<usize>,
    login_time: Option<Duration>,
    dialogs: u32,
    /// Which questions of a login inside the shell were answered.
    asked: Asked,
    outputs: Vec<Output>,
    commands: Vec<CommandRecord>,
    dialogue: Dialogue,
    failure: Option<Failure>,
    /// Why the session will fail once the file is removed from the device.
    pending: Option<Failure>,
    /// Parts whose files are to be fetched when the shell is closed.
    later: Vec<usize>,
}

/// What waits to be sent may be a secret.
impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({}, {:?}, {:?})", self.plan.platform.name, self.state, self.terminal)
    }
}

impl Machine {
    /// A session whose shell has just been opened.
    pub fn new(plan: Plan, now: Instant) -> Self {
        Self {
            state: State::Login { seen: Seen::Nothing },
            terminal: Terminal::default(),
            outgoing: VecDeque::new(),
            started: now,
            heard: now,
            command_sent: now,
            received: 0,
            echo: Echo::Unknown,
            prompt_line: Vec::new(),
            buried: None,
            buried_tries: 0,
            steps: Steps::of(&plan.parts, plan.platform.contexts.len()),
            plan,
            host: None,
            home: None,
            mode: None,
            login_time: None,
            dialogs: 0,
            asked: Asked::default(),
            outputs: Vec::new(),
            commands: Vec::new(),
            dialogue: Dialogue::default(),
            failure: None,
            pending: None,
            later: Vec::new(),
        }
    }

    /// The device sent something.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.state, State::Fetch | State::Idle | State::Logout | State::Done) {
            // Everything wanted is there; what is said now is a log message or a farewell.
            return;
        }
        self.heard = now;
        self.received += bytes.len();
        if self.echo == Echo::Doubtful {
            self.echo = Echo::Unknown;
        }
        let limit = self.plan.limits.max_output;
        if self.received > limit {
            let message = format!("an answer of at most {limit} bytes was expected, more came");
            return self.fail(ErrorCode::OutputTooLarge, message, now);
        }
        let lines = self.terminal.lines().len();
        self.terminal.feed(bytes);
        self.look_for_buried(lines);
        self.look(now);
    }

    /// The device closed the session.
    pub fn closed(&mut self, now: Instant) {
        match self.state {
            State::Done => {}
            State::Logout => self.state = State::Done,
            State::Login { .. } if self.was_refused() => self.refused("closed the session", now),
            _ => {
                let message = format!("the device closed the session; {}", self.quote_tail());
                self.fail(ErrorCode::Disconnected, message, now);
            }
        }
    }

    /// What to do now. Call it again after each `Send`, after each piece that came and at the named time.
    pub fn next(&mut self, now: Instant) -> Next {
        loop {
            if let Some(bytes) = self.outgoing.pop_front() {
                return Next::Send(bytes);
            }
            if matches!(self.state, State::Idle | State::Done) {
                return Next::Finished;
            }
            if let Some(request) = self.file_request(now) {
                return Next::Fetch(request);
            }
            let deadline = self.deadline();
            if now < deadline {
                return Next::Wait(deadline);
            }
            self.expired(now);
        }
    }

    /// Where the session stands, for failures of the transport beneath.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Login { .. } => Phase::Login,
            State::Enable { .. } => Phase::Enable,
            State::Prepare { .. } => Phase::Prepare,
            State::Collect { .. } | State::Fetch | State::Idle | State::Check => Phase::Collect,
            State::Logout | State::Done => Phase::Logout,
        }
    }

    /// The transport failed beneath the session.
    pub fn broken(&mut self, failure: Failure, now: Instant) {
        match self.state {
            State::Logout | State::Done => self.state = State::Done,
            _ => {
                let message = self.plan.hide_own(&failure.message);
                self.fail(failure.code, message, now);
            }
        }
    }

    /// Whether a password was asked for and taken, in a session whose report nobody has taken yet.
    pub fn has_logged_in(&self) -> bool {
        self.asked.password && self.login_time.is_some()
    }

    /// What became of it; everything collected is lost unless the session finished.
    pub fn report(mut self) -> Report {
        if !matches!(self.state, State::Done | State::Idle) {
            let now = self.heard;
            self.fail(ErrorCode::Cancelled, "the session was given up before its end".to_owned(), now);
        }
        self.interim()
    }

    /// What became of it since the last time that somebody took it. For a session that stays.
    pub fn interim(&mut self) -> Report {
        let outputs = std::mem::take(&mut self.outputs);
        Report {
            result: match self.failure.take() {
                Some(failure) => Err(failure),
                None => Ok(outputs),
            },
            later: std::mem::take(&mut self.later),
            commands: std::mem::take(&mut self.commands),
            dialogue: std::mem::take(&mut self.dialogue).into_text(),
            host: self.host.as_ref().map(|host| String::from_utf8_lossy(host).into_owned()),
            login_time: self.login_time.take(),
            password_sent: self.asked.password,
        }
    }
}
