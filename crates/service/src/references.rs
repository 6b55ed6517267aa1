//! Passwords that are not stored but looked up when they are used.
//!
//! A credential names an alias; where the alias leads stands in the configuration file on disk and nowhere else, so that
//! nobody can have a program run or a file read through the database, the command line or an API.

use netraven_model::Secret;
use netraven_vault::command::{self, CommandError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

/// How long a program or a file may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longest answer in bytes.
const SIZE_LIMIT: usize = 64 * 1024;
/// How long an answer is kept: a run of a thousand devices asks once, and a new password is used within a minute.
const KEPT: Duration = Duration::from_secs(60);
/// How long a failure is kept, so that a thousand devices do not wait for the same program one after the other.
const FAILURE_KEPT: Duration = Duration::from_secs(10);
/// Where programs are looked for, and all of the environment that they get.
const ENVIRONMENT: &str = "PATH=/usr/local/bin:/usr/bin:/bin";

/// Where an alias leads.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reference {
    /// What a program writes to its standard output: the program and its arguments, without a shell.
    Exec(Vec<String>),
    /// A variable of NetRaven's own environment.
    Env(String),
    /// The only line of a file.
    File(PathBuf),
}

/// The aliases of the configuration file.
pub type Aliases = BTreeMap<String, Reference>;

impl Reference {
    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Exec(argv) if argv.first().is_none_or(|program| program.trim().is_empty()) => {
                Some("exec names no program")
            }
            Self::Exec(argv) if argv.iter().any(|word| word.contains('\0')) => Some("exec has a zero byte"),
            // A word before the program that is an assignment would be taken for one by env(1).
            Self::Exec(argv) if argv[0].contains('=') || argv[0].starts_with('-') => {
                Some("the name of exec's program has a character that none has")
            }
            Self::Env(name) if name.is_empty() || name.contains(['=', '\0']) => Some("env names no variable"),
            Self::File(path) if !path.is_absolute() => Some("file is no absolute path"),
            _ => None,
        }
    }

    /// What it is, without what it says: arguments may hold what is nobody's business.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Env(_) => "env",
            Self::File(_) => "file",
        }
    }
}

/// Arguments may hold a secret themselves.
impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.kind())
    }
}

/// Why an alias brought no password. What came instead is never quoted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// The configuration file does not declare it.
    #[error("the reference '{0}' is not declared in the configuration file (credentials.references)")]
    Unknown(String),
    /// It leads nowhere.
    #[error("the reference '{alias}' brought no password: {reason}")]
    Failed {
        /// The alias.
        alias: String,
        /// What was expected and what came.
        reason: String,
    },
}

/// Looks passwords up, each alias at most once at a time.
#[derive(Debug, Default)]
pub struct References {
    aliases: Aliases,
    kept: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Kept>>>>>,
}

#[derive(Debug)]
struct Kept {
    until: Instant,
    answer: Result<Secret, ReferenceError>,
}

impl References {
    /// Those of the configuration file.
    pub fn new(aliases: Aliases) -> Self {
        Self { aliases, kept: Mutex::default() }
    }

    /// The password that an alias leads to.
    pub async fn resolve(&self, alias: &str) -> Result<Secret, ReferenceError> {
        let reference = self.aliases.get(alias).ok_or_else(|| ReferenceError::Unknown(alias.to_owned()))?;
        let place = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.entry(alias.to_owned()).or_default().clone()
        };
        // Whoever comes while somebody is looking waits for the same answer.
        let mut place = place.lock().await;
        if let Some(kept) = place.as_ref().filter(|kept| Instant::now() < kept.until) {
            return kept.answer.clone();
        }
        let found = timeout(TIME_LIMIT + Duration::from_secs(1), look_up(reference)).await;
        let found = found.unwrap_or_else(|_| Err(format!("it did not answer within {TIME_LIMIT:?}")));
        let answer = found.map_err(|reason| ReferenceError::Failed { alias: alias.to_owned(), reason });
        let until = Instant::now() + if answer.is_ok() { KEPT } else { FAILURE_KEPT };
        place.insert(Kept { until, answer }).answer.clone()
    }
}

async fn look_up(reference: &Reference) -> Result<Secret, String> {
    let bytes = match reference {
        Reference::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| format!("the environment has no {name}"))?;
            Secret::new(value.into_encoded_bytes())
        }
        Reference::File(path) => read(path).await?,
        Reference::Exec(argv) => run(argv).await?,
    };
    one_line(&bytes)
}

async fn read(path: &PathBuf) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    // Large enough from the start: growing would leave copies of the secret in memory.
    let mut bytes = Vec::with_capacity(SIZE_LIMIT + 1);
    let read = file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes).await;
    let secret = Secret::new(bytes);
    read.map_err(failed)?;
    Ok(secret)
}

