//! Passwords of roles: made here, and told to the server only as what it needs to check them.

use crate::StoreError;
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use netraven_model::Secret;
use std::num::NonZeroU32;

/// Random bytes in a password: as many as an AES-256 key has.
const PASSWORD_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// PostgreSQL's own count; a random password of 256 bits needs no more.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// A new random password of letters, digits, `-` and `_`.
pub(super) fn generate() -> Result<Secret, StoreError> {
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(random::<PASSWORD_BYTES>()?)))
}

/// What PostgreSQL stores for a password with `scram-sha-256` (RFC 5803). Sent in the password's place, so that
/// no log or eavesdropper sees the password itself.
pub(crate) fn verifier(password: &Secret) -> Result<String, StoreError> {
    Ok(verifier_with(password.expose_bytes(), &random::<SALT_BYTES>()?))
}

fn verifier_with(password: &[u8], salt: &[u8]) -> String {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password, &mut salted);
    let keyed = |text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), text.as_bytes());
    let stored = digest::digest(&digest::SHA256, keyed("Client Key").as_ref());
    let (salt, stored) = (STANDARD.encode(salt), STANDARD.encode(stored.as_ref()));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{}", STANDARD.encode(keyed("Server Key").as_ref()))
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)
        .map_err(|_| StoreError::invalid("the machine's random numbers", "there were none"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_the_one_of_the_specification() {
        // RFC 7677, section 3: user "user", password "pencil"; keys computed from its salt and iteration count.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                        wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(verifier_with(b"pencil", &salt), expected);
    }

    #[test]
    fn passwords_differ_and_need_no_quotes() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a.expose_bytes(), b.expose_bytes());
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        assert!(a.expose_bytes().len() == 43 && a.expose_bytes().iter().all(plain));
    }
}
