//! Makes a session file out of what was said in one session with a real device.
//!
//! ```text
//! exchanges -> draft: modes, commands, questions, pager (draft.rs)
//!   -> secrets replaced by invented ones of the same shape, names and addresses if wanted (conceal.rs, fake.rs)
//!   -> session.yaml and text files (files.rs), refused if a secret of the credential is still in them
//! ```

mod addresses;
mod conceal;
mod draft;
mod fake;
mod files;

pub use fake::random_seed;

use netraven_model::Secret;
use netraven_platform::{Output, Platform};
use std::fmt;
use thiserror::Error;

/// What was sent, and everything that came until the next thing was sent.
pub struct Exchange {
    /// What was sent.
    pub sent: Sent,
    /// What came.
    pub received: Vec<u8>,
}

/// What a session sends.
pub enum Sent {
    /// Nothing yet: the session was opened.
    Nothing,
    /// Keys and commands.
    Keys(Vec<u8>),
    /// A secret of the credential.
    Secret,
}

/// What a device sends is a secret until it has been looked through.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({} bytes received)", self.received.len())
    }
}

/// One session with a device.
#[derive(Debug)]
pub struct Recorded<'a> {
    /// The definition it was made with.
    pub platform: &'a Platform,
    /// How the device's SSH server introduces itself.
    pub ssh_version: &'a str,
    /// Name that was logged in with.
    pub username: &'a str,
    /// The secrets that were used: none of them may be in what is written.
    pub secrets: Vec<&'a Secret>,
    /// Everything said, in order; the first one is the greeting.
    pub exchanges: &'a [Exchange],
    /// The parts that the session brought.
    pub outputs: &'a [Output],
    /// Whether names, serial numbers and addresses are replaced.
    pub anonymise: bool,
    /// What the invented values follow from: see [`random_seed`].
    pub seed: u64,
}

/// A file of a session: its name and its text.
pub type File = (String, String);

/// Why nothing is written.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// The session has another course than a backup.
    #[error("the session cannot be retold: {0}")]
    Course(String),
    /// A secret would be written in clear.
    #[error(
        "{file}:{line}: a secret of the credential stands there in clear, so nothing was written; \
         let a rule of the platform find it, or record with another credential"
    )]
    Secret {
        /// The file that would have been written.
        file: String,
        /// The line in it, from 1.
        line: usize,
    },
}

/// The files of a session folder, `session.yaml` first.
///
/// # Errors
/// A session that did not go from a prompt to a logout, or in which a secret of the credential is left.
pub fn record(recorded: &Recorded<'_>) -> Result<Vec<File>, RecordError> {
    let draft = draft::read(recorded.platform, recorded.exchanges)?;
    let files = files::write(recorded, &draft);
    for (file, text) in &files {
        for secret in recorded.secrets.iter().filter_map(|secret| secret.expose_text()) {
            // An empty secret is none.
            let Some(at) = text.find(secret).filter(|_| !secret.is_empty()) else { continue };
            let line = text[..at].lines().count().max(1);
            return Err(RecordError::Secret { file: file.clone(), line });
        }
    }
    Ok(files)
}
