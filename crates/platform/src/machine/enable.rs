//! From where the login landed to the mode in which commands are given: `enable` and the like, step by step.

use super::{Asked, Machine, State};
use netraven_model::ErrorCode;
use std::time::Instant;

impl Machine {
    /// The first step, from the given one on, that begins in a mode.
    pub(super) fn step_from(&self, mode: usize, first: usize) -> Option<usize> {
        let mut steps = self.plan.platform.enable.iter().enumerate().skip(first);
        steps.find_map(|(index, step)| (step.from == mode).then_some(index))
    }

    pub(super) fn enable(&mut self, step: usize, now: Instant) {
        let Some(command) = self.plan.platform.enable.get(step).map(|step| step.command.clone()) else {
            return;
        };
        self.state = State::Enable { step, asked: Asked::default() };
        self.send_command(&command, now);
    }

    pub(super) fn look_enable(&mut self, step: usize, asked: Asked, now: Instant) {
        let platform = self.plan.platform.clone();
        let Some(enable) = platform.enable.get(step) else { return };
        if let Some((mode, _)) = self.find_prompt() {
            return self.enabled(step, asked, mode, now);
        }
        let line = self.terminal.last_line();
        if enable.username_prompt.as_ref().is_some_and(|prompt| prompt.is_match(line)) {
            self.answer_username(step, asked, now);
        } else if enable.password_prompt.as_ref().is_some_and(|prompt| prompt.is_match(line)) {
            self.answer_enable(step, asked, now);
        }
    }

    /// A prompt came behind the step: either it led somewhere from where it goes on, or the next step that begins here is
    /// another way. Behind a password that was refused there is no other way: it would be sent again.
    fn enabled(&mut self, step: usize, asked: Asked, mode: usize, now: Instant) {
        let platform = self.plan.platform.clone();
        let Some(enable) = platform.enable.get(step) else { return };
        let refused = mode == enable.from && asked.password;
        let arrived = mode == enable.to || platform.enable.last().is_some_and(|last| mode == last.to);
        match self.step_from(mode, step + 1).filter(|_| !refused) {
            Some(next) => {
                self.note_answer(now);
                self.enable(next, now);
            }
            None if arrived => {
                self.note_answer(now);
                self.prepare(0, now);
            }
            None => {
                let found = &platform.modes[mode].name;
                let message = format!("the prompt stayed in mode '{found}'; {}", self.quote_tail());
                self.fail(ErrorCode::EnableFailed, message, now);
            }
        }
    }

    /// The login's user name, for devices that ask a server who may go on.
    fn answer_username(&mut self, step: usize, asked: Asked, now: Instant) {
        if asked.username || asked.password {
            let message = "the device did not accept user name and enable secret and asked again".to_owned();
            return self.fail(ErrorCode::EnableFailed, message, now);
        }
        let name = self.plan.username.clone();
        self.send_answer("[user name]", name.as_bytes(), now);
        self.state = State::Enable { step, asked: Asked { username: true, ..asked } };
    }

    /// The password goes out once, and only as the answer to this very question.
    fn answer_enable(&mut self, step: usize, asked: Asked, now: Instant) {
        if asked.password {
            let message = "the device did not accept the enable secret and asked again".to_owned();
            return self.fail(ErrorCode::EnableFailed, message, now);
        }
        let Some(secret) = self.plan.enable.clone().or(self.plan.password.clone()) else {
            let message = "the device asks for a password and the credential has none".to_owned();
            return self.fail(ErrorCode::EnableFailed, message, now);
        };
        // What is left of the question may still be on its way; it is no second question.
        self.send_answer("[enable secret]", secret.expose_bytes(), now);
        self.state = State::Enable { step, asked: Asked { password: true, ..asked } };
    }
}
