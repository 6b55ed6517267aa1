//! What a key file and its ciphertexts promise.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::Secret;
use netraven_vault::{Place, Vault, VaultError};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use uuid::Uuid;

const PLACE: Place<'static> = Place { table: "credentials", column: "password", row: 7 };

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(&dir.path().join("keys/master.key")).unwrap();
    (dir, vault)
}

fn message(result: Result<Secret, VaultError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_new_key_file_is_private_and_opens_again_with_the_same_keys() {
    let (dir, vault) = vault();
    let path = dir.path().join("keys/master.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let sealed = vault.seal(&PLACE, &"s3cret".into()).unwrap();
    let again = Vault::open_or_create(&path).unwrap();
    assert_eq!(again.unseal(&PLACE, &sealed).unwrap().expose_text(), Some("s3cret"));
    assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1, "no draft is left over");
}

#[test]
fn processes_that_create_at_once_share_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let vaults: Vec<Vault> = std::thread::scope(|scope| {
        let open = || Vault::open_or_create(&path).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sealed = vaults[0].seal(&PLACE, &"x".into()).unwrap();
    assert!(vaults.iter().all(|vault| vault.unseal(&PLACE, &sealed).is_ok()));
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let (dir, _) = vault();
    let path = dir.path().join("keys/master.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = Vault::open(&path).unwrap_err();
    assert!(matches!(error, VaultError::Permissions { mode: 0o640, .. }), "{error}");
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn a_damaged_key_file_is_named_without_quoting_it() {
    let (dir, _) = vault();
    let path = dir.path().join("keys/master.key");
    let good = fs::read_to_string(&path).unwrap();
    let canary = good.split('"').find(|word| word.len() == 44).unwrap().to_owned();
    let cut = good[..good.len() - 20].to_owned();
    for bad in
        [cut, good.replace("\"format\": 1", "\"format\": 2"), good.replace(&canary, "c2hvcnQ="), "{}".into()]
    {
        fs::write(&path, bad).unwrap();
        let error = Vault::open_or_create(&path).unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
        assert!(!error.to_string().contains(&canary) && error.to_string().contains("master.key"));
    }
    assert!(matches!(Vault::open(dir.path()).unwrap_err(), VaultError::File { .. }));
    assert!(matches!(Vault::open(&dir.path().join("none")).unwrap_err(), VaultError::File { .. }));
}

#[test]
fn a_ciphertext_opens_only_at_its_own_place_and_with_its_own_key() {
    let (_dir, mine) = vault();
    let (_other_dir, other) = vault();
    let sealed = mine.seal(&PLACE, &"s3cret".into()).unwrap();
    for moved in [
        Place { row: 8, ..PLACE },
        Place { column: "enable_secret", ..PLACE },
        Place { table: "users", ..PLACE },
    ] {
        assert!(matches!(mine.unseal(&moved, &sealed), Err(VaultError::NotAuthentic { .. })));
    }
    assert!(matches!(other.unseal(&PLACE, &sealed), Err(VaultError::NotAuthentic { .. })));
    let mut unknown = sealed.clone();
    unknown[4] = 9;
    assert!(
        message(mine.unseal(&PLACE, &unknown)).contains("key 9, which is not among the keys (there are: 1)")
    );
    let mut format = sealed.clone();
    format[0] = 0;
    assert!(message(mine.unseal(&PLACE, &format)).contains("expected format 2, found 0"));
    assert!(message(mine.unseal(&PLACE, &sealed[..20])).contains("found 20"));
    assert!(message(mine.unseal(&PLACE, &[])).contains("row 7"));
}

#[test]
fn a_ciphertext_of_the_first_format_still_opens_and_gets_a_data_key_when_it_is_wrapped_anew() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let (dir, vault) = vault();
    let file = fs::read_to_string(dir.path().join("keys/master.key")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let key = file["encryption_keys"][0]["key"].as_str().unwrap();
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key).unwrap();
    let mut body = b"s3cret".to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap())
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([7; 12]),
            Aad::from("netraven\x001\x001\0credentials\0password\x007"),
            &mut body,
        )
        .unwrap();
    let sealed = [&[1, 0, 0, 0, 1][..], &[7; 12], &body].concat();
    assert_eq!(vault.unseal(&PLACE, &sealed).unwrap().expose_text(), Some("s3cret"));
    assert!(vault.unseal(&Place { row: 8, ..PLACE }, &sealed).is_err());
    vault.add_key().unwrap();
    let again = vault.rewrap(&PLACE, &sealed).unwrap().unwrap();
    assert_eq!((again[0], netraven_vault::key_number(&again)), (2, Some(2)));
    assert_eq!(vault.unseal(&PLACE, &again).unwrap().expose_text(), Some("s3cret"));
}

#[test]
fn sealing_twice_gives_different_ciphertexts() {
    let (_dir, vault) = vault();
    let seal = || vault.seal(&PLACE, &"s3cret".into()).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn fingerprint_keys_are_stable_per_device_and_differ_between_devices() {
    let (_dir, vault) = vault();
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let mark = |device| {
        let part = netraven_seal::RawPart {
            name: "c".into(),
            context: None,
            command: "c".into(),
            kind: netraven_model::PartKind::Config,
            capture: netraven_model::Capture::new(b"pw".to_vec()),
            secrets: vec![netraven_model::Span { start: 0, end: 2 }],
            volatile: vec![],
        };
        netraven_seal::mask(vec![part], &vault.fingerprint_key(device)).unwrap().significant()
    };
    assert_eq!(mark(one), mark(one));
    assert_ne!(mark(one), mark(two));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sealed_comes_back_and_any_flipped_bit_is_noticed(
        secret in proptest::collection::vec(any::<u8>(), 0..300),
        flip in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (_dir, vault) = vault();
        let sealed = vault.seal(&PLACE, &Secret::new(secret.clone())).unwrap();
        let opened = vault.unseal(&PLACE, &sealed).unwrap();
        prop_assert_eq!(opened.expose_bytes(), secret.as_slice());
        let mut flipped = sealed.clone();
        flipped[flip.index(sealed.len())] ^= 1 << bit;
        prop_assert!(vault.unseal(&PLACE, &flipped).is_err());
        for cut in [0, 1, sealed.len() / 2, sealed.len() - 1] {
            prop_assert!(vault.unseal(&PLACE, &sealed[..cut]).is_err());
        }
    }
}

#[test]
fn a_ciphertexts_first_bytes_tell_its_key_and_the_vault_says_whether_it_has_it() {
    let (_dir, vault) = vault();
    let sealed = vault.seal(&PLACE, &"s3cret".into()).unwrap();
    assert_eq!(netraven_vault::key_number(&sealed[..5]), Some(1));
    for other in [&b""[..], &sealed[..4], b"ciphertext of another kind"] {
        assert_eq!(netraven_vault::key_number(other), None);
    }
    assert!(vault.holds_key(1) && !vault.holds_key(2));
}
