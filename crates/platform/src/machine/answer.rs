//! Sending commands and cutting their answers out of the stream.

use super::{CommandRecord, Machine, Output, State};
use netraven_model::Capture;
use std::time::Instant;
use zeroize::Zeroizing;

/// What stands in the place of the session's own passwords.
const REDACTED: &[u8] = b"[REDACTED]";
/// The echo stands among the first lines.
const ECHO_LINES: usize = 4;
/// So much of what came is quoted in a message.
const TAIL: usize = 240;
/// So much is redacted to quote it: a secret of many lines may start well before the tail.
const TAIL_CONTEXT: usize = 64 * 1024;

impl Machine {
    pub(super) fn send_command(&mut self, command: &str, now: Instant) {
        self.dialogue.sent(now - self.started, command);
        self.command_sent = now;
        let line_end = self.plan.platform.line_end;
        self.send(format!("{command}{line_end}").into_bytes(), now);
    }

    /// What stands on the terminal belongs to the past as soon as something is asked.
    pub(super) fn send(&mut self, bytes: Vec<u8>, now: Instant) {
        self.terminal.clear();
        self.received = 0;
        self.outgoing.push_back(bytes.into());
        self.heard = now;
    }

    /// The answer so far: everything between the command's echo and the line of the prompt.
    pub(super) fn answer(&self) -> &[u8] {
        let lines = self.terminal.lines();
        let mut answer = &lines[self.echo_end()..];
        if let Some(prefix) = &self.plan.platform.prompt_prefix {
            let trimmed = answer.trim_ascii_end();
            let last = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            if prefix.is_match(&trimmed[last..]) {
                answer = &answer[..last];
            }
        }
        answer
    }

    /// Where the echo ends, 0 where there is none. Before it may stand blank lines, a redrawn prompt,
    /// a log message.
    pub(super) fn echo_end(&self) -> usize {
        let command = self.last_command().as_bytes();
        let mut end = 0;
        for line in self.terminal.lines().split_inclusive(|byte| *byte == b'\n').take(ECHO_LINES) {
            end += line.len();
            if line.trim_ascii().ends_with(command) {
                return end;
            }
        }
        0
    }

    pub(super) fn last_command(&self) -> &str {
        let platform = &self.plan.platform;
        match self.state {
            State::Login { .. } | State::Idle | State::Check | State::Done => "",
            State::Enable { .. } => platform.enable.as_ref().map_or("", |enable| enable.command.as_str()),
            State::Prepare { step } => platform.prepare.get(step).map_or("", String::as_str),
            State::Collect { alternative, .. } => self.step_command(alternative).unwrap_or(""),
            State::Logout => &platform.logout,
        }
    }

    pub(super) fn is_rejected(&self) -> bool {
        self.plan.platform.is_rejection(self.answer())
    }

    pub(super) fn record(&mut self, accepted: bool, now: Instant) {
        self.commands.push(CommandRecord {
            command: self.last_command().to_owned(),
            bytes: self.answer().len(),
            at: now - self.started,
            duration: now - self.command_sent,
            accepted,
        });
    }

    /// Moves the answer out of the terminal: no copy of a large configuration is made.
    pub(super) fn keep_answer(&mut self, part: usize, context: Option<String>, now: Instant) {
        let (command, accepted) = (self.last_command().to_owned(), !self.is_rejected());
        let start = self.echo_end();
        let end = start + self.answer().trim_ascii_end().len();
        let mut text = self.terminal.take_lines();
        text.truncate(end);
        // Blank lines in front are the terminal's, not the configuration's.
        let blank = text[start..].iter().take_while(|byte| **byte == b'\n').count();
        text.drain(..start + blank);
        if !text.is_empty() {
            text.push(b'\n');
        }
        self.dialogue.captured(now - self.started, text.len());
        let (capture, duration) = (Capture::new(text), now - self.command_sent);
        self.outputs.push(Output { part, context, command, capture, accepted, duration });
    }

    pub(super) fn note_answer(&mut self, now: Instant) {
        let platform = self.plan.platform.clone();
        let text = self.without_own_secrets(self.terminal.text());
        self.dialogue.answered(now - self.started, &platform, &text);
    }

    pub(super) fn prompts(&self) -> String {
        let patterns = self.plan.platform.modes.iter().map(|mode| format!("/{}/", mode.prompt));
        patterns.collect::<Vec<_>>().join(" or ")
    }

    /// The end of what came, for a message: of a configuration only its last line, which should have
    /// been the prompt; of anything else some text, passed through the secret finder.
    pub(super) fn quote_tail(&self) -> String {
        let text = self.terminal.text();
        let quoted = match self.state {
            State::Collect { .. } if !self.is_rejected() => self.terminal.last_line(),
            _ => &text[text.len().saturating_sub(TAIL_CONTEXT)..],
        };
        let redacted = self.plan.platform.redact(&self.without_own_secrets(quoted));
        let redacted = redacted.trim();
        if redacted.is_empty() {
            return format!("{} bytes had come, none of them on the last line", text.len());
        }
        let skipped = redacted.chars().count().saturating_sub(TAIL);
        let tail: String = redacted.chars().skip(skipped).collect();
        format!("the last of {} bytes that came: {tail:?}", text.len())
    }

    /// Some devices repeat what is typed at a password prompt.
    fn without_own_secrets(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut shown = Zeroizing::new(text.to_vec());
        for secret in [&self.plan.password, &self.plan.enable].into_iter().flatten() {
            let mut at = 0;
            while let Some(found) = find(&shown[at..], secret.expose_bytes()) {
                let start = at + found;
                shown.splice(start..start + secret.expose_bytes().len(), REDACTED.iter().copied());
                at = start + REDACTED.len();
            }
        }
        shown
    }
}

/// Where `wanted` begins; a text shorter than any password is not looked for.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    const SHORTEST: usize = 4;
    let long_enough = wanted.len() >= SHORTEST;
    text.windows(wanted.len().max(1)).position(|window| long_enough && window == wanted)
}
