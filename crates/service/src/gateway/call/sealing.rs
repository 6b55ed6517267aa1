//! Secrets of configurations on their way to the caller: sealed to a key that only he can open.

use super::fields::secret;
use crate::gateway::error::ApiError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_model::Secret;
use netraven_seal::{FingerprintKey, PublicKey, SealedSecrets, SealedValue, Sealing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// To whom the values of secrets are sealed. The gateway cannot open what it sealed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealingBody {
    /// The device's UUID; the values are bound to it.
    #[schema(value_type = String)]
    device_uuid: Uuid,
    /// Number of the caller's key.
    key_number: u32,
    /// Its public half (X25519), 32 bytes in base64.
    public_key: String,
    /// The installation's own key for fingerprints, where equal secrets of different devices are to be recognised.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    site_fingerprint_key: Option<Secret>,
}

/// The values of a configuration's secrets, sealed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SealedBody {
    /// Name of the data key.
    #[schema(value_type = String)]
    key_id: Uuid,
    /// Number of the caller's key that opens it.
    key_number: u32,
    /// The data key, sealed with HPKE (RFC 9180), in base64.
    wrapped_key: String,
    /// One for each different value.
    values: Vec<ValueBody>,
}

/// One secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueBody {
    /// What stands in its place.
    fingerprint: String,
    /// The same for equal values of all devices.
    site_fingerprint: Option<String>,
    /// Nonce, value and tag of AES-256-GCM with the data key, in base64.
    ciphertext: String,
    /// Whether the device shows it differently each time.
    salted: bool,
}

impl SealingBody {
    pub(super) fn check(&self) -> Result<Sealing, ApiError> {
        let wrong = |field: &str| ApiError::field(field, "expected 32 bytes in base64");
        let bytes = STANDARD.decode(&self.public_key).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| wrong("sealing.public_key"))?;
        let site = self.site_fingerprint_key.as_ref().map(|key| {
            key.expose_text().and_then(key_of).ok_or_else(|| wrong("sealing.site_fingerprint_key"))
        });
        let public = PublicKey { number: self.key_number, bytes };
        Ok(Sealing { device: self.device_uuid, public, site: site.transpose()? })
    }
}

impl From<&SealedSecrets> for SealedBody {
    fn from(secrets: &SealedSecrets) -> Self {
        Self {
            key_id: secrets.key.id,
            key_number: secrets.key.number,
            wrapped_key: STANDARD.encode(&secrets.key.wrapped),
            values: secrets.values.iter().map(ValueBody::from).collect(),
        }
    }
}

impl From<&SealedValue> for ValueBody {
    fn from(value: &SealedValue) -> Self {
        Self {
            fingerprint: value.fingerprint.to_string(),
            site_fingerprint: value.site_fingerprint.map(|fingerprint| fingerprint.to_string()),
            ciphertext: STANDARD.encode(&value.ciphertext),
            salted: value.salted,
        }
    }
}

/// A key for fingerprints, from base64.
pub(super) fn key_of(text: &str) -> Option<FingerprintKey> {
    let bytes = zeroize::Zeroizing::new(STANDARD.decode(text).ok()?);
    let bytes: zeroize::Zeroizing<[u8; 32]> = zeroize::Zeroizing::new(bytes.as_slice().try_into().ok()?);
    Some(FingerprintKey::from_bytes(*bytes))
}
