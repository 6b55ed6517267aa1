//! The secrets of a login in the form that the library wants.

use super::text::quote;
use netraven_model::{ErrorCode, Failure, Login, Phase, Secret};
use russh::keys::{Error, PrivateKey, decode_secret_key};
use std::sync::Arc;
use thiserror::Error;

/// What can be shown to a device.
pub(crate) struct Identity {
    pub(super) username: String,
    pub(super) key: Option<Arc<PrivateKey>>,
    pub(super) password: Option<Secret>,
}

impl Identity {
    /// Reads the login's secrets. An unreadable one is an error even where another would do: the
    /// person who stored it meant it to be used.
    pub(crate) async fn read(login: &Login) -> Result<Self, Failure> {
        if login.password.as_ref().is_some_and(|password| password.expose_text().is_none()) {
            let message = "the password is not valid UTF-8, which SSH asks for (RFC 4252, section 8)";
            return Err(unusable(login, message));
        }
        let key = match &login.private_key {
            Some(text) => Some(Arc::new(read_key(login, text).await?)),
            None => None,
        };
        Ok(Self { username: login.username.clone(), key, password: login.password.clone() })
    }

    /// The password as text; empty when there is none.
    pub(super) fn password_text(&self) -> &str {
        self.password.as_ref().and_then(Secret::expose_text).unwrap_or_default()
    }
}

/// Why a private key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyProblem {
    /// It is encrypted, and no passphrase was given.
    #[error("the private key is encrypted, and no passphrase was given")]
    Encrypted,
    /// A passphrase was given, and the key does not open with it, or is damaged.
    #[error("the private key does not open with that passphrase, or it is damaged")]
    Passphrase,
    /// It is no private key.
    #[error("expected a private key in OpenSSH, PEM (PKCS#1, PKCS#8) or PuTTY format")]
    Format,
}

/// Sees whether a private key can be read, with its passphrase if it has one.
pub fn check_private_key(key: &Secret, passphrase: Option<&Secret>) -> Result<(), KeyProblem> {
    match (decode(key, passphrase), passphrase) {
        (Ok(_), _) => Ok(()),
        (Err(Error::KeyIsEncrypted), None) => Err(KeyProblem::Encrypted),
        (Err(_), Some(_)) => Err(KeyProblem::Passphrase),
        (Err(_), None) => Err(KeyProblem::Format),
    }
}

async fn read_key(login: &Login, text: &Secret) -> Result<PrivateKey, Failure> {
    let (text, passphrase) = (text.clone(), login.key_passphrase.clone());
    let decoded = if passphrase.is_none() {
        decode(&text, None)
    } else {
        // Passphrases are stretched on purpose: a tenth of a second that no other session must pay.
        let decoding = tokio::task::spawn_blocking(move || decode(&text, passphrase.as_ref()));
        decoding.await.unwrap_or(Err(Error::CouldNotReadKey))
    };
    decoded.map_err(|error| unusable(login, &explain(&error, login.key_passphrase.is_some())))
}

fn decode(text: &Secret, passphrase: Option<&Secret>) -> Result<PrivateKey, Error> {
    let text = text.expose_text().ok_or(Error::CouldNotReadKey)?;
    let key = decode_secret_key(text, passphrase.and_then(Secret::expose_text))?;
    if key.is_encrypted() { Err(Error::KeyIsEncrypted) } else { Ok(key) }
}

fn explain(error: &Error, has_passphrase: bool) -> String {
    match (error, has_passphrase) {
        (Error::KeyIsEncrypted, false) => {
            "the private key is encrypted, and no passphrase is stored with it".into()
        }
        (error, true) => format!(
            "the private key cannot be read with the stored passphrase ({}): a wrong passphrase, or a damaged key",
            quote(&error.to_string())
        ),
        (error, false) => format!(
            "the private key cannot be read ({}); expected: a private key in OpenSSH, PEM (PKCS#1, PKCS#8) or PuTTY format",
            quote(&error.to_string())
        ),
    }
}

fn unusable(login: &Login, why: &str) -> Failure {
    let message = format!("the credential of user \"{}\": {why}", quote(&login.username));
    Failure::new(ErrorCode::CredentialUnusable, Phase::Authenticate, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::Algorithm;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::LineEnding;

    fn login(key: &str, passphrase: Option<&str>) -> Login {
        Login {
            username: "ops".into(),
            private_key: Some(key.into()),
            key_passphrase: passphrase.map(Secret::from),
            ..Login::default()
        }
    }

    async fn refusal(login: &Login) -> String {
        let failure = Identity::read(login).await.err().unwrap();
        assert_eq!(failure.code, ErrorCode::CredentialUnusable);
        assert!(failure.message.contains("\"ops\""), "{failure}");
        failure.message
    }

    #[tokio::test]
    async fn encrypted_keys_need_their_passphrase() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let encrypted = key.encrypt(&mut safe_rng(), "canary-open").unwrap();
        let text = encrypted.to_openssh(LineEnding::LF).unwrap();
        let identity = Identity::read(&login(&text, Some("canary-open"))).await.unwrap();
        assert_eq!(identity.key.unwrap().public_key(), key.public_key());
        assert!(refusal(&login(&text, None)).await.contains("no passphrase is stored"));
        let wrong = refusal(&login(&text, Some("canary-wrong"))).await;
        assert!(wrong.contains("wrong passphrase") && !wrong.contains("canary"), "{wrong}");
    }

    #[tokio::test]
    async fn what_is_no_private_key_is_refused_with_the_formats_that_are_read() {
        let public = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let public = public.public_key().to_openssh().unwrap();
        let cut = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n";
        for text in ["", "canary", &public, cut] {
            let message = refusal(&login(text, None)).await;
            assert!(message.contains("OpenSSH, PEM") && !message.contains("canary"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_password_that_is_no_text_is_refused() {
        let login = Login {
            username: "ops".into(),
            password: Some(Secret::new(vec![0xff, 0xfe])),
            ..Login::default()
        };
        assert!(refusal(&login).await.contains("UTF-8"));
    }
}
