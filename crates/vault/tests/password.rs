//! What is promised of users' passwords.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::Secret;
use netraven_vault::password::{self, PasswordError, Weakness};
use std::collections::HashSet;

#[test]
fn a_hash_verifies_its_own_password_and_no_other() {
    let secret = Secret::from("correct horse battery");
    let (first, second) = (password::hash(&secret).unwrap(), password::hash(&secret).unwrap());
    assert_ne!(first, second, "each hash has a salt of its own");
    assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
    for hash in [&first, &second] {
        assert!(password::verify(&secret, hash).unwrap());
        for other in ["correct horse batterx", "", "correct horse battery ", "Correct horse battery"] {
            assert!(!password::verify(&other.into(), hash).unwrap(), "{other:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_the_longest_password_count_to_the_last_byte() {
    let mut bytes = vec![0xff; password::MAX_BYTES];
    let hash = password::hash(&Secret::new(bytes.clone())).unwrap();
    assert!(password::verify(&Secret::new(bytes.clone()), &hash).unwrap());
    bytes[password::MAX_BYTES - 1] = 0xfe;
    assert!(!password::verify(&Secret::new(bytes), &hash).unwrap());
}

#[test]
fn a_hash_of_other_parameters_of_argon2id_still_verifies() {
    // argon2(1) of the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`.
    let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(password::verify(&"password".into(), hash).unwrap());
    assert!(!password::verify(&"passwore".into(), hash).unwrap());
}

#[test]
fn what_is_no_hash_of_argon2id_is_an_error_and_not_a_wrong_password() {
    let argon2i = "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
    for hash in
        ["", "password", "$1$salt$hash", "$argon2id$", "$argon2id$v=19$m=1,t=0,p=0$c29tZXNhbHQ$AAAA", argon2i]
    {
        let error = password::verify(&"password".into(), hash).unwrap_err();
        assert!(matches!(error, PasswordError::Malformed(_)), "{hash}: {error}");
    }
}

#[test]
fn guessable_passwords_are_refused_with_the_reason_and_without_being_quoted() {
    let long = "x".repeat(password::MAX_BYTES + 1);
    for (given, weakness) in [
        ("", Weakness::TooShort { found: 0 }),
        ("canary-1234", Weakness::TooShort { found: 11 }),
        // Characters count, not bytes.
        ("ééééééééééé", Weakness::TooShort { found: 11 }),
        (&long, Weakness::TooLong { found: 1025 }),
        ("Canary.Miller", Weakness::IsUsername),
        ("PasswordPassword", Weakness::WellKnown),
        ("aaaaaaaaaaaaaaaa", Weakness::OneCharacter),
    ] {
        let found = password::check(&given.into(), "canary.miller").unwrap_err();
        assert_eq!(found, weakness);
        assert!(given.is_empty() || !found.to_string().contains(given), "{found}");
    }
    for given in ["canary-12345", "éééééééééééè", &long[1..].replacen('x', "y", 1)] {
        assert_eq!(password::check(&given.into(), "canary.miller"), Ok(()));
    }
}

#[test]
fn generated_passwords_are_strong_all_different_and_unambiguous() {
    let made: Vec<String> =
        (0..500).map(|_| password::generate().unwrap().expose_text().unwrap().to_owned()).collect();
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    let letters: String = made.concat().replace('-', "");
    assert_eq!(letters.len(), 500 * 24);
    let alphabet: HashSet<char> = letters.chars().collect();
    // Each letter of the alphabet is missing among 12,000 with a probability below 1e-90.
    assert_eq!(alphabet.len(), 55, "{alphabet:?}");
    assert!(alphabet.iter().all(|c| c.is_ascii_alphanumeric() && !"0O1lIio".contains(*c)), "{alphabet:?}");
    assert!(24.0 * f64::from(55).log2() > 100.0);
    for password in &made {
        assert_eq!(password.len(), 27);
        assert_eq!(password::check(&password.as_str().into(), "admin"), Ok(()));
    }
}
