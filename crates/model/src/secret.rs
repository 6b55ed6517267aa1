//! Types for what must never be shown: secrets and raw captures.
//!
//! None of them has `Display` or `Serialize`, their `Debug` shows only a size, and their memory is
//! overwritten when they are dropped.

use crate::CredentialId;
use std::fmt;
use zeroize::Zeroizing;

/// A password, enable secret, private key or passphrase in clear.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the bytes; they are overwritten on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret's bytes. The name is long so that each use is easy to find and to question.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, or `None` if it is not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The raw text of one command's answer, secrets included. It exists in memory only.
#[derive(Clone, Default)]
pub struct Capture(Zeroizing<Vec<u8>>);

impl Capture {
    /// Takes ownership of the bytes; they are overwritten on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The captured bytes, for the finders and for `seal`.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({} bytes)", self.0.len())
    }
}

/// What a session needs to log in: one credential, opened.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The credential it came from; `None` for one given by hand.
    pub credential: Option<CredentialId>,
    /// Name to log in with.
    pub username: String,
    /// Password, also the answer to a keyboard-interactive password prompt.
    pub password: Option<Secret>,
    /// Password of the `enable` dialog; where it is missing, `password` is tried.
    pub enable: Option<Secret>,
    /// Private key in OpenSSH or PEM format.
    pub private_key: Option<Secret>,
    /// Passphrase of `private_key`.
    pub key_passphrase: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_secret_types_shows_no_secret() {
        let login = Login {
            username: "ops".into(),
            password: Some("canary-1".into()),
            enable: Some("canary-2".into()),
            private_key: Some("canary-3".into()),
            key_passphrase: Some("canary-4".into()),
            credential: None,
        };
        let shown = format!("{login:?} {:?}", Capture::new(b"canary-5".to_vec()));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("ops") && shown.contains("8 bytes"));
    }
}