async fn run(argv: &[String]) -> Result<Secret, String> {
    let clean = ["/usr/bin/env", "-i", ENVIRONMENT].map(str::to_owned);
    let argv: Vec<String> = clean.into_iter().chain(argv.iter().cloned()).collect();
    let ran = tokio::task::spawn_blocking(move || command::output(&argv, TIME_LIMIT, SIZE_LIMIT));
    match ran.await {
        Ok(Ok(bytes)) => Ok(Secret::new(bytes.to_vec())),
        Ok(Err(CommandError::Failed(_, status))) => {
            Err(format!("the program ended with {status}, expected exit status 0"))
        }
        Ok(Err(CommandError::Timeout(..))) => Err(format!("the program did not end within {TIME_LIMIT:?}")),
        Ok(Err(CommandError::TooMuch(..))) => Err(format!("the program wrote more than {SIZE_LIMIT} bytes")),
        Ok(Err(CommandError::Start(_, error) | CommandError::Read(_, error))) => {
            Err(format!("the program could not be run: {error}"))
        }
        Ok(Err(CommandError::Empty)) | Err(_) => Err("the program could not be run".to_owned()),
    }
}

/// The text without the end of its only line.
fn one_line(secret: &Secret) -> Result<Secret, String> {
    let bytes = secret.expose_bytes();
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line {
        [] => Err("it is empty".to_owned()),
        _ if line.len() > SIZE_LIMIT => Err(format!("it is longer than {SIZE_LIMIT} bytes")),
        _ if line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) => {
            Err("expected one line, found several".to_owned())
        }
        line => Ok(Secret::new(line.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(reference: Reference) -> References {
        assert_eq!(reference.problem(), None);
        References::new([("core".to_owned(), reference)].into())
    }

    async fn resolve(reference: Reference) -> Result<String, String> {
        let found = references(reference).resolve("core").await;
        found.map(|secret| secret.expose_text().unwrap().to_owned()).map_err(|error| error.to_string())
    }

    fn sh(script: &str) -> Reference {
        Reference::Exec(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn programs_files_and_variables_bring_a_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word\r\n").unwrap();
        assert_eq!(resolve(Reference::File(file.path().into())).await.unwrap(), "pass word");
        assert_eq!(resolve(sh("echo 's3 cret'")).await.unwrap(), "s3 cret");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(resolve(Reference::Env("PATH".into())).await.unwrap(), path);
        assert_eq!(
            resolve(sh("env | sort | tr '\\n' ' '; echo $0")).await.unwrap().matches("HOME=").count(),
            0
        );
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_with_the_alias_and_without_what_came() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "canary\ncanary\n").unwrap();
        for (reference, why) in [
            (sh("echo canary; exit 3"), "the program ended with exit status: 3"),
            (sh("head -c 70000 /dev/zero | tr '\\0' c"), "the program wrote more than 65536 bytes"),
            (sh("echo"), "it is empty"),
            (Reference::File(file.path().into()), "expected one line, found several"),
            (Reference::File("/nowhere/to/be/found".into()), "/nowhere/to/be/found cannot be read"),
            (Reference::Env("NETRAVEN_NO_SUCH_VARIABLE".into()), "the environment has no NETRAVEN_NO_SUCH"),
        ] {
            let error = resolve(reference).await.unwrap_err();
            assert!(error.contains(why) && error.contains("'core'") && !error.contains("canary"), "{error}");
        }
        let error = References::default().resolve("other").await.unwrap_err();
        assert_eq!(error, ReferenceError::Unknown("other".into()));
    }

    #[tokio::test]
    async fn many_who_ask_at_the_same_time_have_the_program_run_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let references = Arc::new(references(sh(&format!("echo x >> {}; echo secret", log.display()))));
        let asked = (0..20).map(|_| {
            let references = references.clone();
            tokio::spawn(async move { references.resolve("core").await.unwrap() })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap().expose_text(), Some("secret"));
        }
        assert_eq!(std::fs::read_to_string(log).unwrap(), "x\n");
        assert!(!format!("{references:?}").contains("secret\""));
    }

    #[test]
    fn what_leads_nowhere_is_found_before_it_is_used() {
        for wrong in [
            Reference::Exec(Vec::new()),
            Reference::Exec(vec!["A=b".into()]),
            Reference::Exec(vec!["-u".into()]),
            Reference::Env(String::new()),
            Reference::File("relative".into()),
        ] {
            assert!(wrong.problem().is_some(), "{wrong:?}");
        }
    }
}
