//! What the machine does when the end of the stream looks like something it knows.

use super::steps::Step;
use super::{Doubt, Echo, MAX_SUSPECTS, Machine, Seen, State};
use netraven_model::ErrorCode;
use std::sync::Arc;
use std::time::Instant;

/// A longer line is no prompt.
const MAX_PROMPT: usize = 256;

impl Machine {
    pub(super) fn look(&mut self, now: Instant) {
        let line = self.terminal.last_line();
        if line.is_empty() || line.len() > MAX_PROMPT {
            return self.went_on();
        }
        match self.state {
            State::Login { .. } => self.look_login(now),
            State::Enable { step, asked } => self.look_enable(step, asked, now),
            State::Prepare { step } => self.look_prepare(step, now),
            State::Collect { .. } => self.look_collect(now),
            State::Check => self.look_check(),
            State::Fetch | State::Idle | State::Logout | State::Done => {}
        }
    }

    /// More came behind what looked like a prompt: it was none.
    pub(super) fn went_on(&mut self) {
        match &mut self.state {
            State::Login { seen } => *seen = Seen::Nothing,
            State::Collect { suspect, .. } => *suspect = None,
            _ => {}
        }
    }

    fn look_prepare(&mut self, step: usize, now: Instant) {
        if self.answer_pager(now) || self.find_prompt().is_none() || !self.is_answer() {
            return;
        }
        // A terminal that cannot be set up is no failure: the pager is answered instead.
        self.note_answer(now);
        self.prepare(step + 1, now);
    }

    pub(super) fn prepare(&mut self, step: usize, now: Instant) {
        match self.plan.platform.prepare.get(step).cloned() {
            Some(command) => {
                self.state = State::Prepare { step };
                self.send_command(&command, now);
            }
            None => {
                self.home = self.find_prompt().map(|(mode, _)| mode);
                self.mode = self.home;
                self.go_on(now);
            }
        }
    }

    /// Takes the next step, or logs out behind the last one.
    pub(super) fn go_on(&mut self, now: Instant) {
        let platform = self.plan.platform.clone();
        match self.steps.advance(&platform).cloned() {
            Some(Step::Part { part, .. }) if self.plan.parts[part].file.is_some() => self.ask_file(part, now),
            Some(_) => self.ask(0, now),
            None if self.plan.stay => self.state = State::Idle,
            None => self.leave(now),
        }
    }

    pub(super) fn ask(&mut self, alternative: usize, now: Instant) {
        self.state = State::Collect { alternative, suspects: 0, suspect: None };
        let command = self.last_command().to_owned();
        self.send_command(&command, now);
    }

    fn look_collect(&mut self, now: Instant) {
        if self.answer_pager(now) {
            return;
        }
        let Some((mode, _)) = self.find_prompt() else { return self.went_on() };
        if !self.is_answer() {
            return;
        }
        self.mode = Some(mode);
        match self.steps.current().cloned() {
            Some(Step::Part { part, context }) => self.look_part(part, context, now),
            Some(Step::List(index)) => self.look_list(index, now),
            Some(Step::Cleanup(part)) => self.look_cleanup(part, now),
            _ => self.look_move(now),
        }
    }

    fn look_part(&mut self, part: usize, context: Option<Arc<str>>, now: Instant) {
        let State::Collect { alternative, suspects, .. } = self.state else { return };
        let parts = self.plan.parts.clone();
        let wanted = &parts[part];
        if self.is_rejected() {
            self.record(false, now);
            if wanted.keep_refusal {
                self.keep_answer(part, None, now);
                self.go_on(now);
            } else if alternative + 1 < wanted.commands.len() {
                self.note_answer(now);
                self.ask(alternative + 1, now);
            } else if wanted.optional {
                self.note_answer(now);
                self.go_on(now);
            } else {
                self.rejected(now);
            }
        } else if wanted.file.is_some() {
            self.file_made(part, now);
        } else if let Err(missing) = wanted.check_complete(self.answer()) {
            if self.unbury(now) {
                return;
            }
            // It may be a line of the configuration that reads like the prompt: see whether more comes.
            self.state =
                State::Collect { alternative, suspects: suspects + 1, suspect: Some(Doubt::Incomplete) };
            if suspects >= MAX_SUSPECTS {
                let message = format!("the prompt came {suspects} times before the end: {missing}");
                self.fail(ErrorCode::Truncated, message, now);
            }
        } else if wanted.has_end() {
            self.take_part(part, context, now);
        } else {
            self.state = State::Collect { alternative, suspects, suspect: Some(Doubt::Unproven) };
        }
    }

