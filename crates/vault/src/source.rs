//! Where the keys come from.

use crate::VaultError;
use crate::command::{self, CommandError};
use crate::file::{self, MAX_FILE, Stamp};
use crate::keyring::Keyring;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// A program that asks a key management system may have to wait for it.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the keys come from; always in the form of the key file.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that only its owner may read. The only source to which NetRaven writes.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// What a program writes to its standard output: program and arguments, no shell.
    Command(Vec<String>),
}

impl KeySource {
    pub(crate) fn load(&self) -> Result<Keyring, VaultError> {
        let failed = |reason: String| VaultError::Source { source_name: self.to_string(), reason };
        let text = match self {
            Self::File(path) => return file::open(path),
            Self::Environment(name) => std::env::var(name)
                .map(|text| Zeroizing::new(text.into_bytes()))
                .map_err(|_| failed("expected a variable with the text of a key file".into()))?,
            Self::Command(argv) => {
                let limit = usize::try_from(MAX_FILE).unwrap_or(usize::MAX);
                command::output(argv, COMMAND_TIMEOUT, limit)
                    .map_err(|error: CommandError| failed(error.to_string()))?
            }
        };
        Keyring::parse(&text).map_err(|reason| VaultError::Damaged { source_name: self.to_string(), reason })
    }

    /// What tells whether loading again would bring something else; `None` where only loading can tell.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::File(path) => file::stamp(path),
            Self::Environment(_) | Self::Command(_) => None,
        }
    }

    /// The file, where it is one that can be written.
    pub(crate) fn writable(&self) -> Result<&PathBuf, VaultError> {
        match self {
            Self::File(path) => Ok(path),
            Self::Environment(_) | Self::Command(_) => {
                Err(VaultError::ReadOnly { source_name: self.to_string() })
            }
        }
    }
}

/// Arguments are not shown: people put tokens there.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "key file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Command(argv) => {
                write!(f, "command {}", argv.first().map_or("(none)", String::as_str))
            }
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}
