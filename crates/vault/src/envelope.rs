//! The format of a ciphertext: version (1 byte), key number (4 bytes, big endian), nonce (12 bytes),
//! AES-256-GCM ciphertext with its 16-byte tag. Authenticated with it: version, key number, table, column, row.

use crate::keyring::{Key, Keyring};
use crate::{Place, VaultError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use netraven_model::Secret;
use zeroize::Zeroize;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const HEADER: usize = 1 + 4 + NONCE;
const TAG: usize = 16;

pub(crate) fn seal(key: &Key, place: &Place<'_>, secret: &Secret) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    rand::fill(&mut nonce).map_err(|_| VaultError::Library("no random numbers"))?;
    let mut out = Vec::with_capacity(HEADER + secret.expose_bytes().len() + TAG);
    out.push(VERSION);
    out.extend_from_slice(&key.number.to_be_bytes());
    out.extend_from_slice(&nonce);
    let mut body = Vec::with_capacity(secret.expose_bytes().len() + TAG);
    body.extend_from_slice(secret.expose_bytes());
    let sealed = cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(key.number, place), &mut body)
        .map_err(|_| VaultError::Library("encryption failed"));
    if let Err(error) = sealed {
        body.zeroize();
        return Err(error);
    }
    out.extend_from_slice(&body);
    Ok(out)
}

pub(crate) fn open(ring: &Keyring, place: &Place<'_>, ciphertext: &[u8]) -> Result<Secret, VaultError> {
    let malformed = |reason: String| VaultError::Malformed { place: name(place), reason };
    if ciphertext.len() < HEADER + TAG {
        let found = ciphertext.len();
        return Err(malformed(format!("expected at least {} bytes, found {found}", HEADER + TAG)));
    }
    let (header, body) = ciphertext.split_at(HEADER);
    if header[0] != VERSION {
        return Err(malformed(format!("expected format {VERSION}, found {}", header[0])));
    }
    let number = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let key = ring.get(number).ok_or_else(|| VaultError::KeyMissing {
        place: name(place),
        key: number,
        held: ring.numbers(),
    })?;
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&header[5..]);
    let mut body = body.to_vec();
    let length = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(nonce), bound(number, place), &mut body)
        .map_err(|_| VaultError::NotAuthentic { place: name(place), key: number })?
        .len();
    body.truncate(length);
    Ok(Secret::new(body))
}

/// See [`crate::key_number`].
pub(crate) fn key_number(ciphertext: &[u8]) -> Option<u32> {
    let header = ciphertext.get(..HEADER).filter(|header| header[0] == VERSION)?;
    Some(u32::from_be_bytes([header[1], header[2], header[3], header[4]]))
}

fn cipher(key: &Key) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key.bytes.as_slice())
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::Library("key of the wrong length"))
}

fn bound(number: u32, place: &Place<'_>) -> Aad<String> {
    Aad::from(format!("netraven\0{VERSION}\0{number}\0{}\0{}\0{}", place.table, place.column, place.row))
}

fn name(place: &Place<'_>) -> String {
    format!("{}.{} of row {}", place.table, place.column, place.row)
}
