//! From the first byte to the mode in which commands are given: questions, a login inside the shell, the first prompt,
//! `enable`.

use super::{MAX_DIALOGS, Machine, State};
use crate::platform::Enable;
use netraven_model::ErrorCode;
use regex::bytes::Regex;
use std::time::Instant;

impl Machine {
    pub(super) fn look_login(&mut self, now: Instant) {
        if self.find_prompt().is_some() {
            self.state = State::Login { prompt_seen: true };
            if self.plan.platform.login_quiet.is_zero() {
                self.logged_in(now);
            }
            return;
        }
        self.went_on();
        let platform = self.plan.platform.clone();
        if self.answer_login(now) {
            return;
        }
        let line = self.terminal.last_line();
        let Some(dialog) = platform.dialogs.iter().find(|dialog| dialog.expect.is_match(line)) else {
            return;
        };
        self.dialogs += 1;
        if self.dialogs > MAX_DIALOGS {
            let message =
                format!("the device asked more than {MAX_DIALOGS} questions; {}", self.quote_tail());
            return self.fail(ErrorCode::PromptNotFound, message, now);
        }
        self.note_answer(now);
        self.send(dialog.send.clone().into_bytes(), now);
    }

    /// Answers the questions of a login inside the shell: each once, and the password only after the user name where the
    /// family asks for one.
    fn answer_login(&mut self, now: Instant) -> bool {
        let platform = self.plan.platform.clone();
        let line = self.terminal.last_line();
        let asks = |prompt: &Option<Regex>| prompt.as_ref().is_some_and(|prompt| prompt.is_match(line));
        let (username, password) = (asks(&platform.username_prompt), asks(&platform.password_prompt));
        let in_turn = platform.username_prompt.is_none() || self.asked.username;
        if !(username || password && in_turn) {
            return false;
        }
        if username && self.asked.username || password && self.asked.password {
            let message = format!("the device asked for the login again; {}", self.quote_tail());
            self.fail(ErrorCode::AuthFailed, message, now);
            return true;
        }
        self.note_answer(now);
        let mut bytes = Vec::new();
        if username {
            self.asked.username = true;
            self.dialogue.sent(now - self.started, "[user name]");
            bytes.extend_from_slice(self.plan.username.as_bytes());
        } else {
            let Some(secret) = &self.plan.password else {
                let message = "the device asks for a password and the credential has none".to_owned();
                self.fail(ErrorCode::AuthFailed, message, now);
                return true;
            };
            self.asked.password = true;
            // Room for the line end, too: a password that moves leaves a copy behind.
            bytes.reserve_exact(secret.expose_bytes().len() + 2);
            bytes.extend_from_slice(secret.expose_bytes());
            self.dialogue.sent(now - self.started, "[password]");
        }
        bytes.extend_from_slice(platform.line_end.as_bytes());
        self.send(bytes, now);
        true
    }

    /// The first prompt is there: what its `host` group reads must stay.
    pub(super) fn logged_in(&mut self, now: Instant) {
        let Some((mode, host)) = self.find_prompt() else { return };
        self.host = host;
        self.login_time = Some(now - self.started);
        self.note_answer(now);
        match &self.plan.platform.enable {
            Some(enable) if enable.from == mode => {
                let command = enable.command.clone();
                self.state = State::Enable { password_sent: false };
                self.send_command(&command, now);
            }
            _ => self.prepare(0, now),
        }
    }

    pub(super) fn look_enable(&mut self, password_sent: bool, now: Instant) {
        let platform = self.plan.platform.clone();
        let Some(Enable { to, password_prompt, .. }) = &platform.enable else { return };
        let mode = self.find_prompt().map(|(mode, _)| mode);
        if mode == Some(*to) {
            self.note_answer(now);
            self.prepare(0, now);
        } else if let Some(mode) = mode {
            let found = &platform.modes[mode].name;
            let message = format!("the prompt stayed in mode '{found}'; {}", self.quote_tail());
            self.fail(ErrorCode::EnableFailed, message, now);
        } else if password_prompt.is_match(self.terminal.last_line()) {
            self.answer_enable(password_sent, now);
        }
    }

    /// The password goes out once, and only as the answer to this very question.
    fn answer_enable(&mut self, password_sent: bool, now: Instant) {
        if password_sent {
            let message = "the device did not accept the enable secret and asked again".to_owned();
            return self.fail(ErrorCode::EnableFailed, message, now);
        }
        let secret = self.plan.enable.as_ref().or(self.plan.password.as_ref());
        let Some(secret) = secret else {
            let message = "the device asks for a password and the credential has none".to_owned();
            return self.fail(ErrorCode::EnableFailed, message, now);
        };
        let mut bytes = Vec::with_capacity(secret.expose_bytes().len() + 2);
        bytes.extend_from_slice(secret.expose_bytes());
        bytes.extend_from_slice(self.plan.platform.line_end.as_bytes());
        self.note_answer(now);
        self.dialogue.sent(now - self.started, "[enable secret]");
        // What is left of the question may still be on its way; it is no second question.
        self.send(bytes, now);
        self.state = State::Enable { password_sent: true };
    }
}
