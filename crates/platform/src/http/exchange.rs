//! A session over HTTP as a state machine without IO.
//!
//! ```text
//! (Login ──token──▶) Part ──each part──▶ (Logout ──▶) Done
//!    ▲────401, once────┘
//! ```

mod request;

use super::judge::{Verdict, judge};
use super::{HttpAnswer, HttpRequest, Place, Values};
use crate::dialogue::Dialogue;
use crate::{CommandRecord, Output, Part, Plan, Report};
use netraven_model::{Capture, ErrorCode, Failure, Phase, Secret};
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Words of a refusal up to this size are quoted; a longer text is no error message.
const SHORT: usize = 2048;
/// So many characters of them.
const QUOTE: usize = 240;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `then` is the place of the part that is asked for behind it.
    Login {
        then: Turn,
    },
    Part(Turn),
    Logout,
    Done,
}

/// A part and which of its commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    part: usize,
    alternative: usize,
}

/// What the driver has to do next.
#[derive(Debug)]
pub enum HttpNext {
    /// Send this, and hand in the answer.
    Send(HttpRequest),
    /// Take the report.
    Finished,
}

/// The session; see the module's documentation.
pub struct HttpExchange {
    plan: Plan,
    state: State,
    values: Values,
    started: Instant,
    asked: Instant,
    /// What stands for the request under way in logs and messages, redacted.
    label: String,
    /// What stands for it in outputs.
    command: String,
    /// Whether the token was renewed: once is enough.
    renewed: bool,
    login_time: Option<Duration>,
    outputs: Vec<Output>,
    commands: Vec<CommandRecord>,
    dialogue: Dialogue,
    failure: Option<Failure>,
}

impl fmt::Debug for HttpExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpExchange({}, {:?})", self.plan.platform.name, self.state)
    }
}

impl HttpExchange {
    /// A session in which nothing has been sent yet.
    pub fn new(plan: Plan, now: Instant) -> Self {
        let values =
            Values { username: plan.username.clone(), password: plan.password.clone(), ..Values::default() };
        let first = Turn::default();
        let login = plan.platform.http.as_ref().is_some_and(|http| http.login.is_some());
        Self {
            state: if login { State::Login { then: first } } else { State::Part(first) },
            plan,
            values,
            started: now,
            asked: now,
            label: String::new(),
            command: String::new(),
            renewed: false,
            login_time: None,
            outputs: Vec::new(),
            commands: Vec::new(),
            dialogue: Dialogue::default(),
            failure: None,
        }
    }

    /// What to do now. After each `Send` either [`HttpExchange::answer`] or [`HttpExchange::broken`] is due.
    pub fn next(&mut self, now: Instant) -> HttpNext {
        while self.state != State::Done {
            if matches!(self.state, State::Part(_)) && self.plan.parts.is_empty() {
                // The login was all that was wanted.
                self.leave();
                continue;
            }
            match self.request(now) {
                Ok(request) => return HttpNext::Send(request),
                Err(failure) => self.fail(failure, now),
            }
        }
        HttpNext::Finished
    }

