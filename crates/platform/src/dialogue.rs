//! The readable record of a session for the connection log: prompts, commands, short answers.
//!
//! Of a configuration only its size is written. Everything a device said goes through the redactor.

use std::fmt::Write;
use std::time::Duration;

/// A record beyond this is cut: a device that talks without end must not fill the log.
const MAX_RECORD: usize = 32 * 1024;
/// An answer longer than this is only counted.
const SHORT_ANSWER: usize = 400;

#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    record: String,
    cut: bool,
}

impl Dialogue {
    /// Something was sent; the caller has redacted it.
    pub(crate) fn sent(&mut self, at: Duration, what: &str) {
        self.line(at, '>', what);
    }

    /// Something came: redacted where it is short, counted where it is long.
    pub(crate) fn answered(&mut self, at: Duration, answer: &[u8], redact: impl FnOnce(&[u8]) -> String) {
        let answer = answer.trim_ascii();
        if answer.len() > SHORT_ANSWER {
            self.line(at, '<', &format!("[{} bytes]", answer.len()));
        } else if !answer.is_empty() {
            for line in redact(answer).lines() {
                self.line(at, '<', line);
            }
        }
    }

    /// What is known of an answer without looking into it.
    pub(crate) fn received(&mut self, at: Duration, what: &str) {
        self.line(at, '<', what);
    }

    /// A part of the backup came: never shown.
    pub(crate) fn captured(&mut self, at: Duration, bytes: usize) {
        self.line(at, '<', &format!("[{bytes} bytes]"));
    }

    /// A remark of ours.
    pub(crate) fn note(&mut self, at: Duration, text: &str) {
        self.line(at, '#', text);
    }

    /// The finished record.
    pub(crate) fn into_text(self) -> String {
        self.record
    }

    fn line(&mut self, at: Duration, direction: char, text: &str) {
        if self.record.len() + text.len() > MAX_RECORD {
            if !std::mem::replace(&mut self.cut, true) {
                self.record.push_str("# the rest of the dialogue is left out\n");
            }
            return;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.record, "{:>8.3} {direction} {text}", at.as_secs_f64());
    }
}
