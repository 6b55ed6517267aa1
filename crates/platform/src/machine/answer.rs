//! Sending commands and cutting their answers out of the stream.

use super::{CommandRecord, Machine, Output, State};
use netraven_model::Capture;
use std::time::Instant;

/// The echo stands among the first lines.
const ECHO_LINES: usize = 4;
/// So much of what came is quoted in a message.
const TAIL: usize = 240;
/// So much is redacted to quote it: a secret of many lines may start well before the tail.
const TAIL_CONTEXT: usize = 64 * 1024;

impl Machine {
    pub(super) fn send_command(&mut self, command: &str, now: Instant) {
        let shown = self.plan.show_command(command);
        self.dialogue.sent(now - self.started, &shown);
        self.command_sent = now;
        let line_end = self.plan.platform.line_end;
        self.send(format!("{command}{line_end}").into_bytes(), now);
    }

    /// What stands on the terminal belongs to the past as soon as something is asked.
    pub(super) fn send(&mut self, bytes: Vec<u8>, now: Instant) {
        if self.find_prompt().is_some() {
            self.prompt_line = self.terminal.last_line().trim_ascii_end().to_vec();
        }
        self.forget();
        self.received = 0;
        self.outgoing.push_back(bytes.into());
        self.heard = now;
    }

    /// Nothing of what stands on the terminal belongs to the answer.
    pub(super) fn forget(&mut self) {
        self.terminal.clear();
        (self.buried, self.buried_tries) = (None, 0);
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
            State::Login { .. } | State::Fetch | State::Idle | State::Check | State::Done => "",
            State::Enable { step, .. } => {
                platform.enable.get(step).map_or("", |enable| enable.command.as_str())
            }
            State::Prepare { step } => platform.prepare.get(step).map_or("", String::as_str),
            State::Collect { alternative, .. } => self.step_command(alternative).unwrap_or(""),
            State::Logout => &platform.logout,
        }
    }

    /// The last command as a log may show it.
    pub(super) fn shown_command(&self) -> String {
        self.plan.show_command(self.last_command())
    }

    /// What a log may show of something that the device said.
    pub(super) fn redact(&self, text: &[u8]) -> String {
        self.plan.redact(text)
    }

    /// The session's own passwords: some devices repeat what is typed.
    pub(super) fn is_rejected(&self) -> bool {
        self.plan.platform.is_rejection(self.answer())
    }

    pub(super) fn record(&mut self, accepted: bool, now: Instant) {
        self.commands.push(CommandRecord {
            command: self.shown_command(),
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
        let mut dialogue = std::mem::take(&mut self.dialogue);
        dialogue.answered(now - self.started, self.terminal.text(), |text| self.redact(text));
        self.dialogue = dialogue;
    }

    pub(super) fn prompts(&self) -> String {
        let patterns = self.plan.platform.modes.iter().map(|mode| format!("/{}/", mode.prompt));
        patterns.collect::<Vec<_>>().join(" or ")
    }

    /// The end of what came, for a message: of a configuration only its last line, which should have
    /// been the prompt; of anything else some text, passed through the secret finder.
    pub(super) fn quote_tail(&self) -> String {
        let text = self.terminal.text();
        let redacted = self.redact(last_lines(text, TAIL_CONTEXT));
        let redacted = match self.state {
            // The line before may be the begin of a key, so that all of it has to be redacted first.
            State::Collect { .. } if !self.is_rejected() => redacted.rsplit('\n').next().unwrap_or_default(),
            _ => &redacted,
        };
        let redacted = redacted.trim();
        if redacted.is_empty() {
            return format!("{} bytes had come, none on the last line that can be shown", text.len());
        }
        let skipped = redacted.chars().count().saturating_sub(TAIL);
        let tail: String = redacted.chars().skip(skipped).collect();
        format!("the last of {} bytes that came: {tail:?}", text.len())
    }
}

/// The last whole lines of a text, of at most so many bytes: nobody knows what the rest of a line means whose begin is
/// missing.
fn last_lines(text: &[u8], limit: usize) -> &[u8] {
    let Some(cut) = text.len().checked_sub(limit).filter(|cut| *cut > 0) else { return text };
    let line_end = text[cut - 1..].iter().position(|byte| *byte == b'\n');
    line_end.map_or(b"", |line_end| &text[cut + line_end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_lines() {
        assert_eq!(last_lines(b"ab\ncd", 9), b"ab\ncd");
        assert_eq!(last_lines(b"ab\ncd", 5), b"ab\ncd");
        assert_eq!(last_lines(b"ab\ncd", 4), b"cd");
        assert_eq!(last_lines(b"ab\ncd", 2), b"cd");
        assert_eq!(last_lines(b"ab\ncd", 1), b"");
        assert_eq!(last_lines(b"ab\n", 1), b"");
    }
}
