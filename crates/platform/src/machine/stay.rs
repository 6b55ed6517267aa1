//! Sessions that stay open for the next questions.

use super::steps::Steps;
use super::{Limits, Machine, State};
use crate::Part;
use std::sync::Arc;
use std::time::Instant;

impl Machine {
    /// Whether all is asked and the session could answer more: the prompt is that of the mode in which the first command was
    /// given. What a command may have left behind, a configuration mode or a shell, is nobody else's to find.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle && self.mode == self.home
    }

    /// Asks an idle session for more, within limits that count from now.
    pub fn again(&mut self, parts: Arc<[Part]>, limits: Limits, now: Instant) {
        self.steps = Steps::of(&parts, self.plan.platform.contexts.len());
        (self.plan.parts, self.plan.limits) = (parts, limits);
        (self.started, self.heard) = (now, now);
        self.go_on(now);
    }

    /// Sees whether an idle session still answers: an empty line brings the prompt again.
    pub fn check(&mut self, now: Instant) {
        let line_end = self.plan.platform.line_end;
        (self.started, self.state) = (now, State::Check);
        self.send(line_end.as_bytes().to_vec(), now);
    }

    pub(super) fn look_check(&mut self) {
        if let Some((mode, _)) = self.find_prompt() {
            (self.state, self.mode) = (State::Idle, Some(mode));
        }
    }

    /// Logs out of an idle session.
    pub fn leave(&mut self, now: Instant) {
        let logout = self.plan.platform.logout.clone();
        self.state = State::Logout;
        self.send_command(&logout, now);
    }
}
