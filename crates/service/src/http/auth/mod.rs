//! Who calls, and what the caller may do.

mod files;
mod key_file;
mod keys;
mod token;

pub(crate) use files::{Kept, keep_current};
pub(crate) use key_file::parse_digest;
pub use key_file::{KeyEntry, KeyFile, KeyFileError};
pub use token::{TokenError, TokenSecrets, issue};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use keys::Keys;
use netraven_model::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use token::Verifier;

/// The header that carries an API key.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";

/// What a caller may do beyond what every caller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See answers of devices as they came, secrets included: the gateway's.
    Raw,
    /// Send jobs as a scheduler does: logins of jump hosts come with them, and answers as devices sent them.
    Jobs,
    /// Send events: the job logging service's.
    Write,
}

impl Right {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Jobs, Self::Write];

    /// The word for it in files, tokens and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Jobs => "jobs",
            Self::Write => "write",
        }
    }

    /// The right of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }
}

/// Somebody who has proven who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `key:NAME` or `token:NAME`.
    pub(crate) name: Arc<str>,
    rights: BTreeSet<Right>,
}

impl Caller {
    pub(crate) fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// Where callers' keys come from.
#[derive(Clone)]
pub struct AuthSettings {
    /// The file with the digests of the API keys.
    pub key_file: PathBuf,
    /// One more key, from the settings; it has no right beyond what every caller may.
    pub api_key: Option<Secret>,
    /// Who must have issued a token (RFC 7519, section 4.1.1).
    pub issuer: String,
    /// For whom it must have been issued (section 4.1.3).
    pub audience: String,
    /// The file with the secrets of HS256 tokens; not needed to be there.
    pub token_secrets: PathBuf,
    /// A file with the Ed25519 public keys of other issuers, in PEM.
    pub public_keys: Option<PathBuf>,
}

impl fmt::Debug for AuthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthSettings({})", self.key_file.display())
    }
}

/// All callers that are known now.
pub(crate) struct Callers {
    pub(crate) keys: Kept<Keys>,
    pub(crate) tokens: Kept<Verifier>,
}

/// Why nobody is let in: said in the log, not to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Nothing,
    Malformed,
    UnknownKey,
    BadToken,
}

impl Refusal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "neither a key nor a token was given",
            Self::Malformed => "a header for the key or the token cannot be read",
            Self::UnknownKey => "the API key is unknown or disabled",
            Self::BadToken => "the token is not valid",
        }
    }
}

impl Callers {
    /// Reads all keys.
    ///
    /// # Errors
    /// A file that cannot be used; which one and why.
    pub(crate) fn load(settings: &AuthSettings) -> Result<Self, KeyFileError> {
        let key_settings = settings.clone();
        let keys =
            Kept::load("API keys", vec![settings.key_file.clone()], move || Keys::load(&key_settings))?;
        let token_settings = settings.clone();
        let files = [Some(settings.token_secrets.clone()), settings.public_keys.clone()];
        let tokens = Kept::load("keys of tokens", files.into_iter().flatten().collect(), move || {
            Verifier::load(&token_settings)
        })?;
        Ok(Self { keys, tokens })
    }

    /// Who sent these headers. A key and a token that come together must both hold; then the key says who it is.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let key = only(headers, API_KEY_HEADER)?;
        let bearer = only(headers, AUTHORIZATION.as_str())?;
        let by_token = bearer.map(|value| self.of_bearer(value)).transpose()?;
        let by_key = match key {
            Some(value) => Some(self.keys.current().find(value.as_bytes()).ok_or(Refusal::UnknownKey)?),
            None => None,
        };
        by_key.or(by_token).ok_or(Refusal::Nothing)
    }

    fn of_bearer(&self, value: &str) -> Result<Caller, Refusal> {
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(Refusal::Malformed)?;
        self.tokens.current().verify(token.trim()).ok_or(Refusal::BadToken)
    }
}

/// A header that comes at most once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Refusal::Malformed),
    }
}
