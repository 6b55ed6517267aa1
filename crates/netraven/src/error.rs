//! How a command ends when it does not succeed.

use crate::settings::SettingsError;
use netraven_service::SpoolError;
use netraven_service::gateway::{ApiStartError, KeyFileError, ListenError, TokenError};
use netraven_service::logserver::LogServerError;
use netraven_service::{OpenError, RotationError};
use netraven_store::StoreError;
use netraven_store::access::LoginsError;
use netraven_store::backup::BackupError;
use netraven_store::private::PrivateError;
use netraven_store::setup::SetupError;
use netraven_vault::VaultError;
use netraven_vault::password::{PasswordError, Weakness};
use std::fmt;

/// The exit codes of failures. docs/cli.md and `netraven --help` list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did not work.
    Failed = 1,
    /// The input cannot be used.
    Usage = 2,
    /// A thing named on the command line does not exist.
    NotFound = 3,
    /// The database does not answer or is not ready.
    Database = 4,
    /// The backup ran, and some devices failed.
    SomeDevicesFailed = 5,
    /// Ended by Ctrl-C or SIGTERM, with the shell's own number for it.
    Interrupted = 130,
}

/// What is told to the person: one sentence, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    /// The process's exit code.
    pub exit: Exit,
    /// What was expected and what came. Empty where everything has been said already.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What every command returns.
pub type Result<T = (), E = CliError> = std::result::Result<T, E>;

impl CliError {
    /// It did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// The input cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// Nothing by that name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, ..Self::failed(message) }
    }

    /// A person or the system wanted it to end.
    pub fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, ..Self::failed("interrupted") }
    }

    /// Ends with this code without another word: everything has been said.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, ..Self::failed("") }
    }

    /// Adds what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for CliError {
    /// The lines for standard error, without the last line end. A message over several lines stays readable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::usage(error.to_string()).hint(error.hint())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Unreachable { .. }
            | StoreError::Tls { .. }
            | StoreError::AuthRejected { .. }
            | StoreError::DatabaseMissing { .. }
            | StoreError::SchemaMissing
            | StoreError::SchemaOutdated { .. }
            | StoreError::SchemaTooNew { .. }
            | StoreError::SchemaAltered { .. } => Exit::Database,
            StoreError::NotFound { .. } => Exit::NotFound,
            StoreError::Duplicate { .. }
            | StoreError::Invalid { .. }
            | StoreError::InUse { .. }
            | StoreError::GivenByRule { .. }
            | StoreError::LastAdmin { .. } => Exit::Usage,
            _ if error.is_transient() => Exit::Database,
            _ => Exit::Failed,
        };
        let advice_in_message = !matches!(error, StoreError::Query { .. } | StoreError::Invalid { .. });
        let text = error.to_string();
        // The store's messages end with their advice behind a semicolon.
        let (message, hint) = match text.rsplit_once("; ").filter(|_| advice_in_message) {
            Some((message, advice)) => (message.to_owned(), Some(advice.to_owned())),
            None => (text, listing(&error)),
        };
        Self { exit, message, hint }
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Store(error) => error.into(),
            SetupError::Logins(error) => error.into(),
            error => with_advice(Exit::Database, &error.to_string()),
        }
    }
}

impl From<LoginsError> for CliError {
    fn from(error: LoginsError) -> Self {
        with_advice(Exit::Failed, &error.to_string())
    }
}

/// A message of the store ends with its advice behind a semicolon.
fn with_advice(exit: Exit, text: &str) -> CliError {
    let error = match text.rsplit_once("; ") {
        Some((message, advice)) => CliError::failed(message).hint(advice),
        None => CliError::failed(text),
    };
    CliError { exit, ..error }
}

/// What helps where the message itself says nothing of it: where the names stand that could have been meant, and such.
fn listing(error: &StoreError) -> Option<String> {
    if error.is_denied() {
        return Some(
            "`netraven db validate` names the rights that differ, `netraven db init` mends them".to_owned(),
        );
    }
    let StoreError::NotFound { what, .. } = error else { return None };
    let command = match *what {
        "device" => "netraven device list",
        "credential" => "netraven credential list",
        "tag" => "netraven tag list",
        "tag rule" => "netraven tag rule list",
        "notification channel" => "netraven notify list",
        "dead notification" => "netraven notify deliveries --dead",
        "user" => "netraven user list",
        "schedule" => "netraven schedule list",
        "job" => "netraven job list",
        "run" => "netraven run list",
        "setting" => "netraven setting list",
        "version" => "netraven config log DEVICE",
        _ => return None,
    };
    Some(format!("see `{command}`"))
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        let exit = match error {
            BackupError::Store(error) => return error.into(),
            BackupError::Setup(error) => return error.into(),
            BackupError::Missing { .. } => Exit::NotFound,
            _ => Exit::Failed,
        };
        let text = error.to_string();
        let told = !matches!(error, BackupError::Program { .. } | BackupError::Io { .. });
        match text.rsplit_once("; ").filter(|_| told) {
            Some((message, advice)) => Self { exit, ..Self::failed(message) }.hint(advice),
            None => Self { exit, ..Self::failed(text) },
        }
    }
}

