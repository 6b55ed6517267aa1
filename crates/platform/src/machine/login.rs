//! From the first byte to the first prompt: questions, a login inside the session.

use super::questions::{self, Question};
use super::{MAX_DIALOGS, Machine, Seen, State};
use netraven_model::ErrorCode;
use regex::bytes::Regex;
use std::time::{Duration, Instant};

/// On a line on which nobody has logged in yet, a question or a first prompt counts when the device then waits for so long:
/// until then it may be the beginning of a line of a banner.
const QUIET: Duration = Duration::from_millis(200);
/// The same for a password that is asked for without a user name, and for a question that ends the session.
const LONG_QUIET: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn look_login(&mut self, now: Instant) {
        let platform = self.plan.platform.clone();
        let question = self.find_question();
        if question.is_none() && self.find_prompt().is_some() {
            return self.see(Seen::Prompt, now);
        }
        self.went_on();
        let line = self.terminal.last_line();
        let dialog = platform.dialogs.iter().find(|dialog| dialog.expect.is_match(line));
        match (question, dialog) {
            (Some(question @ (Question::Username | Question::Password)), _) => {
                self.see(Seen::Question(question), now);
            }
            (_, Some(dialog)) => self.answer_dialog(dialog.send.as_bytes(), now),
            (Some(question), None) => self.see(Seen::Question(question), now),
            (None, None) => {}
        }
    }

    /// How long silence may last before the first prompt, or has to.
    pub(super) fn login_silence(&self, seen: Seen) -> Duration {
        let asks = self.plan.asks_login;
        match seen {
            Seen::Nothing => self.plan.limits.login,
            Seen::Prompt if asks && !self.asked.password => self.plan.platform.login_quiet.max(QUIET),
            Seen::Prompt => self.plan.platform.login_quiet,
            Seen::Question(Question::NewPassword) => LONG_QUIET,
            Seen::Question(_) if !asks => Duration::ZERO,
            Seen::Question(Question::Password) if !self.asked.username => LONG_QUIET,
            Seen::Question(_) => QUIET,
        }
    }

    fn see(&mut self, seen: Seen, now: Instant) {
        self.state = State::Login { seen };
        if self.login_silence(seen).is_zero() {
            self.silent(now);
        }
    }

    /// The question at the end, if this is its place: the platform's own ones, and over a line on which nobody has logged in
    /// yet those that devices ask in general.
    fn find_question(&self) -> Option<Question> {
        let platform = &self.plan.platform;
        let line = self.terminal.last_line();
        let own = |prompt: &Option<Regex>| prompt.as_ref().is_some_and(|prompt| prompt.is_match(line));
        let question = if own(&platform.username_prompt) {
            Some(Question::Username)
        } else if own(&platform.password_prompt) {
            Some(Question::Password)
        } else {
            questions::question(line)
                .filter(|general| self.plan.asks_login || *general == Question::NewPassword)
        };
        // Inside a shell, the password is nobody's business before the user name that the family asks for.
        let in_turn = self.plan.asks_login || platform.username_prompt.is_none() || self.asked.username;
        question.filter(|question| *question != Question::Password || in_turn)
    }

    /// Answers a question of the login: each once, and the user name never after the password.
    pub(super) fn answer_question(&mut self, question: Question, now: Instant) {
        match question {
            Question::Username if !self.asked.username && !self.asked.password => {
                self.asked.username = true;
                let name = self.plan.username.clone();
                self.reply("[user name]", name.as_bytes(), now);
            }
            Question::Password if !self.asked.password => match self.plan.password.clone() {
                Some(secret) => {
                    self.asked.password = true;
                    self.reply("[password]", secret.expose_bytes(), now);
                }
                None => {
                    let message = "the device asks for a password and the credential has none".to_owned();
                    self.fail(ErrorCode::AuthFailed, message, now);
                }
            },
            Question::Username | Question::Password => self.refused("asked for the login again", now),
            Question::NewPassword => {
                let message = format!(
                    "the device wants the password to be changed before it lets anybody in: log in once by hand; {}",
                    self.quote_tail()
                );
                self.fail(ErrorCode::AuthFailed, message, now);
            }
            Question::Key => self.answer_dialog(b"\n", now),
        }
    }

    fn reply(&mut self, shown: &str, text: &[u8], now: Instant) {
        self.send_answer(shown, text, now);
        self.state = State::Login { seen: Seen::Nothing };
    }

    /// Sends a line that a question asks for and of which logs show only what it is.
    pub(super) fn send_answer(&mut self, shown: &str, text: &[u8], now: Instant) {
        self.note_answer(now);
        self.dialogue.sent(now - self.started, shown);
        let line_end = self.plan.platform.line_end.as_bytes();
        // Room for the line end, too: a password that moves leaves a copy behind.
        let mut bytes = Vec::with_capacity(text.len() + line_end.len());
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(line_end);
        self.send(bytes, now);
    }

    fn answer_dialog(&mut self, answer: &[u8], now: Instant) {
        self.dialogs += 1;
        if self.dialogs > MAX_DIALOGS {
            let message =
                format!("the device asked more than {MAX_DIALOGS} questions; {}", self.quote_tail());
            return self.fail(ErrorCode::PromptNotFound, message, now);
        }
        self.note_answer(now);
        self.state = State::Login { seen: Seen::Nothing };
        self.send(answer.to_vec(), now);
    }

    /// Whether what came behind the password means no: a refusal, or nothing at all before the device hung up. Taking that for
    /// a broken line would send the same password again, until the account is locked.
    pub(super) fn was_refused(&self) -> bool {
        let text = self.terminal.text();
        self.asked.password && (questions::refuses(text) || text.trim_ascii().is_empty())
    }

    pub(super) fn refused(&mut self, what: &str, now: Instant) {
        let message = format!("the device {what} after it got user name and password; {}", self.quote_tail());
        self.fail(ErrorCode::AuthFailed, message, now);
    }

    /// The device went quiet, and nothing that is known stands there.
    pub(super) fn no_prompt(&mut self, waited: Duration, now: Instant) {
        if self.asked.password && questions::refuses(self.terminal.text()) {
            return self.refused("asked for nothing more", now);
        }
        if self.terminal.text().is_empty() {
            let message = format!("a prompt was expected, nothing came for {waited:.1?}");
            return self.fail(ErrorCode::Timeout, message, now);
        }
        let menu = match questions::is_menu(self.terminal.last_line()) {
            true => " and found a menu, to which the platform knows no answer (`login.dialogs`)",
            false => "",
        };
        let message = format!("expected a prompt {}{menu}; {}", self.prompts(), self.quote_tail());
        self.fail(ErrorCode::PromptNotFound, message, now);
    }

    /// The first prompt is there: what its `host` group reads must stay.
    pub(super) fn logged_in(&mut self, now: Instant) {
        let Some((mode, host)) = self.find_prompt() else { return };
        self.host = host;
        self.login_time = Some(now - self.started);
        self.note_answer(now);
        match self.step_from(mode, 0) {
            Some(step) => self.enable(step, now),
            None => self.prepare(0, now),
        }
    }
}
