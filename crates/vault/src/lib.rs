//! The keys of an installation and everything that can be opened with them.
//!
//! The keyring holds the encryption keys (versioned, the newest one seals) and, apart from them,
//! the fingerprint key, so that renewing the former changes no fingerprint. Ciphertexts are bound
//! to their place: copied into another row or column they do not open.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod capture;
pub mod command;
mod envelope;
mod error;
mod escrow;
mod file;
mod keyring;
pub mod password;
mod reveal;
mod source;
mod vault;

pub use capture::DataKey;
pub use error::VaultError;
pub use escrow::LEAST_PASSPHRASE;
pub use reveal::{NotKept, reveal};
pub use source::KeySource;
pub use vault::{KeyInfo, Vault};

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

/// The number of the key that a ciphertext was made with. Its first 5 bytes are enough; `None` for anything that is no
/// ciphertext of this release.
pub fn key_number(ciphertext: &[u8]) -> Option<u32> {
    envelope::key_number(ciphertext)
}
