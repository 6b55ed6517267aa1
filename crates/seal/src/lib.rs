//! Taking secrets out of configurations.
//!
//! A secret found in a capture is replaced by a keyed fingerprint: the same value of the same
//! device always reads the same, so that a diff shows *that* a secret changed, and without the key
//! nobody can test guesses against it. Its value is kept beside, sealed to the installation's public key. This crate holds
//! no key that opens anything.
//!
//! Only this crate makes a [`SealedConfig`], and the version store accepts nothing else.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod compare;
mod fingerprint;
mod marker;
mod mask;
mod rebuild;
mod sealed;
mod secrets;

pub use fingerprint::{Fingerprint, FingerprintKey};
pub use marker::{MARKER_LENGTH, markers, shorten};
pub use mask::{Masked, MaskedPart, RawPart, mask};
pub use sealed::{SealedConfig, SealedPart, decompress};
pub use secrets::{
    ENCAPSULATED, KEY_INFO, PublicKey, SUITE, SealedSecrets, SealedValue, Sealing, WrappedKey, decrypt,
    key_place, value_place,
};

use thiserror::Error;

/// Why a capture could not be made safe to store. In every case nothing of it is kept.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The finder's spans do not fit the text.
    #[error(
        "part '{part}': a {kind} span {start}..{end} was expected to lie in order within {length} bytes; nothing was kept"
    )]
    Span {
        /// Name of the part.
        part: String,
        /// `secret` or `volatile`.
        kind: &'static str,
        /// First byte of the span.
        start: usize,
        /// First byte behind it.
        end: usize,
        /// Length of the text.
        length: usize,
    },
    /// The compressor failed.
    #[error("part '{part}': compression failed ({reason}); nothing was kept")]
    Compress {
        /// Name of the part.
        part: String,
        /// What the compressor said.
        reason: String,
    },
    /// The cryptographic library failed.
    #[error("secrets could not be sealed: {0}; nothing was kept")]
    Encrypt(&'static str),
    /// What was sealed elsewhere does not hold together.
    #[error("a configuration that was sealed elsewhere cannot be believed: {0}; nothing was kept")]
    Foreign(String),
    /// Stored content cannot be decompressed.
    #[error("stored content is damaged: expected {expected} bytes of zstd content, got {reason}")]
    Decompress {
        /// Size recorded when it was stored.
        expected: u64,
        /// What was found instead.
        reason: String,
    },
}
