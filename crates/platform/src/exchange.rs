//! One session over the exec channel as a state machine without IO: one request per command, each with its own end.
//!
//! ```text
//! Ready ──Run──▶ Running ──ended──▶ Ready ... ──▶ Done
//!    any state ──deadline, connection lost, flood──▶ Done with a failure
//! ```
//!
//! A channel that ends, even with exit status 0, proves nothing about its answer: RouterOS ends it after half a configuration.
//! So an answer counts only when it shows its own end, as [`crate::Part::check_complete`] sees it or by the last line that the
//! definition's `ssh.wrap` makes the device write behind it.

mod files;

use crate::dialogue::Dialogue;
use crate::file::FileRequest;
use crate::machine::{CommandRecord, Output, Plan, Report};
use crate::platform::{Exec, Part};
use crate::terminal::Terminal;
use netraven_model::{Capture, ErrorCode, Failure, Phase};
use std::time::{Duration, Instant};

/// So much of what came is quoted in a message.
const QUOTED: usize = 240;
/// More error text than any command writes; the rest is dropped.
const MAX_ERRORS: usize = 64 * 1024;

/// What the driver has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Request this command, then ask again.
    Run(String),
    /// Fetch this file and hand in what came of it, with [`Exchange::fetched`].
    Fetch(FileRequest),
    /// Wait for what the command brings, at most until then.
    Wait(Instant),
    /// The device does not carry commands out as it is asked to: the session needs a shell.
    Unsuited,
    /// Take the report.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The command to be requested next.
    Ready(Turn),
    Running(Turn),
    /// The driver fetches the file that is the part.
    Fetching {
        part: usize,
    },
    Unsuited,
    Done,
}

/// Which command of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    part: usize,
    alternative: usize,
    /// Whether it is one of those that remove the part's file.
    cleanup: bool,
}

/// The exchange; see the module's documentation.
#[derive(Debug)]
pub struct Exchange {
    plan: Plan,
    exec: Exec,
    state: State,
    output: Terminal,
    errors: Terminal,
    /// Where the output ends and the mark behind it begins, once it came.
    mark: Option<usize>,
    /// Bytes that came for this command, whatever is left of them.
    received: usize,
    started: Instant,
    heard: Instant,
    asked: Instant,
    outputs: Vec<Output>,
    commands: Vec<CommandRecord>,
    dialogue: Dialogue,
    failure: Option<Failure>,
    /// Why it will fail once the file is removed from the device.
    pending: Option<Failure>,
    /// What the parts are called in outputs, where that is not their own place.
    indices: Vec<usize>,
}

impl Exchange {
    /// An exchange on a connection that is logged in. The plan comes back where its platform is not asked that way.
    ///
    /// # Errors
    /// The plan.
    pub fn new(plan: Plan, now: Instant) -> Result<Self, Box<Plan>> {
        let Some(exec) = plan.platform.exec.clone() else { return Err(Box::new(plan)) };
        Ok(Self::begin(plan, exec, now))
    }

    fn begin(plan: Plan, exec: Exec, now: Instant) -> Self {
        let mut exchange = Self {
            state: State::Done,
            plan,
            exec,
            output: Terminal::default(),
            errors: Terminal::default(),
            mark: None,
            received: 0,
            started: now,
            heard: now,
            asked: now,
            outputs: Vec::new(),
            commands: Vec::new(),
            dialogue: Dialogue::default(),
            failure: None,
            pending: None,
            indices: Vec::new(),
        };
        exchange.go_on(0, now);
        exchange
    }

    /// The plan again, for a session that is held another way.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// What to do now. Call it again after each `Run`, after each piece that came and at the named time.
    pub fn next(&mut self, now: Instant) -> Task {
        match self.state {
            State::Done => Task::Finished,
            State::Unsuited => Task::Unsuited,
            State::Ready(turn) => {
                self.state = State::Running(turn);
                (self.heard, self.asked, self.received) = (now, now, 0);
                self.empty();
                let command = self.command().to_owned();
                let shown = self.shown_command();
                self.dialogue.sent(now - self.started, &shown);
                Task::Run(self.exec.wrap(&command))
            }
            State::Fetching { part } => self.request_file(part, now),
            State::Running(Turn { part, .. }) => {
                let limits = self.plan.limits;
                let silence =
                    self.plan.parts.get(part).and_then(|part| part.timeout).unwrap_or(limits.silence);
                let end = self.started + limits.session;
                let deadline = (self.heard + silence).min(end);
                if now < deadline {
                    return Task::Wait(deadline);
                }
                let (what, time) = match now >= end {
                    true => ("the session was expected to end within", limits.session),
                    false => ("the command was expected to end, and nothing came for", silence),
                };
                let message =
                    format!("{what} {time:?}; it was at `{}`, {}", self.shown_command(), self.quote());
                self.fail(ErrorCode::Timeout, message, now);
                Task::Finished
            }
        }
    }

