//! Passwords of NetRaven's own users: kept as Argon2id hashes, which nothing turns back into a password.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::rand;
use netraven_model::Secret;
use thiserror::Error;

/// Fewest characters of a password (NIST SP 800-63B asks for 8 beside a second factor, and for more without).
pub const MIN_CHARACTERS: usize = 12;

/// Most bytes of a password. Hashing reads all of them before it knows who is there.
pub const MAX_BYTES: usize = 1024;

/// Memory in KiB, passes and lanes: what OWASP's Password Storage Cheat Sheet asks for at least.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
const SALT_BYTES: usize = 16;

/// Without those that look like each other in some font: 0 and O, 1, l, I and i, o.
const ALPHABET: &[u8; 55] = b"23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
/// Groups of characters of a generated password, with hyphens in between: 24 characters, 138 bits.
const GROUPS: usize = 4;
const GROUP: usize = 6;

/// Tried first by everybody who tries passwords, long enough as they are.
const WELL_KNOWN: [&str; 12] = [
    "password1234",
    "passwordpassword",
    "administrator",
    "123456789012",
    "1234567890123",
    "qwertyuiopas",
    "qwertyuiop123",
    "changemechangeme",
    "changeme1234",
    "letmeinletmein",
    "netravennetraven",
    "netravenadmin",
];

/// Why a password is not accepted. No message quotes it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Weakness {
    /// Too few characters.
    #[error("the password has {found} characters, expected at least {MIN_CHARACTERS}")]
    TooShort {
        /// As many as it has.
        found: usize,
    },
    /// Too many bytes.
    #[error("the password has {found} bytes, expected at most {MAX_BYTES}")]
    TooLong {
        /// As many as it has.
        found: usize,
    },
    /// It is the user's name.
    #[error("the password is the user's own name, expected one that cannot be guessed")]
    IsUsername,
    /// It is one of those that are tried first.
    #[error("the password is one of those that are tried first, expected one that cannot be guessed")]
    WellKnown,
    /// One character over and over.
    #[error("the password is one character over and over, expected one that cannot be guessed")]
    OneCharacter,
}

/// Why a password could not be hashed or compared.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// What is stored is no hash that this release made.
    #[error("the stored password hash cannot be used: {0}; set the user's password anew")]
    Malformed(&'static str),
    /// The system's random generator or the hash function failed.
    #[error("the password could not be hashed: {0}")]
    Library(&'static str),
}

/// Whether a user of this name may have this password.
///
/// # Errors
/// The first [`Weakness`] that is found.
pub fn check(password: &Secret, username: &str) -> Result<(), Weakness> {
    let bytes = password.expose_bytes();
    if bytes.len() > MAX_BYTES {
        return Err(Weakness::TooLong { found: bytes.len() });
    }
    let characters = password.expose_text().map_or(bytes.len(), |text| text.chars().count());
    if characters < MIN_CHARACTERS {
        return Err(Weakness::TooShort { found: characters });
    }
    if bytes.eq_ignore_ascii_case(username.as_bytes()) {
        return Err(Weakness::IsUsername);
    }
    if WELL_KNOWN.iter().any(|known| bytes.eq_ignore_ascii_case(known.as_bytes())) {
        return Err(Weakness::WellKnown);
    }
    if bytes.windows(2).all(|pair| pair[0] == pair[1]) {
        return Err(Weakness::OneCharacter);
    }
    Ok(())
}

/// The password's Argon2id hash with a salt of its own, as a PHC string. Takes tens of milliseconds.
///
/// # Errors
/// [`PasswordError::Library`].
pub fn hash(password: &Secret) -> Result<String, PasswordError> {
    let (memory, passes, lanes) = COST;
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| PasswordError::Library("no random numbers"))?;
    let params = Params::new(memory, passes, lanes, None)
        .map_err(|_| PasswordError::Library("parameters of Argon2id that it does not take"))?;
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.expose_bytes(), &salt)
        .map_err(|_| PasswordError::Library("Argon2id failed"))?;
    Ok(hash.to_string())
}

/// Whether it is the password that was hashed. Takes as long for a wrong one as for the right one.
///
/// # Errors
/// [`PasswordError::Malformed`] where the hash is none of Argon2id.
pub fn verify(password: &Secret, hash: &str) -> Result<bool, PasswordError> {
    let parsed = PasswordHash::new(hash).map_err(|_| PasswordError::Malformed("it is no PHC string"))?;
    if parsed.algorithm.as_str() != Algorithm::Argon2id.as_str() {
        return Err(PasswordError::Malformed("expected one of Argon2id"));
    }
    // The parameters are those of the hash, so that hashes of an earlier release go on to work.
    match Argon2::default().verify_password(password.expose_bytes(), &parsed) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(PasswordError::Malformed("Argon2id does not take its parameters")),
    }
}

/// A random password that is easy to type: 24 letters and digits that do not look like each other, in groups.
///
/// # Errors
/// [`PasswordError::Library`].
pub fn generate() -> Result<Secret, PasswordError> {
    // The largest multiple: what is above it would make the first letters likelier than the last ones.
    const FAIR: usize = 256 - 256 % ALPHABET.len();
    let mut text = Vec::with_capacity(GROUPS * (GROUP + 1));
    let mut letters = 0;
    while letters < GROUPS * GROUP {
        let mut byte = [0];
        rand::fill(&mut byte).map_err(|_| PasswordError::Library("no random numbers"))?;
        let number = usize::from(byte[0]);
        if number >= FAIR {
            continue;
        }
        if letters > 0 && letters % GROUP == 0 {
            text.push(b'-');
        }
        text.push(ALPHABET[number % ALPHABET.len()]);
        letters += 1;
    }
    Ok(Secret::new(text))
}
