//! The secrets of captures: what [`netraven_seal`] sealed, opened and wrapped anew.

use crate::VaultError;
use crate::keyring::{Key, Keyring};
use netraven_model::Secret;
use netraven_seal::{
    ENCAPSULATED, Fingerprint, KEY_INFO, SUITE, WrappedKey, decrypt, key_place, value_place,
};
use rustls::crypto::hpke::EncapsulatedSecret;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The opened data key of one capture.
pub struct DataKey {
    device: Uuid,
    id: Uuid,
    bytes: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// Decrypts the value that a fingerprint stands for.
    ///
    /// # Errors
    /// [`VaultError::ValueNotAuthentic`] where it was altered, cut, or belongs to another fingerprint or device.
    pub fn open(&self, fingerprint: Fingerprint, ciphertext: &[u8]) -> Result<Secret, VaultError> {
        let place = value_place(self.device, fingerprint, self.id);
        decrypt(&self.bytes, &place, ciphertext).ok_or_else(|| VaultError::ValueNotAuthentic {
            place: format!("the secret {fingerprint} of device {}", self.device),
        })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

pub(crate) fn open(ring: &Keyring, device: Uuid, key: &WrappedKey) -> Result<DataKey, VaultError> {
    let place = || format!("the data key {} of device {device}", key.id);
    let own = ring.get(key.number).ok_or_else(|| VaultError::KeyMissing {
        place: place(),
        key: key.number,
        held: ring.numbers(),
    })?;
    let Some((encapsulated, sealed)) = key.wrapped.split_first_chunk::<ENCAPSULATED>() else {
        let found = key.wrapped.len();
        let reason = format!("expected more than {ENCAPSULATED} bytes, found {found}");
        return Err(VaultError::Malformed { place: place(), reason });
    };
    let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
    let bound = key_place(device, key.id, key.number);
    let opened = SUITE.open(&encapsulated, KEY_INFO, &bound, sealed, &own.private).map(Zeroizing::new);
    let bytes = opened.ok().and_then(|bytes| Some(Zeroizing::new(bytes.as_slice().try_into().ok()?)));
    let bytes = bytes.ok_or_else(|| VaultError::NotAuthentic { place: place(), key: key.number })?;
    Ok(DataKey { device, id: key.id, bytes })
}

/// The same data key, wrapped with another key.
pub(crate) fn rewrap(
    ring: &Keyring,
    to: &Key,
    device: Uuid,
    key: &WrappedKey,
) -> Result<WrappedKey, VaultError> {
    let opened = open(ring, device, key)?;
    let wrapped = to
        .public
        .wrap(device, key.id, &opened.bytes)
        .map_err(|_| VaultError::Library("a data key cannot be wrapped"))?;
    Ok(WrappedKey { id: key.id, number: to.number, wrapped })
}
