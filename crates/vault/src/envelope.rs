//! Single secrets, each with a data key of its own:
//!
//! ```text
//! version (1 byte) | key number (4, big endian)
//! | nonce (12) | the data key (32), encrypted with the key of that number | tag (16)
//! | nonce (12) | the secret, encrypted with the data key | tag (16)
//! ```
//!
//! AES-256-GCM both times. The data key is bound to version, key number, table, column and row; the secret to table, column
//! and row, so that it need not be touched when the data key is wrapped anew. Version 1 had no data key: number, nonce, and the
//! secret encrypted with the key of that number; it is still read.

use crate::keyring::{Key, Keyring, fresh};
use crate::{Place, VaultError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use netraven_model::Secret;
use zeroize::{Zeroize, Zeroizing};

const DIRECT: u8 = 1;
const VERSION: u8 = 2;
const TAG: usize = 16;
const HEADER: usize = 1 + 4;
const WRAPPED: usize = NONCE_LEN + 32 + TAG;

pub(crate) fn seal(key: &Key, place: &Place<'_>, secret: &Secret) -> Result<Vec<u8>, VaultError> {
    let data_key = fresh()?;
    let mut out = wrapped(key, place, &data_key)?;
    encrypt(&data_key, &bound(VERSION, None, place), secret.expose_bytes(), &mut out)?;
    Ok(out)
}

pub(crate) fn open(ring: &Keyring, place: &Place<'_>, ciphertext: &[u8]) -> Result<Secret, VaultError> {
    let Read { version, key, body } = read(ring, place, ciphertext)?;
    let forged = || VaultError::NotAuthentic { place: name(place), key: key.number };
    if version == DIRECT {
        let secret = decrypt(&key.bytes, &bound(DIRECT, Some(key.number), place), body);
        return secret.map(|secret| Secret::new(secret.to_vec())).ok_or_else(forged);
    }
    let data_key = unwrap(key, place, body).ok_or_else(forged)?;
    let secret = decrypt(&data_key, &bound(VERSION, None, place), &body[WRAPPED..]).ok_or_else(forged)?;
    Ok(Secret::new(secret.to_vec()))
}

/// The same ciphertext under another key. The secret itself is not decrypted, unless it had no data key yet.
pub(crate) fn rewrap(
    ring: &Keyring,
    to: &Key,
    place: &Place<'_>,
    ciphertext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let Read { version, key, body } = read(ring, place, ciphertext)?;
    if version == DIRECT {
        return seal(to, place, &open(ring, place, ciphertext)?);
    }
    let forged = || VaultError::NotAuthentic { place: name(place), key: key.number };
    let data_key = unwrap(key, place, body).ok_or_else(forged)?;
    let mut out = wrapped(to, place, &data_key)?;
    out.extend_from_slice(&body[WRAPPED..]);
    Ok(out)
}

/// See [`crate::key_number`].
pub(crate) fn key_number(ciphertext: &[u8]) -> Option<u32> {
    let (header, _) = ciphertext.split_first_chunk::<HEADER>()?;
    let [version, number @ ..] = header;
    [DIRECT, VERSION].contains(version).then(|| u32::from_be_bytes(*number))
}

struct Read<'a> {
    version: u8,
    key: &'a Key,
    body: &'a [u8],
}

fn read<'a>(ring: &'a Keyring, place: &Place<'_>, ciphertext: &'a [u8]) -> Result<Read<'a>, VaultError> {
    let malformed = |reason: String| VaultError::Malformed { place: name(place), reason };
    let version = ciphertext.first().copied().unwrap_or_default();
    let least = match version {
        DIRECT => HEADER + NONCE_LEN + TAG,
        VERSION => HEADER + WRAPPED + NONCE_LEN + TAG,
        _ if ciphertext.is_empty() => return Err(malformed("expected a ciphertext, found nothing".into())),
        other => return Err(malformed(format!("expected format {VERSION}, found {other}"))),
    };
    if ciphertext.len() < least {
        return Err(malformed(format!("expected at least {least} bytes, found {}", ciphertext.len())));
    }
    let number = key_number(ciphertext).ok_or_else(|| malformed("expected the number of a key".into()))?;
    let key = ring.get(number).ok_or_else(|| VaultError::KeyMissing {
        place: name(place),
        key: number,
        held: ring.numbers(),
    })?;
    Ok(Read { version, key, body: &ciphertext[HEADER..] })
}

/// Header and wrapped data key.
fn wrapped(key: &Key, place: &Place<'_>, data_key: &[u8; 32]) -> Result<Vec<u8>, VaultError> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&key.number.to_be_bytes());
    encrypt(&key.bytes, &bound(VERSION, Some(key.number), place), data_key, &mut out)?;
    Ok(out)
}

fn unwrap(key: &Key, place: &Place<'_>, body: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let data_key = decrypt(&key.bytes, &bound(VERSION, Some(key.number), place), &body[..WRAPPED])?;
    Some(Zeroizing::new(data_key.as_slice().try_into().ok()?))
}

/// Appends nonce, ciphertext and tag.
pub(crate) fn encrypt(
    key: &[u8; 32],
    bound: &[u8],
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), VaultError> {
    let nonce = fresh::<NONCE_LEN>()?;
    // Large enough for the tag: growing would leave a copy of the secret behind in memory.
    let mut body = Vec::with_capacity(plain.len() + TAG);
    body.extend_from_slice(plain);
    let sealed = cipher(key)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(*nonce),
        Aad::from(bound),
        &mut body,
    );
    if sealed.is_err() {
        body.zeroize();
        return Err(VaultError::Library("encryption failed"));
    }
    out.extend_from_slice(nonce.as_slice());
    out.extend_from_slice(&body);
    Ok(())
}

/// What [`encrypt`] appended, in clear; `None` where it was altered, moved, or made with another key.
pub(crate) fn decrypt(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key).ok()?.open_in_place(nonce, Aad::from(bound), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::Library("key of the wrong length"))
}

fn bound(version: u8, number: Option<u32>, place: &Place<'_>) -> Vec<u8> {
    let number = number.map_or_else(|| "value".to_owned(), |number| number.to_string());
    format!("netraven\0{version}\0{number}\0{}\0{}\0{}", place.table, place.column, place.row).into_bytes()
}

fn name(place: &Place<'_>) -> String {
    format!("{}.{} of row {}", place.table, place.column, place.row)
}
