//! The file with the API keys: their digests only, so that whoever reads it can use none of them.

use super::Right;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, Utc};
use netraven_model::{Hash256, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Random bytes of a key: as many as an AES-256 key has, so that nobody guesses it.
const KEY_BYTES: usize = 32;
/// What a key begins with, so that scanners for secrets that slipped out can know it.
const KEY_PREFIX: &str = "nrk_";
/// A thousand keys have 200 KB.
const MAX_FILE: u64 = 1 << 20;

/// One key as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// Whose it is: 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// What it may beyond what every key may.
    #[serde(default)]
    pub rights: BTreeSet<Right>,
    /// SHA-256 of the key, in hexadecimal. A key is random, so that nothing slower is needed.
    pub sha256: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Whether it is refused.
    #[serde(default)]
    pub disabled: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    keys: Vec<KeyEntry>,
}

/// Why a file with keys cannot be used or changed.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The system refuses.
    #[error("{} cannot be {action}: {source}", path.display())]
    Io {
        /// `read` or `written`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{} has the mode {mode:04o}, so that others can read or change it; run `chmod 0600 {}`", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its content is wrong.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A key with that name is there already.
    #[error("there is already a key '{0}'")]
    Duplicate(String),
    /// There is none with that name.
    #[error("there is no key '{0}'")]
    NotFound(String),
    /// A name that cannot be used.
    #[error("'{0}' cannot be the name of a key: expected 1 to 64 letters, digits, '.', '_' or '-'")]
    Name(String),
    /// The system gives no random numbers.
    #[error("the system's random number generator gave nothing")]
    Random,
}

/// The file at its place.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file at this path; it need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// All keys, in the order in which they were made; none where there is no file.
    ///
    /// # Errors
    /// A file that is damaged or that others can read.
    pub fn load(&self) -> Result<Vec<KeyEntry>, KeyFileError> {
        let Some(text) = read_private(&self.path, MAX_FILE)? else { return Ok(Vec::new()) };
        let content: Content = serde_saphyr::from_str(&text).map_err(|error| {
            let text = error.to_string();
            self.damaged(text.lines().next().unwrap_or_default())
        })?;
        for entry in &content.keys {
            if parse_digest(&entry.sha256).is_none() {
                return Err(
                    self.damaged(&format!("the sha256 of '{}' is not 64 hexadecimal digits", entry.name))
                );
            }
            check_name(&entry.name).map_err(|error| self.damaged(&error.to_string()))?;
        }
        Ok(content.keys)
    }

    /// Makes a key, and answers it in clear: this is the only time that it can be seen.
    ///
    /// # Errors
    /// A name that is taken or cannot be used; a file that cannot be written.
    pub fn add(&self, name: &str, rights: BTreeSet<Right>) -> Result<Secret, KeyFileError> {
        check_name(name)?;
        let key = new_key()?;
        self.change(|keys| {
            if keys.iter().any(|entry| entry.name == name) {
                return Err(KeyFileError::Duplicate(name.to_owned()));
            }
            let sha256 = Hash256::sha256(key.expose_bytes()).to_string();
            let created = Utc::now().trunc_subsecs(0);
            keys.push(KeyEntry { name: name.to_owned(), rights, sha256, created, disabled: false });
            Ok(())
        })?;
        Ok(key)
    }

    /// Has a key refused, or accepted again.
    ///
    /// # Errors
    /// No such key; a file that cannot be written.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), KeyFileError> {
        self.change(|keys| {
            let entry = keys.iter_mut().find(|entry| entry.name == name);
            entry.ok_or_else(|| KeyFileError::NotFound(name.to_owned()))?.disabled = disabled;
            Ok(())
        })
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// No such key; a file that cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), KeyFileError> {
        self.change(|keys| {
            let before = keys.len();
            keys.retain(|entry| entry.name != name);
            if keys.len() == before { Err(KeyFileError::NotFound(name.to_owned())) } else { Ok(()) }
        })
    }

    /// At the gateway's first start: as [`KeyFile::create_first_as`], with no right beyond what every key may.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn create_first(&self) -> Result<Option<PathBuf>, KeyFileError> {
        self.create_first_as("gateway_key.txt", BTreeSet::new())
    }

    /// At the first start: makes the file with one key, whose clear text goes into a file of its own beside it. Answers that
    /// file's path, or `None` where keys are there already.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn create_first_as(
        &self,
        file_name: &str,
        rights: BTreeSet<Right>,
    ) -> Result<Option<PathBuf>, KeyFileError> {
        if self.path.exists() {
            return Ok(None);
        }
        let shown = self.path.with_file_name(file_name);
        match self.add("first", rights) {
            Ok(key) => {
                let text = Zeroizing::new(format!("{}\n", key.expose_text().unwrap_or_default()));
                write_private(&shown, &text)?;
                Ok(Some(shown))
            }
            // Another process was first.
            Err(KeyFileError::Duplicate(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the file while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<KeyEntry>) -> Result<(), KeyFileError>,
    ) -> Result<(), KeyFileError> {
        let lock = self.path.with_extension("lock");
        prepare_folder(&lock)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let file = file.map_err(|source| io("written", &lock, source))?;
        file.lock().map_err(|source| io("written", &lock, source))?;
        let mut keys = self.load()?;
        change(&mut keys)?;
        let text = serde_saphyr::to_string(&Content { keys })
            .map_err(|error| self.damaged(&format!("it cannot be written as YAML: {error}")))?;
        let head = "# Keys of the gateway's API: digests only. `netraven gateway key` changes this file.\n";
        write_private(&self.path, &format!("{head}{text}"))
    }

    fn damaged(&self, reason: &str) -> KeyFileError {
        KeyFileError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// The 32 bytes of a digest in hexadecimal.
pub(crate) fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Names of callers stand in logs and metrics.
pub(super) fn check_name(name: &str) -> Result<(), KeyFileError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = (1..=64).contains(&name.len()) && name.chars().all(fits);
    if good { Ok(()) } else { Err(KeyFileError::Name(name.to_owned())) }
}

/// A new random secret as text.
pub(super) fn new_secret() -> Result<Zeroizing<String>, KeyFileError> {
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| KeyFileError::Random)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

fn new_key() -> Result<Secret, KeyFileError> {
    Ok(Secret::from(format!("{KEY_PREFIX}{}", new_secret()?.as_str())))
}

/// The text of a file that only its owner can read; `None` where there is no file.
pub(super) fn read_private(path: &Path, most: u64) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io("read", path, source)),
    };
    let metadata = file.metadata().map_err(|source| io("read", path, source))?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(most).read_to_string(&mut text).map_err(|source| io("read", path, source))?;
    if metadata.len() > most {
        let reason = format!("it has {} bytes, expected at most {most}", metadata.len());
        return Err(KeyFileError::Damaged { path: path.to_owned(), reason });
    }
    Ok(Some(text))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), KeyFileError> {
    prepare_folder(path)?;
    let draft = path.with_extension(format!("new-{}", uuid::Uuid::new_v4()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(|source| {
        // What is left of a draft helps nobody; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&draft);
        io("written", path, source)
    })
}

fn prepare_folder(path: &Path) -> Result<(), KeyFileError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| io("written", folder, source))
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> KeyFileError {
    KeyFileError::Io { action, path: path.to_owned(), source }
}
