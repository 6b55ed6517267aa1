//! What a session proves about a definition, one check after the other.

mod course;
mod expected;

use crate::poll::{Device, PollError, WHOLE};
use netraven_lab::SessionFile;
use netraven_platform::Platform;
use std::fmt;
use std::sync::Arc;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The session comes to its end, and the device knows everything that is sent to it.
    Session,
    /// The expected lines are in the parts.
    Parts,
    /// The expected lines are found to change without meaning.
    Volatile,
    /// No secret is in what would be stored or logged.
    Secrets,
    /// What the device tells about itself is found.
    Facts,
    /// The pieces in which the output arrives make no difference.
    Pieces,
    /// A session that breaks, or an answer that lost its end, never looks complete.
    Truncation,
    /// Time that passes is no change.
    Time,
    /// A change is one, and nothing else is.
    Change,
}

impl Check {
    /// Its name in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Parts => "parts",
            Self::Volatile => "volatile",
            Self::Secrets => "secrets",
            Self::Facts => "facts",
            Self::Pieces => "pieces",
            Self::Truncation => "truncation",
            Self::Time => "time",
            Self::Change => "change",
        }
    }
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// The command whose answer is concerned.
    pub command: Option<String>,
    /// What was expected and what was found; may have several lines.
    pub message: String,
}

impl Finding {
    fn new(check: Check, message: impl Into<String>) -> Self {
        Self { check, command: None, message: message.into() }
    }

    fn at(check: Check, command: &str, message: impl Into<String>) -> Self {
        Self { command: Some(command.to_owned()), ..Self::new(check, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: `{command}`: {}", self.check.as_str(), self.message),
            None => write!(f, "{}: {}", self.check.as_str(), self.message),
        }
    }
}

/// Plays the session with the definition in all the ways that matter. Nothing found means that all holds.
pub fn check(platform: &Arc<Platform>, session: &Arc<SessionFile>) -> Vec<Finding> {
    let device = Device::new(platform.clone(), session.clone());
    let poll = match device.poll(WHOLE) {
        Ok(poll) => poll,
        Err(error) => return vec![broken(&error)],
    };
    let mut findings: Vec<Finding> = poll.unexpected.iter().map(|what| unexpected(what)).collect();
    findings.extend(expected::check(&device, &poll));
    findings.extend(course::check(device, poll));
    findings
}

fn unexpected(what: &str) -> Finding {
    let message = format!("the device does not know {what}: add it to `commands`, or do not send it");
    Finding::new(Check::Session, message)
}

fn broken(error: &PollError) -> Finding {
    match error {
        PollError::Session(broken) => {
            let unexpected = match broken.unexpected.as_slice() {
                [] => String::new(),
                unexpected => format!("\nnot known to the device: {}", unexpected.join("; ")),
            };
            let dialogue = crate::explain::indented(&broken.dialogue);
            Finding::new(Check::Session, format!("{}{unexpected}\n{dialogue}", broken.failure))
        }
        PollError::Seal(error) => Finding::new(Check::Secrets, error.to_string()),
    }
}
