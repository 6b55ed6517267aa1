//! Bytes in JSON, as base64 (RFC 4648, section 4). The functions are for serde's `with`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

fn write<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes)))
}

/// What is wrong is never quoted: it may be a secret.
fn read<E: Error>(text: String) -> Result<Vec<u8>, E> {
    STANDARD.decode(&*Zeroizing::new(text)).map_err(|_| E::custom("no base64, expected base64"))
}

/// Bytes that are no secret.
pub(super) mod bytes {
    use super::*;

    pub(in crate::wire) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        write(bytes, serializer)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<u8>, D::Error> {
        read(String::deserialize(source)?)
    }
}

/// A secret that may be missing.
pub(super) mod secret {
    use super::*;
    use netraven_model::Secret;

    pub(in crate::wire) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => write(secret.expose_bytes(), serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Option<Secret>, D::Error> {
        let text = Option::<String>::deserialize(source)?;
        text.map(|text| read(text).map(Secret::new)).transpose()
    }
}

/// What a device answered.
pub(super) mod capture {
    use super::*;
    use netraven_model::Capture;

    pub(in crate::wire) fn serialize<S: Serializer>(
        capture: &Capture,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        write(capture.expose_bytes(), serializer)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Capture, D::Error> {
        read(String::deserialize(source)?).map(Capture::new)
    }
}

/// A key for fingerprints.
pub(super) mod fingerprint_key {
    use super::*;
    use netraven_seal::FingerprintKey;

    pub(in crate::wire) fn serialize<S: Serializer>(
        key: &FingerprintKey,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        write(key.expose_bytes(), serializer)
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<FingerprintKey, D::Error> {
        let bytes = Zeroizing::new(read(String::deserialize(source)?)?);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
            bytes.as_slice().try_into().map_err(|_| D::Error::custom("expected 32 bytes in base64"))?,
        );
        Ok(FingerprintKey::from_bytes(*bytes))
    }
}
