//! What a definition makes of single lines and answers: for people who write one, and for tests.

use crate::platform::Mode;
use crate::redactor::keys;
use crate::{Fired, Platform, Rule};
use netraven_model::Span;
use std::sync::Arc;

/// An error text stands at the beginning of an answer.
const REJECTION: usize = 1024;

/// A line that is a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// The mode it belongs to.
    pub mode: &'a str,
    /// What the prompt's `host` group read, where it has one.
    pub host: Option<Vec<u8>>,
}

impl Platform {
    /// The prompt that a line is; of several modes that match the first one counts, as in a session.
    pub fn prompt(&self, line: &[u8]) -> Option<Prompt<'_>> {
        self.modes.iter().find_map(|mode| {
            let host = mode.read(line)?;
            Some(Prompt { mode: &mode.name, host })
        })
    }

    /// Whether a line is a pager's.
    pub fn is_pager(&self, line: &[u8]) -> bool {
        self.pager_rule(line).is_some()
    }

    /// Whether a line is a question of the login, or one on the way to another mode.
    pub fn is_question(&self, line: &[u8]) -> bool {
        let enable = self.enable.iter().flat_map(|enable| [&enable.username_prompt, &enable.password_prompt]);
        let enable = enable.flatten();
        self.dialogs.iter().map(|dialog| &dialog.expect).chain(enable).any(|pattern| pattern.is_match(line))
    }

    /// Whether an answer means that the command was not carried out.
    pub fn is_rejection(&self, answer: &[u8]) -> bool {
        self.rejection_rule(answer).is_some()
    }

    /// The rule that takes a line for a pager's.
    pub fn pager_rule(&self, line: &[u8]) -> Option<&Arc<Rule>> {
        let at = self.pagers.iter().position(|pager| pager.expect.is_match(line))?;
        self.rules.pagers.get(at)
    }

    /// The rule by which an answer means that the command was not carried out.
    pub fn rejection_rule(&self, answer: &[u8]) -> Option<&Arc<Rule>> {
        let start = &answer[..answer.len().min(REJECTION)];
        let at = self.rejected.iter().position(|pattern| pattern.is_match(start))?;
        self.rules.rejected.get(at)
    }

    /// Which rules find the secrets of a text, in the order of the text. [`Self::find_secrets`] is quicker.
    pub fn explain_secrets(&self, text: &[u8]) -> Vec<Fired> {
        let mut fired = name(self.finder.secrets_by_rule(text), &self.rules.secrets);
        fired.extend(keys(text).into_iter().map(|span| (span, self.rules.keys.clone())));
        fired.sort_by_key(|(span, _)| (span.start, span.end));
        fired
    }

    /// Which rules find what changes without meaning, in the order of the text. [`Self::find_volatile`] is quicker.
    pub fn explain_volatile(&self, text: &[u8]) -> Vec<Fired> {
        let mut fired = name(self.finder.volatile_by_rule(text), &self.rules.volatile);
        fired.sort_by_key(|(span, _)| (span.start, span.end));
        fired
    }
}

fn name(found: Vec<(Span, usize)>, rules: &[Arc<Rule>]) -> Vec<Fired> {
    found.into_iter().filter_map(|(span, number)| Some((span, rules.get(number)?.clone()))).collect()
}

impl Mode {
    /// What the `host` group reads where the line is this mode's prompt.
    pub(crate) fn read(&self, line: &[u8]) -> Option<Option<Vec<u8>>> {
        let groups = self.prompt.captures(line)?;
        Some(groups.name("host").map(|host| host.as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Platforms;

    #[test]
    fn lines_are_what_the_definition_says() {
        let platforms = Platforms::shipped().unwrap();
        let ios = platforms.get("cisco_ios").unwrap();
        let prompt = ios.prompt(b"core-1#").unwrap();
        assert_eq!((prompt.mode, prompt.host.as_deref()), ("privileged", Some(&b"core-1"[..])));
        assert_eq!(ios.prompt(b"interface Gi1"), None);
        assert!(ios.is_pager(b" --More-- ") && !ios.is_pager(b"core-1#"));
        assert!(ios.is_question(b"Password: ") && !ios.is_question(b"core-1#"));
        assert!(ios.is_rejection(b"% Invalid input detected at '^' marker.\n") && !ios.is_rejection(b"ok\n"));
    }
}
