//! The values of the secrets of one capture, encrypted so that only the vault can read them.
//!
//! One fresh data key encrypts all of them (AES-256-GCM); it is itself encrypted to the installation's public key
//! (HPKE, RFC 9180, base mode with X25519, HKDF-SHA256 and AES-256-GCM), so that whoever seals cannot open.

use crate::{Fingerprint, FingerprintKey, SealError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use netraven_model::Secret;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{Hpke, HpkePublicKey};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// What data keys are wrapped with; the vault opens with the same.
pub const SUITE: &dyn Hpke = DH_KEM_X25519_HKDF_SHA256_AES_256;
/// What HPKE calls `info`: what the wrapped keys are for.
pub const KEY_INFO: &[u8] = b"netraven data key of a capture, format 1";
/// Length of HPKE's encapsulated secret (RFC 9180, section 7.1: `Nenc` of X25519).
pub const ENCAPSULATED: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Length of a data key.
const DATA_KEY: usize = 32;

/// What a gateway needs to keep the secrets of one device's captures: it cannot open what it sealed.
#[derive(Clone)]
pub struct Sealing {
    /// The device that the values are bound to.
    pub device: Uuid,
    /// To whom they are sealed.
    pub public: PublicKey,
    /// The installation's own fingerprint key, where it is wanted that equal secrets of different devices are recognised.
    pub site: Option<FingerprintKey>,
}

/// The public half of one of an installation's keys.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Number of the key.
    pub number: u32,
    /// X25519 public key (RFC 7748).
    pub bytes: [u8; 32],
}

/// The secrets of one capture, sealed. `Debug` shows their number.
#[derive(Clone)]
pub struct SealedSecrets {
    /// The data key of all of them.
    pub key: WrappedKey,
    /// One for each different value.
    pub values: Vec<SealedValue>,
}

/// The data key of one capture, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its own name.
    pub id: Uuid,
    /// Number of the installation's key that opens it.
    pub number: u32,
    /// HPKE's encapsulated secret and ciphertext.
    pub wrapped: Vec<u8>,
}

/// One secret's value, encrypted with the capture's data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// What stands in the configuration in its place.
    pub fingerprint: Fingerprint,
    /// The same for all devices of the installation, where that is wanted.
    pub site_fingerprint: Option<Fingerprint>,
    /// Nonce, ciphertext and tag.
    pub ciphertext: Vec<u8>,
    /// The device encrypts it anew whenever it shows it: another fingerprint need not mean another secret.
    pub salted: bool,
}

/// A secret of a capture in clear, until it is sealed or dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) secret: Clear,
    pub(crate) salted: bool,
}

/// [`Secret`] that can be compared, for the types that hold it.
#[derive(Debug)]
pub(crate) struct Clear(pub(crate) Secret);

impl PartialEq for Clear {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_bytes() == other.0.expose_bytes()
    }
}

impl Eq for Clear {}

impl Sealing {
    pub(crate) fn seal(&self, values: &BTreeMap<Fingerprint, Value>) -> Result<SealedSecrets, SealError> {
        let id = Uuid::new_v4();
        let data_key = Zeroizing::new(random::<DATA_KEY>()?);
        let wrapped = self.public.wrap(self.device, id, &data_key)?;
        let cipher = cipher(&data_key)?;
        let values = values.iter().map(|(fingerprint, value)| {
            let secret = value.secret.0.expose_bytes();
            Ok(SealedValue {
                fingerprint: *fingerprint,
                site_fingerprint: self.site.as_ref().map(|key| key.fingerprint(secret)),
                ciphertext: encrypt(&cipher, &value_place(self.device, *fingerprint, id), secret)?,
                salted: value.salted,
            })
        });
        Ok(SealedSecrets {
            values: values.collect::<Result<_, SealError>>()?,
            key: WrappedKey { id, number: self.public.number, wrapped },
        })
    }
}

impl PublicKey {
    /// Encrypts a capture's data key, bound to its device and its own name.
    ///
    /// # Errors
    /// [`SealError::Encrypt`].
    pub fn wrap(&self, device: Uuid, id: Uuid, data_key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        let place = key_place(device, id, self.number);
        let public = HpkePublicKey(self.bytes.to_vec());
        let (encapsulated, ciphertext) = SUITE
            .seal(KEY_INFO, &place, data_key, &public)
            .map_err(|_| SealError::Encrypt("the data key cannot be sealed to the public key"))?;
        Ok([encapsulated.0, ciphertext].concat())
    }
}

/// Whether wrapped key and ciphertexts have the lengths that sealing gives them.
pub(crate) fn is_whole(secrets: &SealedSecrets) -> bool {
    secrets.key.wrapped.len() == ENCAPSULATED + DATA_KEY + TAG
        && secrets.values.iter().all(|value| value.ciphertext.len() >= NONCE + TAG)
}

/// What a wrapped data key is bound to.
pub fn key_place(device: Uuid, id: Uuid, number: u32) -> Vec<u8> {
    [&device.as_bytes()[..], id.as_bytes(), &number.to_be_bytes()].concat()
}

/// What a sealed value is bound to.
pub fn value_place(device: Uuid, fingerprint: Fingerprint, key: Uuid) -> Vec<u8> {
    [b"netraven value\0", &device.as_bytes()[..], &fingerprint.0, key.as_bytes()].concat()
}

/// Decrypts a value's ciphertext with the capture's data key; `None` where it was altered, cut or moved.
pub fn decrypt(data_key: &[u8; 32], place: &[u8], ciphertext: &[u8]) -> Option<Secret> {
    let (nonce, body) = ciphertext.split_first_chunk::<NONCE>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(data_key).ok()?.open_in_place(nonce, Aad::from(place), &mut body).ok()?.len();
    Some(Secret::new(body[..length].to_vec()))
}

fn encrypt(cipher: &LessSafeKey, place: &[u8], secret: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = random::<NONCE>()?;
    let mut out = Vec::with_capacity(NONCE + secret.len() + TAG);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(secret);
    let nonce = Nonce::assume_unique_for_key(nonce);
    match cipher.seal_in_place_separate_tag(nonce, Aad::from(place), &mut out[NONCE..]) {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        Err(_) => {
            out.zeroize();
            return Err(SealError::Encrypt("a secret cannot be encrypted"));
        }
    }
    Ok(out)
}

fn cipher(data_key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, data_key)
        .map(LessSafeKey::new)
        .map_err(|_| SealError::Encrypt("the data key has the wrong length"))
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SealError::Encrypt("the system gives no random numbers"))?;
    Ok(bytes)
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealing(device {}, key {})", self.device, self.public.number)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.number)
    }
}

impl fmt::Debug for SealedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSecrets({} values, key {})", self.values.len(), self.key.number)
    }
}
