//! JSON web tokens (RFC 7519): HS256 with a secret of our own, EdDSA with public keys of other issuers.
//!
//! The algorithm that a token names chooses among keys made for that algorithm alone, so that a public key can never serve
//! as a secret; `none` is no algorithm here.

use super::key_file::{KeyFileError, check_name, new_secret, read_private, write_private};
use super::{AuthSettings, Caller, Right};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use netraven_model::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Clocks of two machines may differ by so many seconds.
const LEEWAY: u64 = 30;
/// Tokens of ours have 300 bytes.
const MAX_TOKEN: usize = 4096;
const MAX_FILE: u64 = 1 << 16;
/// An HS256 key should have as many bytes as the hash (RFC 7518, section 3.2); in base64 these are 43.
const LEAST_SECRET: usize = 43;

/// Why no token could be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file with the secrets.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The library refused.
    #[error("the token cannot be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(default)]
    rights: Vec<String>,
}

/// One audience, or several (RFC 7519, section 4.1.3). The library compares them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The secrets that sign tokens of our own, one per line; the first signs, all of them verify, so that a new one can be put
/// before the old one for as long as old tokens live.
pub struct TokenSecrets(Vec<Zeroizing<String>>);

impl TokenSecrets {
    /// Reads the file; none where there is no file.
    ///
    /// # Errors
    /// A file that others can read, or with a line that is too short for a secret.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_private(path, MAX_FILE)?.unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secrets: Vec<_> = lines.map(|line| Zeroizing::new(line.to_owned())).collect();
        if secrets.iter().any(|secret| secret.len() < LEAST_SECRET) {
            let reason = format!("expected secrets of at least {LEAST_SECRET} characters, one per line");
            return Err(KeyFileError::Damaged { path: path.to_owned(), reason });
        }
        Ok(Self(secrets))
    }

    /// Reads the file, or makes it with one random secret.
    ///
    /// # Errors
    /// As [`TokenSecrets::load`]; a file that cannot be written.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let found = Self::load(path)?;
        if !found.0.is_empty() {
            return Ok(found);
        }
        let head = "# Secrets of the gateway's tokens (HS256), one per line: the first signs, all verify.\n";
        write_private(path, &Zeroizing::new(format!("{head}{}\n", new_secret()?.as_str())))?;
        Self::load(path)
    }
}

/// Makes a token for a caller.
///
/// # Errors
/// A name that cannot be used; no secret; a library that refuses.
pub fn issue(
    settings: &AuthSettings,
    name: &str,
    rights: &BTreeSet<Right>,
    lifetime: TimeDelta,
) -> Result<Secret, TokenError> {
    check_name(name)?;
    let secrets = TokenSecrets::load_or_create(&settings.token_secrets)?;
    let Some(secret) = secrets.0.first() else { return Err(KeyFileError::Random.into()) };
    let now = Utc::now();
    let claims = Claims {
        iss: settings.issuer.clone(),
        aud: Audience::One(settings.audience.clone()),
        sub: name.to_owned(),
        exp: (now + lifetime).timestamp(),
        iat: Some(now.timestamp()),
        rights: rights.iter().map(|right| right.as_str().to_owned()).collect(),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    Ok(Secret::from(encode(&Header::new(Algorithm::HS256), &claims, &key)?))
}

/// Tells valid tokens from others.
pub(crate) struct Verifier {
    secrets: Vec<DecodingKey>,
    public_keys: Vec<DecodingKey>,
    issuer: String,
    audience: String,
}

impl Verifier {
    pub(super) fn load(settings: &AuthSettings) -> Result<Self, KeyFileError> {
        let secrets = TokenSecrets::load(&settings.token_secrets)?;
        Ok(Self {
            secrets: secrets.0.iter().map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect(),
            public_keys: settings.public_keys.as_deref().map(public_keys).transpose()?.unwrap_or_default(),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    /// Whose token this is; `None` where it is not valid.
    pub(super) fn verify(&self, token: &str) -> Option<Caller> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let header = decode_header(token).ok()?;
        // An extension that must be understood is not (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let keys = match header.alg {
            Algorithm::HS256 => &self.secrets,
            Algorithm::EdDSA => &self.public_keys,
            _ => return None,
        };
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = keys.iter().find_map(|key| decode::<Claims>(token, key, &validation).ok())?.claims;
        check_name(&claims.sub).ok()?;
        // Rights of another release's tokens are not ours.
        let rights = claims.rights.iter().filter_map(|right| Right::from_name(right)).collect();
        Some(Caller { name: format!("token:{}", claims.sub).into(), rights })
    }
}

/// The Ed25519 keys of a PEM file (RFC 8410).
fn public_keys(path: &Path) -> Result<Vec<DecodingKey>, KeyFileError> {
    const BEGIN: &str = "-----BEGIN";
    let damaged =
        |reason: &str| KeyFileError::Damaged { path: PathBuf::from(path), reason: reason.to_owned() };
    let size = std::fs::metadata(path).map(|found| found.len());
    let text =
        size.and_then(|size| if size > MAX_FILE { Ok(String::new()) } else { std::fs::read_to_string(path) });
    let text = text.map_err(|source| KeyFileError::Io { action: "read", path: path.to_owned(), source })?;
    let blocks = text.split(BEGIN).skip(1).map(|block| format!("{BEGIN}{block}"));
    let keys: Result<Vec<_>, _> =
        blocks.map(|block| DecodingKey::from_ed_pem(block.trim().as_bytes())).collect();
    let keys = keys.map_err(|_| damaged("expected Ed25519 public keys in PEM"))?;
    if keys.is_empty() { Err(damaged("expected at least one public key in PEM")) } else { Ok(keys) }
}