impl From<PrivateError> for CliError {
    fn from(error: PrivateError) -> Self {
        Self { exit: Exit::Database, ..Self::failed(error.to_string()) }
    }
}

impl From<KeyFileError> for CliError {
    fn from(error: KeyFileError) -> Self {
        let text = error.to_string();
        match error {
            KeyFileError::Duplicate(_) | KeyFileError::Name(_) => Self::usage(text),
            KeyFileError::NotFound(_) => Self::not_found(text).hint("see `netraven gateway key list`"),
            _ => Self::failed(text),
        }
    }
}

impl From<TokenError> for CliError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::File(error) => error.into(),
            TokenError::Sign(_) => Self::failed(error.to_string()),
        }
    }
}

impl From<ListenError> for CliError {
    fn from(error: ListenError) -> Self {
        let text = error.to_string();
        match error {
            ListenError::InClear { .. } => match text.split_once("; ") {
                Some((message, advice)) => Self::usage(message).hint(advice),
                None => Self::usage(text),
            },
            ListenError::Keys(error) => error.into(),
            ListenError::Tls(_) => {
                Self::usage(text).hint("the settings `tls_cert_file` and `tls_key_file` name the files")
            }
            ListenError::Bind { section, .. } => {
                Self::failed(text).hint(format!("`{section}.listen` names another address"))
            }
            ListenError::Setup(_) => Self::failed(text),
        }
    }
}

impl From<ApiStartError> for CliError {
    fn from(error: ApiStartError) -> Self {
        match error {
            ApiStartError::Listen(error) => error.into(),
            ApiStartError::Spool(error) => error.into(),
        }
    }
}

impl From<LogServerError> for CliError {
    fn from(error: LogServerError) -> Self {
        match error {
            LogServerError::Listen(error) => error.into(),
            LogServerError::Spool(error) => error.into(),
        }
    }
}

impl From<SpoolError> for CliError {
    fn from(error: SpoolError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<Weakness> for CliError {
    fn from(weakness: Weakness) -> Self {
        Self::usage(weakness.to_string()).hint("`--generate` makes a good one")
    }
}

impl From<PasswordError> for CliError {
    fn from(error: PasswordError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<VaultError> for CliError {
    fn from(error: VaultError) -> Self {
        let text = error.to_string();
        match error {
            VaultError::WrongPassphrase | VaultError::NotEscrow(_) => Self::usage(text),
            VaultError::KeyNeeded { .. } => {
                Self::usage(text).hint("`netraven key status` shows what each key is needed for")
            }
            VaultError::ReadOnly { .. } => {
                Self::usage(text).hint("`netraven key generate --add` writes keys to be put there")
            }
            _ => Self::failed(text).hint(
                "vault.key_file, vault.key_environment or vault.key_command say where the keys come from",
            ),
        }
    }
}

impl From<RotationError> for CliError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Store(error) => error.into(),
            RotationError::Vault(error) => error.into(),
            RotationError::KeyMissing(_) => Self::failed(error.to_string())
                .hint("put back the keys that hold it, from a copy of the key file or an escrow file"),
            RotationError::Batch(error) => Self::failed(error.to_string()),
        }
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Vault(error) => error.into(),
            OpenError::Reference(error) => {
                Self::failed(error.to_string()).hint("see `credentials.references` in docs/configuration.md")
            }
        }
    }
}

impl From<netraven_platform::LoadError> for CliError {
    fn from(error: netraven_platform::LoadError) -> Self {
        Self::usage(error.to_string()).hint("check the definitions with `netraven platform check FOLDER`")
    }
}

impl From<netraven_lab::LabError> for CliError {
    fn from(error: netraven_lab::LabError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<netraven_replay::FolderError> for CliError {
    fn from(error: netraven_replay::FolderError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_store_become_a_message_a_hint_and_a_code() {
        let not_found = StoreError::NotFound { what: "device", name: "r9".into() };
        let error = CliError::from(not_found);
        assert_eq!(error.to_string(), "error: there is no device 'r9'\nhint: see `netraven device list`");
        assert_eq!(error.exit, Exit::NotFound);

        let error = CliError::from(StoreError::SchemaMissing);
        assert_eq!(
            error.to_string(),
            "error: the database has no NetRaven schema\nhint: create it with `netraven db init`"
        );
        assert_eq!(error.exit, Exit::Database);

        let invalid = StoreError::Invalid { what: "the address", reason: "a; b".into() };
        let error = CliError::from(invalid);
        assert_eq!(
            (error.to_string().as_str(), error.exit),
            ("error: the address cannot be used: a; b", Exit::Usage)
        );
    }
}
