//! What logs, events and messages may not show of what a device said.
//!
//! Whole lines disappear: those that hold a secret, and those that match one of the installation's patterns
//! (`logging.redaction_patterns`). All patterns are linear (the `regex` crate does not backtrack), so no input makes them
//! slow. The text has to be complete: a secret that came in two reads is found because both are in it.

mod multiline;
mod printable;

use crate::finder::{GENERAL, Rules};
use netraven_model::{Secret, Span};
use printable::printable;
use regex::{RegexSet, RegexSetBuilder};
use thiserror::Error;

pub(crate) use multiline::keys;

/// The patterns of an installation that sets none.
pub const DEFAULT_PATTERNS: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "passphrase",
    "community",
    "pre-shared-key",
    "psk",
    "api-key",
    "token",
    "private key",
];

/// What starts a pattern that is a regular expression.
const EXPRESSION: &str = "re:";
/// Lines that no installation wants to see: with the word key, and URLs with a password (RFC 3986, section 3.2.1).
const ALWAYS: &str = r"(?i:(?-u:\b)key(?-u:\b)|://[^/\s]*:[^/\s]*@)";
/// A compiled pattern may take this many bytes; enough for any sensible one.
const PATTERN_SIZE: usize = 1 << 20;
/// More patterns than any installation has.
const MAX_PATTERNS: usize = 256;
/// Stands for a line.
const LINE: &str = "[REDACTED LINE]";
/// Stands for one of the session's own passwords.
const OWN: &str = "[REDACTED]";
/// A text shorter than any password is not looked for.
const SHORTEST: usize = 4;

/// Why a redaction pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// The pattern is wrong.
    #[error("redaction pattern '{pattern}': {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are too many.
    #[error("at most {MAX_PATTERNS} redaction patterns were expected, there are {0}")]
    TooMany(usize),
}

/// Takes secrets out of text that is to be shown. Made once for a process; [`crate::Platforms::load_with`] takes it.
#[derive(Debug)]
pub struct Redactor {
    lines: RegexSet,
    general: Rules,
}

impl Redactor {
    /// Each pattern is a text that is looked for in any case of its letters, or a regular expression behind `re:`, which
    /// is tried on one line at a time, in any case too, unless it says `(?-i)`.
    ///
    /// # Errors
    /// The first pattern that cannot be used, by its name.
    pub fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        if patterns.len() > MAX_PATTERNS {
            return Err(PatternError::TooMany(patterns.len()));
        }
        let mut all = vec![ALWAYS.to_owned()];
        for pattern in patterns {
            all.push(expression(pattern.as_ref())?);
        }
        let wrong = |error: regex::Error| PatternError::Pattern {
            pattern: "all together".to_owned(),
            reason: error.to_string(),
        };
        let lines = set(&all).map_err(wrong)?;
        let general = Rules::new(GENERAL, "secret", PATTERN_SIZE).map_err(wrong)?;
        Ok(Self { lines, general })
    }

    /// The one with [`DEFAULT_PATTERNS`].
    ///
    /// # Errors
    /// They cannot be used, which a test excludes.
    pub fn standard() -> Result<Self, PatternError> {
        Self::new(&DEFAULT_PATTERNS)
    }

    /// The text as a log may show it, for what came before it is known to which family a device belongs: otherwise
    /// [`crate::Platform::redact`] knows more.
    pub fn redact(&self, text: &[u8]) -> String {
        self.redact_with(text, &[], |text| self.general.spans(text))
    }

    /// As [`Self::redact`], with the secrets that a platform's finder knows and the session's own passwords.
    pub(crate) fn redact_with(
        &self,
        text: &[u8],
        own: &[&Secret],
        find: impl FnOnce(&[u8]) -> Vec<Span>,
    ) -> String {
        // Everything is looked for in the text that will be shown, so that a second pass finds nothing more.
        let text = printable(text);
        let mut secrets = find(text.as_bytes());
        secrets.extend(keys(text.as_bytes()));
        secrets.extend(multiline::tail_of_a_key(text.as_bytes()));
        self.render(&text, &Span::merge(secrets), &own_spans(&text, own))
    }

    fn render(&self, text: &str, secrets: &[Span], own: &[Span]) -> String {
        let mut shown = String::with_capacity(text.len());
        let (mut secrets, mut own, mut start) = (secrets.iter().peekable(), own.iter().peekable(), 0);
        for line in text.split('\n') {
            // The line end belongs to the line.
            let end = start + line.len() + 1;
            while secrets.next_if(|span| span.end <= start).is_some() {}
            let secret = secrets.peek().is_some_and(|span| span.start < end);
            if start > 0 {
                shown.push('\n');
            }
            if secret || self.lines.is_match(line) {
                shown.push_str(LINE);
                while own.next_if(|span| span.end < end).is_some() {}
            } else {
                let mut at = start;
                while let Some(span) = own.next_if(|span| span.end < end) {
                    shown.push_str(&text[at..span.start]);
                    shown.push_str(OWN);
                    at = span.end;
                }
                shown.push_str(&text[at..end - 1]);
            }
            start = end;
        }
        shown
    }
}

/// A message without a session's own passwords, which a peer that it quotes may have repeated. Other words stay: what is asked
/// for a password speaks of passwords.
pub fn hide_own(message: &str, own: &[&Secret]) -> String {
    let (mut shown, mut at) = (String::with_capacity(message.len()), 0);
    for span in own_spans(message, own) {
        shown.push_str(&message[at..span.start]);
        shown.push_str(OWN);
        at = span.end;
    }
    shown + &message[at..]
}

/// Where the session's own passwords stand: some devices repeat what is typed at a password prompt.
fn own_spans(text: &str, own: &[&Secret]) -> Vec<Span> {
    let mut found = Vec::new();
    for secret in own.iter().filter(|secret| secret.expose_bytes().len() >= SHORTEST) {
        let secret = printable(secret.expose_bytes());
        let hits = text.match_indices(secret.as_str());
        found.extend(hits.map(|(start, hit)| Span { start, end: start + hit.len() }));
    }
    Span::merge(found)
}

/// One pattern on its own: checked, and with its flags.
fn expression(pattern: &str) -> Result<String, PatternError> {
    let wrong = |reason: String| PatternError::Pattern { pattern: pattern.to_owned(), reason };
    // Without Unicode's rules for upper and lower case patterns are small and quick.
    let flags = if pattern.is_ascii() { "i-u" } else { "i" };
    let text = match pattern.strip_prefix(EXPRESSION) {
        Some(expression) => format!("(?i:{expression})"),
        None if pattern.trim().is_empty() => return Err(wrong("expected a text, found nothing".to_owned())),
        None => format!("(?{flags}:{})", regex::escape(pattern)),
    };
    let alone = set(std::slice::from_ref(&text)).map_err(|error| wrong(error.to_string()))?;
    match alone.is_match("") {
        true => Err(wrong("it matches an empty line, it must not".to_owned())),
        false => Ok(text),
    }
}

fn set(patterns: &[String]) -> Result<RegexSet, regex::Error> {
    let limit = PATTERN_SIZE * patterns.len();
    RegexSetBuilder::new(patterns).size_limit(limit).dfa_size_limit(limit).build()
}

#[cfg(test)]
mod tests;
