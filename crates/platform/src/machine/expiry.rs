//! How long the machine waits in each state, and what it makes of a wait that is over.

use super::{Doubt, Echo, Machine, Seen, State};
use netraven_model::{ErrorCode, Failure};
use std::time::{Duration, Instant};

/// A prompt that came before the end of the answer may stand inside the text: the device gets this
/// long to go on before the answer counts as truncated.
const SETTLE: Duration = Duration::from_secs(3);
/// A configuration without an end of its own is believed to be whole after this much silence behind the prompt.
const PROOF: Duration = Duration::from_millis(200);
/// A prompt that came without the command's echo may be left over from before: a device of which it
/// is not known yet whether it echoes gets this long to show it.
const ECHO_WAIT: Duration = Duration::from_secs(1);
/// An idle session that shows no prompt within this is dead.
const CHECK: Duration = Duration::from_secs(5);

impl Machine {
    pub(super) fn deadline(&self) -> Instant {
        let limits = &self.plan.limits;
        let silence = match self.state {
            State::Login { seen } => self.login_silence(seen),
            State::Collect { suspect: Some(Doubt::Incomplete), .. } => SETTLE,
            State::Collect { suspect: Some(Doubt::Unproven), .. } => PROOF,
            State::Prepare { .. } | State::Collect { .. } if self.echo == Echo::Doubtful => ECHO_WAIT,
            State::Prepare { .. } | State::Collect { .. } if self.buried.is_some() => SETTLE,
            State::Collect { .. } => self.wanted().and_then(|part| part.timeout).unwrap_or(limits.silence),
            State::Logout => limits.logout,
            State::Check => limits.silence.min(CHECK),
            State::Enable { .. } | State::Prepare { .. } | State::Fetch | State::Idle | State::Done => {
                limits.silence
            }
        };
        (self.heard + silence).min(self.started + limits.session)
    }

    pub(super) fn expired(&mut self, now: Instant) {
        let limits = self.plan.limits;
        if self.state == State::Logout {
            self.state = State::Done;
        } else if now >= self.started + limits.session {
            let message =
                format!("the session was expected to end within {:?}; {}", limits.session, self.quote_tail());
            self.fail(ErrorCode::Timeout, message, now);
        } else {
            self.silent(now);
        }
    }

    /// Nothing came for as long as the state allows.
    pub(super) fn silent(&mut self, now: Instant) {
        let waited = now.saturating_duration_since(self.heard);
        match self.state {
            State::Login { seen: Seen::Prompt } => self.logged_in(now),
            State::Login { seen: Seen::Question(question) } => self.answer_question(question, now),
            State::Prepare { .. } | State::Collect { suspect: None, .. } if self.echo == Echo::Doubtful => {
                self.echo = Echo::No;
                self.heard = now;
                self.look(now);
            }
            State::Login { seen: Seen::Nothing } => self.no_prompt(waited, now),
            State::Collect { suspect: Some(Doubt::Unproven), .. } => self.believe(now),
            State::Collect { suspect: Some(Doubt::Incomplete), .. } => {
                let missing = self.wanted().and_then(|part| part.check_complete(self.answer()).err());
                let missing = missing.unwrap_or_default();
                let message = format!("the prompt came back too early: {missing}; {}", self.quote_tail());
                self.fail(ErrorCode::Truncated, message, now);
            }
            State::Prepare { .. } | State::Collect { .. } if self.buried.is_some() => {
                self.unbury(now);
            }
            _ if self.is_other_prompt() => {
                let host = self.host.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let message = format!("the prompt of '{host}' was expected to stay; {}", self.quote_tail());
                self.fail(ErrorCode::PromptNotFound, message, now);
            }
            _ => {
                let message = format!(
                    "nothing came for {waited:.1?} after `{}`, a prompt {} was expected; {}",
                    self.shown_command(),
                    self.prompts(),
                    self.quote_tail()
                );
                self.fail(ErrorCode::Timeout, message, now);
            }
        }
    }

    pub(super) fn fail(&mut self, code: ErrorCode, message: String, now: Instant) {
        let failure = Failure::new(code, self.phase(), message);
        self.dialogue.note(now - self.started, &failure.to_string());
        // What went wrong first is what went wrong.
        self.failure = Some(self.pending.take().unwrap_or(failure));
        self.state = State::Done;
        self.outgoing.clear();
        self.outputs.clear();
        self.terminal.clear();
    }
}