    /// Nothing came behind the prompt: it was one.
    pub(super) fn believe(&mut self, now: Instant) {
        if let Some(Step::Part { part, context }) = self.steps.current().cloned() {
            self.take_part(part, context, now);
        }
    }

    fn take_part(&mut self, part: usize, context: Option<Arc<str>>, now: Instant) {
        self.record(true, now);
        self.keep_answer(part, context.map(|name| name.to_string()), now);
        self.go_on(now);
    }

    /// A device that does not know the list has no contexts.
    fn look_list(&mut self, index: usize, now: Instant) {
        let platform = self.plan.platform.clone();
        let context = &platform.contexts[index];
        let accepted = !self.is_rejected();
        self.record(accepted, now);
        let list = if accepted { self.answer().to_vec() } else { Vec::new() };
        if let Err(problem) = self.steps.learn(index, context, &list) {
            // A name that is none is quoted.
            let problem = self.redact(problem.as_bytes());
            let message = format!("`{}` does not list {}s: {problem}", context.list, context.name);
            return self.fail(ErrorCode::Unsupported, message, now);
        }
        self.note_answer(now);
        self.go_on(now);
    }

    /// What is collected outside the context that was meant would be stored under a wrong name.
    fn look_move(&mut self, now: Instant) {
        let accepted = !self.is_rejected();
        self.record(accepted, now);
        if !accepted {
            return self.rejected(now);
        }
        self.note_answer(now);
        self.go_on(now);
    }

    fn rejected(&mut self, now: Instant) {
        let message = format!("the device rejected `{}`; {}", self.shown_command(), self.quote_tail());
        self.fail(ErrorCode::CommandRejected, message, now);
    }

    /// Whether the prompt at the end ends the answer to the last command. One that came before the
    /// command's echo is left over, e.g. redrawn behind a log message, and would shift all answers by one.
    fn is_answer(&mut self) -> bool {
        if self.echo_end() > 0 {
            self.echo = Echo::Yes;
            return true;
        }
        match self.echo {
            Echo::No => return true,
            Echo::Yes => self.forget(),
            Echo::Unknown | Echo::Doubtful => self.echo = Echo::Doubtful,
        }
        false
    }

    /// Answers a pager at the end of the stream and removes its text.
    fn answer_pager(&mut self, now: Instant) -> bool {
        let platform = self.plan.platform.clone();
        let line = self.terminal.last_line();
        let Some(pager) = platform.pagers.iter().find(|pager| pager.expect.is_match(line)) else {
            return false;
        };
        self.terminal.erase_last_line();
        self.outgoing.push_back(pager.send.clone().into_bytes().into());
        self.heard = now;
        true
    }

    /// The mode whose prompt stands at the end, and what its `host` group reads.
    pub(super) fn find_prompt(&self) -> Option<(usize, Option<Vec<u8>>)> {
        let line = self.terminal.last_line();
        self.plan.platform.modes.iter().enumerate().find_map(|(index, mode)| {
            let host = mode.read(line)?;
            let known = self.host.is_none() || self.host == host;
            known.then_some((index, host))
        })
    }
    /// Whether the prompt of the family stands at the end, but with another name in it.
    pub(super) fn is_other_prompt(&self) -> bool {
        let line = self.terminal.last_line();
        let reads = line.len() <= MAX_PROMPT && self.plan.platform.prompt(line).is_some();
        reads && self.find_prompt().is_none()
    }
}
