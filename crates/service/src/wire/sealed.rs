//! A sealed configuration on its way.

use super::base64;
use netraven_device::CollectRequest;
use netraven_model::{Hash256, PartKind, Span};
use netraven_seal::{
    Fingerprint, SealError, SealedConfig, SealedPart, SealedSecrets, SealedValue, WrappedKey,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The parts of a configuration may have so many times the bytes of the largest answer to one command, decompressed.
const PARTS_BOUND: u64 = 4;

/// [`SealedConfig`] on its way: compressed texts without secrets, and ciphertexts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConfigBody {
    significant: Hash256,
    parts: Vec<PartBody>,
    secrets: Option<SecretsBody>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartBody {
    name: String,
    context: Option<String>,
    command: String,
    kind: PartKind,
    #[serde(with = "base64::bytes")]
    content: Vec<u8>,
    size: u64,
    digest: Hash256,
    volatile: Vec<Span>,
    secrets: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecretsBody {
    key: Uuid,
    key_number: u32,
    #[serde(with = "base64::bytes")]
    wrapped: Vec<u8>,
    values: Vec<ValueBody>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ValueBody {
    fingerprint: [u8; 16],
    site_fingerprint: Option<[u8; 16]>,
    #[serde(with = "base64::bytes")]
    ciphertext: Vec<u8>,
    salted: bool,
}

/// The most bytes that the parts of a configuration may have, where one answer may have `max_output`.
pub(crate) fn bounded(max_output: usize) -> u64 {
    (max_output as u64).saturating_mul(PARTS_BOUND)
}

impl From<&SealedConfig> for ConfigBody {
    fn from(config: &SealedConfig) -> Self {
        let part = |part: &SealedPart| PartBody {
            name: part.name.clone(),
            context: part.context.clone(),
            command: part.command.clone(),
            kind: part.kind,
            content: part.content.clone(),
            size: part.size,
            digest: part.digest,
            volatile: part.volatile.clone(),
            secrets: part.secrets,
        };
        let value = |value: &SealedValue| ValueBody {
            fingerprint: value.fingerprint.0,
            site_fingerprint: value.site_fingerprint.map(|fingerprint| fingerprint.0),
            ciphertext: value.ciphertext.clone(),
            salted: value.salted,
        };
        let secrets = config.secrets().map(|secrets| SecretsBody {
            key: secrets.key.id,
            key_number: secrets.key.number,
            wrapped: secrets.key.wrapped.clone(),
            values: secrets.values.iter().map(value).collect(),
        });
        Self { significant: config.significant(), parts: config.parts().iter().map(part).collect(), secrets }
    }
}

impl ConfigBody {
    /// The configuration again, proven with what the request had; `most` bounds its parts.
    ///
    /// # Errors
    /// It is not what it says, or not what was asked for.
    pub(super) fn into_config(self, request: &CollectRequest, most: u64) -> Result<SealedConfig, SealError> {
        let parts = self.parts.into_iter().map(|part| SealedPart {
            name: part.name,
            context: part.context,
            command: part.command,
            kind: part.kind,
            content: part.content,
            size: part.size,
            digest: part.digest,
            volatile: part.volatile,
            secrets: part.secrets,
        });
        let value = |value: ValueBody| SealedValue {
            fingerprint: Fingerprint(value.fingerprint),
            site_fingerprint: value.site_fingerprint.map(Fingerprint),
            ciphertext: value.ciphertext,
            salted: value.salted,
        };
        let secrets = self.secrets.map(|secrets| SealedSecrets {
            key: WrappedKey { id: secrets.key, number: secrets.key_number, wrapped: secrets.wrapped },
            values: secrets.values.into_iter().map(value).collect(),
        });
        let (key, sealing) = (&request.fingerprint_key, request.sealing.as_ref());
        let config = SealedConfig::rebuild(parts.collect(), secrets, self.significant, key, sealing, most)?;
        let header =
            |part: &SealedPart| request.platform.section(&part.name, part.context.as_deref(), &part.command);
        Ok(config.with_headers(header))
    }
}
