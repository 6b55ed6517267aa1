//! Where a setting came from and what can be wrong with it.

use crate::nearest::suggestion;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Origin {
    /// Nothing set it.
    Default,
    /// A file of `config/environments`.
    File {
        /// Its path.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The copy of such a file that is part of the program.
    BuiltIn {
        /// Name of the environment.
        environment: String,
        /// The line, from 1.
        line: u64,
    },
    /// A variable in a `.env` file.
    DotEnv {
        /// The file.
        file: PathBuf,
        /// The variable.
        variable: String,
    },
    /// An environment variable of the process.
    Environment {
        /// The variable.
        variable: String,
    },
    /// The command line.
    CommandLine {
        /// The option.
        option: String,
    },
    /// The table `system_settings`.
    Database,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { file, line } => write!(f, "{} line {line}", file.display()),
            Self::BuiltIn { environment, line } => write!(f, "built-in {environment}.yaml line {line}"),
            Self::DotEnv { file, variable } => write!(f, "variable {variable} in {}", file.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::CommandLine { option } => write!(f, "command line {option}"),
            Self::Database => write!(f, "system_settings"),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// No file for the environment that was asked for.
    #[error("there is no environment '{name}': expected one of {}", known.join(", "))]
    UnknownEnvironment {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file that is no YAML.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What is wrong there.
        message: String,
    },
    /// A line of a `.env` file that is no `NAME=value`.
    #[error("{} line {line}: expected NAME=value (quote a value that has spaces or `$`)", file.display())]
    DotEnvLine {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A key that is not known.
    #[error("{origin}: unknown key '{key}'{}", suggestion(*nearest))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key as written.
        key: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// A value of the wrong type or out of range.
    #[error("{origin}: {key}: expected {expected}, found {found}")]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What it may be.
        expected: String,
        /// What it is; secrets are masked.
        found: String,
    },
    /// An API key that everybody knows.
    #[error("{origin}: gateway.api_key: expected a key of your own, found a well-known one")]
    WellKnownApiKey {
        /// Where it stands.
        origin: Origin,
    },
    /// A secret where every user of the machine can read it.
    #[error("{key} holds a secret and may not be given on the command line")]
    SecretOnCommandLine {
        /// The key.
        key: &'static str,
    },
    /// A key that says which programs are run and which files are read.
    #[error("{origin}: {key} can only be set in the configuration file")]
    FileOnly {
        /// Where it was set.
        origin: Origin,
        /// The key.
        key: &'static str,
    },
    /// A key that cannot be changed while NetRaven runs.
    #[error("{key} cannot be set in the database: expected one of {}", known.join(", "))]
    NotRuntime {
        /// The key.
        key: String,
        /// Those that can.
        known: Vec<&'static str>,
    },
    /// No place for the data.
    #[error("data_dir is not set and there is no home directory to put it in")]
    NoHome,
}

impl SettingsError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownEnvironment { .. } => "set NETRAVEN_ENV or --env to one of them, or add the file",
            Self::Unreadable { .. } => "check that the file exists and that this user may read it",
            Self::DotEnvLine { .. } => "lines that begin with # are comments",
            Self::WellKnownApiKey { .. } => {
                "make one with `openssl rand -hex 32`; only the environment dev accepts well-known keys"
            }
            Self::SecretOnCommandLine { .. } => {
                "use the configuration file, a .env file or an environment variable instead"
            }
            Self::NoHome => "set NETRAVEN_DATA_DIR",
            Self::NotRuntime { .. } => "set the others in the configuration file or the environment",
            Self::Value { origin: Origin::Database, .. } => "change it with `netraven setting set KEY VALUE`",
            _ => "docs/configuration.md lists all keys; `netraven config-file check` shows what is in force",
        }
    }
}
