use std::path::PathBuf;
use thiserror::Error;

/// Why the vault cannot do what was asked.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The key file cannot be read or written.
    #[error("key file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Others may read the key file.
    #[error(
        "key file {path} has mode {mode:04o}, expected 0600: others could read the keys (chmod 600 {path})"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The keys are not to be had from the environment or from a command.
    #[error("the keys cannot be had from {source_name}: {reason}")]
    Source {
        /// The variable or the program.
        source_name: String,
        /// What was expected and what came.
        reason: String,
    },
    /// What should be the keys is not what this release writes.
    #[error(
        "{source_name} is damaged: {reason}; restore it from your copy, without it no stored secret can be opened"
    )]
    Damaged {
        /// Where the keys came from.
        source_name: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// The keys come from somewhere that NetRaven does not write to.
    #[error("the keys come from {source_name}, where NetRaven cannot change them")]
    ReadOnly {
        /// Where the keys come from.
        source_name: String,
    },
    /// A ciphertext made with a key that is not among the keys.
    #[error("{place} was encrypted with key {key}, which is not among the keys (there are: {held})")]
    KeyMissing {
        /// Table, column and row.
        place: String,
        /// Number of the missing key.
        key: u32,
        /// Numbers of the keys there are.
        held: String,
    },
    /// Too short or of an unknown format.
    #[error("{place} holds no ciphertext of this release: {reason}")]
    Malformed {
        /// Table, column and row.
        place: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// The authentication tag does not fit: altered, moved to another row, or another key of that number.
    #[error(
        "{place} does not open with key {key}: it was altered, moved from another row, or the keys are not those it was written with"
    )]
    NotAuthentic {
        /// Table, column and row.
        place: String,
        /// Number of the key.
        key: u32,
    },
    /// A sealed value does not open although its data key does.
    #[error("{place} does not open: it was altered, cut, or moved from another device or secret")]
    ValueNotAuthentic {
        /// Which value.
        place: String,
    },
    /// An escrow file does not open.
    #[error("the escrow file does not open: the passphrase is wrong or the file was altered")]
    WrongPassphrase,
    /// The escrow file is not one.
    #[error("not an escrow file of this release: {0}")]
    NotEscrow(String),
    /// The key cannot be taken away.
    #[error("key {key} cannot be removed: {reason}")]
    KeyNeeded {
        /// Its number.
        key: u32,
        /// Why not.
        reason: String,
    },
    /// The system's random generator or cipher failed.
    #[error("the cryptographic library failed: {0}")]
    Library(&'static str),
}