    /// The command wrote something.
    pub fn output(&mut self, bytes: &[u8], now: Instant) {
        if self.take(bytes, now) {
            self.output.feed(bytes);
        }
    }

    /// The command wrote something that is no output.
    pub fn errors(&mut self, bytes: &[u8], now: Instant) {
        if self.take(bytes, now) {
            let room = MAX_ERRORS.saturating_sub(self.errors.text().len()).min(bytes.len());
            self.errors.feed(&bytes[..room]);
        }
    }

    fn take(&mut self, bytes: &[u8], now: Instant) -> bool {
        if !matches!(self.state, State::Running(_)) {
            return false;
        }
        self.heard = now;
        self.received += bytes.len();
        let limit = self.plan.limits.max_output;
        if self.received > limit {
            let message = format!("an answer of at most {limit} bytes was expected, more came");
            self.fail(ErrorCode::OutputTooLarge, message, now);
        }
        self.failure.is_none()
    }

    /// The command's channel ended in order; the connection stands.
    pub fn ended(&mut self, exit_status: Option<u32>, now: Instant) {
        let State::Running(turn) = self.state else { return };
        let index = turn.part;
        let parts = self.plan.parts.clone();
        let Some(part) = parts.get(index) else { return };
        for text in [&mut self.output, &mut self.errors] {
            // The last line counts whether its end came or not.
            if !text.last_line().is_empty() {
                text.feed(b"\n");
            }
        }
        self.mark = self.exec.find_mark(self.output.text());
        let whole = self.mark.is_some() || self.exec.end.is_none();
        if !whole && self.commands.is_empty() {
            // Some start a program of their own whatever is asked: a menu, a restricted shell. Who cut a real answer cuts it
            // in the shell, too, and is found out there.
            self.dialogue
                .note(now - self.started, "it was not carried out as asked, a shell is tried instead");
            self.state = State::Unsuited;
            return;
        }
        if whole && self.is_rejected(exit_status) {
            return self.refused(part, turn, now);
        }
        if part.file.is_some() && whole {
            return self.carried_out(turn, now);
        }
        if let Err(missing) = self.check(part, whole, exit_status) {
            let message =
                format!("the answer to `{}` broke off: {missing}; {}", self.shown_command(), self.quote());
            return self.fail(ErrorCode::Truncated, message, now);
        }
        self.record(true, now);
        self.keep(index, true, now);
        self.go_on(index + 1, now);
    }

    /// The output without the mark behind it.
    fn answer(&self) -> &[u8] {
        let text = self.output.text();
        &text[..self.mark.unwrap_or(text.len())]
    }

    fn empty(&mut self) {
        (self.output, self.errors, self.mark) = (Terminal::default(), Terminal::default(), None);
    }

    fn check(&self, part: &Part, whole: bool, exit_status: Option<u32>) -> Result<(), String> {
        if let (Some(end), false) = (&self.exec.end, whole) {
            return Err(format!("the last line was expected to match /{end}/"));
        }
        part.check_complete(self.answer())?;
        match exit_status.is_none() && self.mark.is_none() && !part.shows_its_end() {
            true => Err("an exit status was expected at its end".to_owned()),
            false => Ok(()),
        }
    }

    /// What is written as an error counts where there is no output: some commands warn and do their work.
    fn is_rejected(&self, exit_status: Option<u32>) -> bool {
        let (output, errors) = (self.answer().trim_ascii(), self.errors.text());
        let platform = &self.plan.platform;
        let silent = output.is_empty();
        platform.is_rejection(output)
            || silent && (platform.is_rejection(errors) || exit_status.is_some_and(|status| status != 0))
    }