    /// Where the session stands, for failures of the transport beneath.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Login { .. } => Phase::Authenticate,
            State::Part(_) => Phase::Collect,
            State::Logout | State::Done => Phase::Logout,
        }
    }

    /// The answer to the request under way.
    pub fn answer(&mut self, answer: HttpAnswer, now: Instant) {
        let note = format!("{}, {} bytes", answer.status, answer.body.len());
        self.dialogue.received(now - self.started, &note);
        match self.state {
            State::Login { then } => self.login_answer(then, answer, now),
            State::Part(turn) => self.part_answer(turn, answer, now),
            State::Logout | State::Done => self.state = State::Done,
        }
    }

    /// The transport failed beneath the session.
    pub fn broken(&mut self, failure: Failure, now: Instant) {
        if !matches!(self.state, State::Logout | State::Done) {
            self.note(failure, now);
        }
        self.state = State::Done;
    }

    /// What became of it; everything collected is lost unless the session finished.
    pub fn report(mut self) -> Report {
        if self.state != State::Done && self.failure.is_none() {
            let message = "the session was given up before its end";
            let now = self.asked;
            self.note(Failure::new(ErrorCode::Cancelled, self.phase(), message), now);
        }
        Report {
            result: match self.failure {
                Some(failure) => Err(failure),
                None => Ok(self.outputs),
            },
            later: Vec::new(),
            commands: self.commands,
            dialogue: self.dialogue.into_text(),
            host: None,
            login_time: self.login_time,
            // Every request carries it, or the token that it was changed for.
            password_sent: !self.label.is_empty(),
        }
    }

    fn login_answer(&mut self, then: Turn, mut answer: HttpAnswer, now: Instant) {
        let place = self.plan.platform.http.as_ref().and_then(|http| http.login.as_ref());
        let place = place.map(|login| login.answer.clone()).unwrap_or_default();
        let (status, refused) = (answer.status, answer.body.clone());
        let failure = match status {
            200..=299 => match place.token(&mut answer) {
                Ok(token) => {
                    self.values.token = Some(Secret::new(token.to_vec()));
                    self.accepted(now);
                    self.state = State::Part(then);
                    return;
                }
                // What came instead may have a secret in it: it is not quoted.
                Err(why) => self.failure(ErrorCode::AuthFailed, format!("the device gave no token: {why}")),
            },
            401 | 403 => {
                let words = self.quote(&refused);
                self.failure(
                    ErrorCode::AuthFailed,
                    format!("the device refused the login with status {status}{words}"),
                )
            }
            429 | 502..=504 => self.busy(status),
            _ => {
                let words = self.quote(&refused);
                self.failure(
                    ErrorCode::CommandRejected,
                    format!("the device answered the login with status {status}{words}"),
                )
            }
        };
        self.fail(failure, now);
    }

    fn part_answer(&mut self, turn: Turn, answer: HttpAnswer, now: Instant) {
        let (platform, parts) = (self.plan.platform.clone(), self.plan.parts.clone());
        let (Some(http), Some(part)) = (&platform.http, parts.get(turn.part)) else {
            return self.state = State::Done;
        };
        let (status, bytes) = (answer.status, answer.body.len());
        let request = part.requests.get(turn.alternative).or(http.command.as_ref());
        let place = request.map_or(Place::Body, |request| request.answer.clone());
        let verdict = judge(&platform, http, part, &place, answer);
        if (200..=299).contains(&status) {
            self.accepted(now);
        }
        match verdict {
            Verdict::Text(text) => {
                self.record(text.len(), true, now);
                self.keep(turn.part, text, true, now);
                self.go_on(turn);
            }
            Verdict::Refused { why, words } => {
                self.record(bytes, false, now);
                self.refused(turn, part, &why, words, now);
            }
            Verdict::Truncated(what) => {
                let message =
                    format!("the answer to `{}` has no end: {what}; {bytes} bytes came", self.label);
                self.fail(self.failure(ErrorCode::Truncated, message), now);
            }
            Verdict::Busy => self.fail(self.busy(status), now),
            Verdict::Unauthorized
                if self.login_time.is_some() && self.values.token.is_some() && !self.renewed =>
            {
                self.dialogue.note(now - self.started, "the token is no longer accepted: it is renewed once");
                self.renewed = true;
                self.state = State::Login { then: turn };
            }
            Verdict::Unauthorized => {
                let message = "the device refused the credential with status 401".to_owned();
                self.values.token = None;
                self.fail(self.failure(ErrorCode::AuthFailed, message), now);
            }
        }
    }

    /// The device does not do what it was asked: another command, no part, or no backup.
    fn refused(&mut self, turn: Turn, part: &Part, why: &str, words: Zeroizing<Vec<u8>>, now: Instant) {
        let alternative = turn.alternative + 1;
        if part.keep_refusal {
            self.keep(turn.part, words, false, now);
            self.go_on(turn);
        } else if alternative < part.requests.len().max(part.commands.len()) {
            self.state = State::Part(Turn { alternative, ..turn });
        } else {
            let quoted = self.quote(&words);
            let message = format!("the device rejected `{}` with {why}{quoted}", self.label);
            if part.optional {
                self.dialogue.note(now - self.started, &message);
                self.go_on(turn);
            } else {
                self.fail(self.failure(ErrorCode::CommandRejected, message), now);
            }
        }
    }

    /// The device did what we asked: the credential is right.
    fn accepted(&mut self, now: Instant) {
        self.login_time.get_or_insert(now - self.started);
    }

    fn record(&mut self, bytes: usize, accepted: bool, now: Instant) {
        let (at, duration) = (now - self.started, now - self.asked);
        self.commands.push(CommandRecord { command: self.label.clone(), bytes, at, duration, accepted });
    }

    fn keep(&mut self, part: usize, mut text: Zeroizing<Vec<u8>>, accepted: bool, now: Instant) {
        let capture = Capture::new(std::mem::take(&mut *text));
        let (command, duration) = (self.command.clone(), now - self.asked);
        self.outputs.push(Output { part, context: None, command, capture, accepted, duration });
    }

    fn go_on(&mut self, turn: Turn) {
        let next = Turn { part: turn.part + 1, alternative: 0 };
        match next.part < self.plan.parts.len() {
            true => self.state = State::Part(next),
            false => self.leave(),
        }
    }

    /// Gives back the session on the device, if there is one.
    fn leave(&mut self) {
        let logout = self.plan.platform.http.as_ref().is_some_and(|http| http.logout.is_some());
        // A logout that cannot be sent is none.
        let leaves = logout && self.login_time.is_some() && self.state != State::Logout;
        self.state = if leaves { State::Logout } else { State::Done };
    }

    fn failure(&self, code: ErrorCode, message: String) -> Failure {
        Failure::new(code, self.phase(), message)
    }

    fn busy(&self, status: u16) -> Failure {
        self.failure(
            ErrorCode::DeviceBusy,
            format!("the device answered `{}` with status {status}", self.label),
        )
    }

    fn fail(&mut self, failure: Failure, now: Instant) {
        if self.state != State::Logout {
            self.note(failure, now);
        }
        self.leave();
    }

    fn note(&mut self, failure: Failure, now: Instant) {
        self.dialogue.note(now - self.started, &failure.to_string());
        self.failure.get_or_insert(failure);
        self.outputs.clear();
    }

    /// The words of a refusal, for a message: short ones, passed through the secret finder.
    fn quote(&self, words: &[u8]) -> String {
        if words.len() > SHORT {
            return format!("; {} bytes came", words.len());
        }
        let own: Vec<&Secret> = self.values.secrets().collect();
        let redacted = self.plan.platform.redact_with(words, &own);
        let text: String = redacted.trim().chars().take(QUOTE).collect();
        if text.is_empty() { String::new() } else { format!(": {text:?}") }
    }
}
