//! A copy of the keys that only a passphrase opens, for a safe place away from the installation.
//!
//! `netraven-escrow 1`, the costs of Argon2id (RFC 9106), salt, nonce and ciphertext in base64, one per line.

use crate::VaultError;
use crate::envelope::{decrypt, encrypt};
use crate::keyring::{Keyring, fresh};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_model::Secret;
use zeroize::Zeroizing;

const TITLE: &str = "netraven-escrow 1";
/// RFC 9106, section 4: the first recommended option asks for 2 GiB; this is the second one.
const MEMORY_KIB: u32 = 64 << 10;
const ITERATIONS: u32 = 3;
const LANES: u32 = 4;
/// What a file may ask for, so that a forged one cannot exhaust the memory.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_ITERATIONS: u32 = 64;
/// Shorter ones are found by trying.
pub const LEAST_PASSPHRASE: usize = 12;

pub(crate) fn write(ring: &Keyring, passphrase: &Secret) -> Result<String, VaultError> {
    if passphrase.expose_bytes().len() < LEAST_PASSPHRASE {
        return Err(VaultError::NotEscrow(format!(
            "the passphrase is expected to have {LEAST_PASSPHRASE} characters or more"
        )));
    }
    let salt = fresh::<16>()?;
    let costs = format!("argon2id m={MEMORY_KIB} t={ITERATIONS} p={LANES}");
    let key = stretch(passphrase, salt.as_slice(), MEMORY_KIB, ITERATIONS, LANES)?;
    let mut sealed = Vec::new();
    encrypt(&key, format!("{TITLE}\n{costs}").as_bytes(), &ring.text()?, &mut sealed)?;
    Ok(format!("{TITLE}\n{costs}\n{}\n{}\n", STANDARD.encode(salt.as_slice()), STANDARD.encode(sealed)))
}

pub(crate) fn read(text: &str, passphrase: &Secret) -> Result<Keyring, VaultError> {
    let wrong = |reason: &str| VaultError::NotEscrow(reason.to_owned());
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(wrong(&format!("expected '{TITLE}' in its first line")));
    }
    let (Some(costs), Some(salt), Some(sealed)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(wrong("expected four lines"));
    };
    let (memory, iterations, lanes) =
        read_costs(costs).ok_or_else(|| wrong("its costs are out of bounds"))?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| wrong("expected base64"));
    let key = stretch(passphrase, &decode(salt)?, memory, iterations, lanes)?;
    let bound = format!("{TITLE}\n{costs}");
    let text = decrypt(&key, bound.as_bytes(), &decode(sealed)?).ok_or(VaultError::WrongPassphrase)?;
    Keyring::parse(&text).map_err(VaultError::NotEscrow)
}

fn read_costs(line: &str) -> Option<(u32, u32, u32)> {
    let mut words = line.strip_prefix("argon2id ")?.split(' ');
    let mut cost = |name: &str, most: u32| {
        let cost: u32 = words.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
        (1..=most).contains(&cost).then_some(cost)
    };
    Some((cost("m", MAX_MEMORY_KIB)?, cost("t", MAX_ITERATIONS)?, cost("p", 16)?))
}

fn stretch(
    passphrase: &Secret,
    salt: &[u8],
    memory: u32,
    iterations: u32,
    lanes: u32,
) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let failed = |_| VaultError::Library("the passphrase cannot be stretched");
    let params = Params::new(memory, iterations, lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose_bytes(), salt, key.as_mut_slice())
        .map_err(failed)?;
    Ok(key)
}
