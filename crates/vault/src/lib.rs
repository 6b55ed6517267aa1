//! The keys of an installation and everything that can be opened with them.
//!
//! The key file holds the encryption keys (versioned, the last one seals) and, apart from them,
//! the fingerprint key, so that renewing the former changes no fingerprint. Ciphertexts are bound
//! to their place: copied into another row or column they do not open.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod envelope;
mod keyring;
pub mod password;

use aws_lc_rs::hmac;
use netraven_model::Secret;
use netraven_seal::FingerprintKey;
use std::path::{Path, PathBuf};
use thiserror::Error;
use uuid::Uuid;

/// Where a ciphertext stands; part of what is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table name.
    pub table: &'a str,
    /// Column name.
    pub column: &'a str,
    /// The row's id.
    pub row: i64,
}

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
    /// The key file's content is not what this release writes.
    #[error(
        "key file {path} is damaged: {reason}; restore it from your copy, without it no stored credential can be opened"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A ciphertext made with a key that is not in the key file.
    #[error("{place} was encrypted with key {key}, which the key file does not hold (it holds {held})")]
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
        "{place} does not open with key {key}: it was altered, moved from another row, or the key file is not the one it was written with"
    )]
    NotAuthentic {
        /// Table, column and row.
        place: String,
        /// Number of the key.
        key: u32,
    },
    /// The system's random generator or cipher failed.
    #[error("the cryptographic library failed: {0}")]
    Library(&'static str),
}

/// The number of the key that a ciphertext was made with. Its first 17 bytes are enough; `None` for anything that is no
/// ciphertext of this release.
pub fn key_number(ciphertext: &[u8]) -> Option<u32> {
    envelope::key_number(ciphertext)
}

/// An opened key file.
#[derive(Debug)]
pub struct Vault {
    ring: keyring::Keyring,
}

impl Vault {
    /// Opens the key file, or creates it with fresh keys and mode 0600 (its directory with 0700).
    ///
    /// Two processes that create it at once end up with the same file.
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        Ok(Self { ring: keyring::Keyring::open_or_create(path)? })
    }

    /// Opens an existing key file; refuses one that others may read.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        Ok(Self { ring: keyring::Keyring::open(path)? })
    }

    /// Encrypts a secret for one place, with the newest key.
    pub fn seal(&self, place: &Place<'_>, secret: &Secret) -> Result<Vec<u8>, VaultError> {
        envelope::seal(self.ring.newest(), place, secret)
    }

    /// Decrypts what [`Vault::seal`] made for the same place.
    pub fn unseal(&self, place: &Place<'_>, ciphertext: &[u8]) -> Result<Secret, VaultError> {
        envelope::open(&self.ring, place, ciphertext)
    }

    /// Whether the key file holds the key of that number.
    pub fn holds_key(&self, number: u32) -> bool {
        self.ring.get(number).is_some()
    }

    /// The fingerprint key of one device, for a gateway: it tells nothing about any other device's.
    pub fn fingerprint_key(&self, device: Uuid) -> FingerprintKey {
        let master = hmac::Key::new(hmac::HMAC_SHA256, self.ring.fingerprint_master());
        let mut context = hmac::Context::with_key(&master);
        context.update(b"netraven device fingerprint\0");
        context.update(device.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        FingerprintKey::from_bytes(bytes)
    }
}