    fn refused(&mut self, part: &Part, turn: Turn, now: Instant) {
        let Turn { part: index, alternative, cleanup } = turn;
        self.record(false, now);
        if part.keep_refusal {
            let errors = self.errors.take_lines();
            let answer = self.answer().to_vec();
            self.empty();
            self.output.feed(&answer);
            self.output.feed(&errors);
            self.keep(index, false, now);
            return self.go_on(index + 1, now);
        }
        let said = [self.errors.text(), self.answer()].concat();
        self.dialogue.answered(now - self.started, &said, |text| self.plan.redact(text));
        let next = Turn { alternative: alternative + 1, ..turn };
        if self.command_of(next).is_some() {
            self.state = State::Ready(next);
        } else if cleanup {
            self.dialogue.note(now - self.started, "the file is still on the device");
            self.cleaned(index, now);
        } else if part.optional {
            self.go_on(index + 1, now);
        } else {
            let message = format!("the device rejected `{}`; {}", self.shown_command(), self.quote());
            self.fail(ErrorCode::CommandRejected, message, now);
        }
    }

    fn go_on(&mut self, part: usize, now: Instant) {
        self.state = match self.plan.parts.get(part) {
            Some(wanted) if wanted.commands.is_empty() => return self.fetch(part, now),
            Some(_) => State::Ready(Turn { part, alternative: 0, cleanup: false }),
            None => State::Done,
        };
    }

    fn command(&self) -> &str {
        let (State::Ready(turn) | State::Running(turn)) = self.state else { return "" };
        self.command_of(turn).unwrap_or_default()
    }

    fn command_of(&self, turn: Turn) -> Option<&str> {
        let part = self.plan.parts.get(turn.part)?;
        let commands = if turn.cleanup { part.cleanup_commands() } else { &part.commands };
        commands.get(turn.alternative).map(String::as_str)
    }

    /// The command as a log may show it.
    fn shown_command(&self) -> String {
        self.plan.show_command(self.command())
    }

    fn record(&mut self, accepted: bool, now: Instant) {
        self.commands.push(CommandRecord {
            command: self.shown_command(),
            bytes: self.answer().len(),
            at: now - self.started,
            duration: now - self.asked,
            accepted,
        });
    }

    fn keep(&mut self, part: usize, accepted: bool, now: Instant) {
        let command = self.command().to_owned();
        let end = self.answer().trim_ascii_end().len();
        let mut text = self.output.take_lines();
        text.truncate(end);
        let blank = text.iter().take_while(|byte| **byte == b'\n').count();
        text.drain(..blank);
        if !text.is_empty() {
            text.push(b'\n');
        }
        self.dialogue.captured(now - self.started, text.len());
        let (capture, duration) = (Capture::new(text), now - self.asked);
        self.outputs.push(Output { part, context: None, command, capture, accepted, duration });
    }

    /// What the command said against itself, for a message; of its output nothing but the size.
    fn quote(&self) -> String {
        let platform = &self.plan.platform;
        let said = match platform.is_rejection(self.answer()) {
            true => self.answer(),
            false => self.errors.text(),
        };
        let redacted = self.plan.redact(&said[..said.len().min(MAX_ERRORS)]);
        let bytes = self.answer().len();
        match redacted.trim() {
            "" => format!("{bytes} bytes had come"),
            said => format!(
                "{bytes} bytes had come, and it said: {:?}",
                said.chars().take(QUOTED).collect::<String>()
            ),
        }
    }

    /// The transport failed beneath the exchange.
    pub fn broken(&mut self, failure: Failure, now: Instant) {
        if self.state != State::Done {
            let message = format!(
                "{}; it was at `{}`, {}",
                self.plan.hide_own(&failure.message),
                self.shown_command(),
                self.quote()
            );
            self.fail(failure.code, message, now);
        }
    }

    fn fail(&mut self, code: ErrorCode, message: String, now: Instant) {
        let failure = Failure::new(code, Phase::Collect, message);
        self.dialogue.note(now - self.started, &failure.to_string());
        // What went wrong first is what went wrong.
        self.failure = Some(self.pending.take().unwrap_or(failure));
        self.state = State::Done;
        self.outputs.clear();
        self.empty();
    }

    /// What became of it; everything collected is lost unless it finished.
    pub fn report(mut self) -> Report {
        if self.state != State::Done {
            let now = self.heard;
            self.fail(ErrorCode::Cancelled, "the session was given up before its end".to_owned(), now);
        }
        for output in &mut self.outputs {
            output.part = self.indices.get(output.part).copied().unwrap_or(output.part);
        }
        Report {
            result: self.failure.map_or(Ok(self.outputs), Err),
            later: Vec::new(),
            commands: self.commands,
            dialogue: self.dialogue.into_text(),
            host: None,
            login_time: Some(Duration::ZERO),
            password_sent: false,
        }
    }
}

#[cfg(test)]
mod tests;
