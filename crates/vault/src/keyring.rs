//! The keys of an installation in memory, and their form as text.

use crate::VaultError;
use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_seal::PublicKey;
use rustls::crypto::hpke::HpkePrivateKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const FORMAT: u32 = 1;

/// One encryption key.
pub(crate) struct Key {
    pub(crate) number: u32,
    /// When it was made, RFC 3339; unknown for those of an early file.
    created_at: Option<String>,
    /// What wraps data keys of single secrets, and opened what was encrypted with it directly.
    pub(crate) bytes: Zeroizing<[u8; 32]>,
    /// What opens the data keys of captures.
    pub(crate) private: HpkePrivateKey,
    pub(crate) public: PublicKey,
}

/// The keys of an installation, oldest first; never empty.
pub(crate) struct Keyring {
    keys: Vec<Key>,
    fingerprint: Zeroizing<[u8; 32]>,
}

/// The key file as it is written: JSON, keys in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    fingerprint_key: String,
    encryption_keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    key: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.fingerprint_key.zeroize();
        self.encryption_keys.iter_mut().for_each(|entry| entry.key.zeroize());
    }
}

impl Key {
    fn new(number: u32, created_at: Option<String>, bytes: Zeroizing<[u8; 32]>) -> Result<Self, VaultError> {
        // Another use of the same key needs another key: this one is never used for itself.
        let seed = Zeroizing::new(derive(bytes.as_slice(), &[b"netraven capture key\0"]));
        let public = PrivateKey::from_private_key(&X25519, seed.as_slice())
            .ok()
            .and_then(|private| private.compute_public_key().ok())
            .and_then(|public| public.as_ref().try_into().ok())
            .ok_or(VaultError::Library("no X25519 key"))?;
        let private = HpkePrivateKey::from(seed.to_vec());
        Ok(Self { number, created_at, bytes, private, public: PublicKey { number, bytes: public } })
    }
}

impl Keyring {
    /// A first key and a fingerprint key.
    pub(crate) fn generate(now: &str) -> Result<Self, VaultError> {
        let key = Key::new(1, Some(now.to_owned()), fresh()?)?;
        Ok(Self { keys: vec![key], fingerprint: fresh()? })
    }

    /// Reads the text of a key file; the error says what is wrong with it and quotes nothing.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        // The parser's message is not passed on beyond its place, since it may quote the text.
        let file: KeyFile = serde_json::from_slice(text).map_err(|error| {
            format!("expected JSON as NetRaven writes it, line {} column {}", error.line(), error.column())
        })?;
        if file.format != FORMAT {
            return Err(format!("expected format {FORMAT}, found {}", file.format));
        }
        let mut keys = Vec::with_capacity(file.encryption_keys.len());
        for entry in &file.encryption_keys {
            if keys.last().is_some_and(|last: &Key| last.number >= entry.number) {
                return Err(format!("key numbers must ascend, {} stands at the wrong place", entry.number));
            }
            let bytes =
                decode(&entry.key).ok_or(format!("key {} is not 32 bytes in base64", entry.number))?;
            let key = Key::new(entry.number, entry.created_at.clone(), bytes);
            keys.push(key.map_err(|error| error.to_string())?);
        }
        if keys.is_empty() {
            return Err("it holds no encryption key".to_owned());
        }
        let fingerprint =
            decode(&file.fingerprint_key).ok_or("the fingerprint key is not 32 bytes in base64")?;
        Ok(Self { keys, fingerprint })
    }

    /// The text of the key file.
    pub(crate) fn text(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let entry = |key: &Key| KeyEntry {
            number: key.number,
            created_at: key.created_at.clone(),
            key: STANDARD.encode(key.bytes.as_slice()),
        };
        let file = KeyFile {
            format: FORMAT,
            fingerprint_key: STANDARD.encode(self.fingerprint.as_slice()),
            encryption_keys: self.keys.iter().map(entry).collect(),
        };
        // Large enough from the start: growing would leave copies of the keys behind in memory.
        let mut text = Zeroizing::new(Vec::with_capacity(256 * (1 + self.keys.len())));
        serde_json::to_writer_pretty(&mut *text, &file)
            .map_err(|_| VaultError::Library("the keys cannot be written as JSON"))?;
        Ok(text)
    }

    /// Adds a fresh key, which seals from now on; its number.
    pub(crate) fn add(&mut self, now: &str) -> Result<u32, VaultError> {
        let number = self.newest().number + 1;
        self.keys.push(Key::new(number, Some(now.to_owned()), fresh()?)?);
        Ok(number)
    }

    /// Takes a key away; the newest one stays.
    pub(crate) fn remove(&mut self, number: u32) -> Result<(), VaultError> {
        let refused = |reason: &str| VaultError::KeyNeeded { key: number, reason: reason.to_owned() };
        if self.newest().number == number {
            return Err(refused("it is the newest one, which encrypts"));
        }
        let position = self.keys.iter().position(|key| key.number == number);
        let position = position.ok_or_else(|| refused("it is not among the keys"))?;
        self.keys.remove(position);
        Ok(())
    }

    /// Adds the keys of another keyring of the same installation; whether they belong together.
    pub(crate) fn merge(&mut self, other: Self) -> bool {
        if self.fingerprint != other.fingerprint {
            return false;
        }
        for key in other.keys {
            match self.get(key.number) {
                Some(own) if own.bytes != key.bytes => return false,
                Some(_) => {}
                None => self.keys.push(key),
            }
        }
        self.keys.sort_by_key(|key| key.number);
        true
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> &Key {
        &self.keys[self.keys.len() - 1]
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Key> {
        self.keys.iter().find(|key| key.number == number)
    }

    /// Numbers and dates of all keys, oldest first.
    pub(crate) fn list(&self) -> impl Iterator<Item = (u32, Option<&str>)> {
        self.keys.iter().map(|key| (key.number, key.created_at.as_deref()))
    }

    pub(crate) fn numbers(&self) -> String {
        self.keys.iter().map(|key| key.number.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// A key that belongs to what `pieces` name, from the fingerprint master.
    pub(crate) fn fingerprint_key(&self, pieces: &[&[u8]]) -> [u8; 32] {
        derive(self.fingerprint.as_slice(), pieces)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(keys {})", self.numbers())
    }
}

/// HMAC-SHA256 as a key derivation (NIST SP 800-108 with one block).
fn derive(master: &[u8], pieces: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, master));
    pieces.iter().for_each(|piece| context.update(piece));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

pub(crate) fn fresh<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| VaultError::Library("no random numbers"))?;
    Ok(bytes)
}
