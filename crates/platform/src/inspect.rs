//! What a definition makes of single lines and answers: for people who write one, and for tests.

use crate::Platform;
use crate::platform::Mode;

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
        self.pagers.iter().any(|pager| pager.expect.is_match(line))
    }

    /// Whether a line is a question of the login, or one on the way to another mode.
    pub fn is_question(&self, line: &[u8]) -> bool {
        let enable = self.enable.iter().flat_map(|enable| [&enable.username_prompt, &enable.password_prompt]);
        let enable = enable.flatten();
        self.dialogs.iter().map(|dialog| &dialog.expect).chain(enable).any(|pattern| pattern.is_match(line))
    }

    /// Whether an answer means that the command was not carried out.
    pub fn is_rejection(&self, answer: &[u8]) -> bool {
        let start = &answer[..answer.len().min(REJECTION)];
        self.rejected.iter().any(|pattern| pattern.is_match(start))
    }
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
