use std::fmt;

/// Why a session file was not loaded: where, and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct SessionError {
    /// The file and, where there is one, the line.
    pub place: Place,
    /// What is wrong.
    pub problem: Problem,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the file as it was given, the session's folder included.
    pub file: String,
    /// Line from 1; `None` when the file as a whole is meant.
    pub line: Option<u64>,
}

/// What can be wrong with a session file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Not YAML, or not the fields a session file has.
    #[error("{0}")]
    Yaml(String),
    /// A mode that `modes` does not define.
    #[error("mode `{name}` is not defined; `modes` has: {known}")]
    UnknownMode {
        /// The name used.
        name: String,
        /// The names defined.
        known: String,
    },
    /// A command that `commands` does not answer.
    #[error("command `{0}` is not answered by this session; add it to `commands`")]
    UnknownCommand(String),
    /// The same command twice in one mode.
    #[error("command `{0}` is answered twice in the same mode")]
    DuplicateCommand(String),
    /// Both an inline text and a file.
    #[error("command `{0}` has both `text` and `file`; give one")]
    TwoTexts(String),
    /// A file of the device without content, or with more than one.
    #[error("the file `{0}` needs exactly one of `text`, `file` and `binary`")]
    FileContent(String),
    /// A placeholder that does not exist or may not stand here.
    #[error("placeholder `{{{{{0}}}}}` is unknown here; the known ones are listed in crates/lab/README.md")]
    Placeholder(String),
    /// A line to be changed that the command's text does not contain exactly once.
    #[error("line `{line}` stands {found} times in the text of `{command}`; it must stand there once")]
    ChangedLine {
        /// The line looked for.
        line: String,
        /// The command whose text was searched.
        command: String,
        /// How often it was found.
        found: usize,
    },
    /// A change without alternatives.
    #[error("a change needs at least one text under `with`")]
    NoAlternative,
    /// A page must show a line at least, besides the pager's prompt.
    #[error("a screen of {0} lines is too small; 2 or more are needed")]
    Screen(usize),
    /// A question is answered by a line or by a key.
    #[error("a question needs either `answer`, which Enter ends, or `key`, a single ASCII character")]
    QuestionAnswer,
    /// Dialogs and pagers end.
    #[error("`tries` is 0; 1 or more are needed")]
    NoTries,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}
