//! What a gateway seals, the vault opens, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{Capture, PartKind, Secret, Span};
use netraven_seal::{Fingerprint, RawPart, SealedConfig, SealedSecrets, decompress, mask};
use netraven_vault::{NotKept, Vault, VaultError, reveal};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;
use uuid::Uuid;

/// One key file for all cases: making one costs a disk's write.
static VAULT: LazyLock<(tempfile::TempDir, Vault)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(&dir.path().join("master.key")).unwrap();
    (dir, vault)
});

fn raw(text: &[u8], secrets: &[(usize, usize)], volatile: &[(usize, usize)]) -> RawPart {
    let spans = |list: &[(usize, usize)]| list.iter().map(|&(start, end)| Span { start, end }).collect();
    RawPart {
        name: "c".into(),
        context: None,
        command: "show".into(),
        kind: PartKind::Config,
        capture: Capture::new(text.to_vec()),
        secrets: spans(secrets),
        volatile: spans(volatile),
    }
}

fn seal(vault: &Vault, device: Uuid, parts: Vec<RawPart>) -> SealedConfig {
    let masked = mask(parts, &vault.fingerprint_key(device)).unwrap();
    masked.seal(Some(&vault.sealing(device, true))).unwrap()
}

fn open(vault: &Vault, device: Uuid, secrets: &SealedSecrets) -> HashMap<Fingerprint, Secret> {
    let key = vault.open_capture(device, &secrets.key).unwrap();
    let values = secrets.values.iter();
    values.map(|value| (value.fingerprint, key.open(value.fingerprint, &value.ciphertext).unwrap())).collect()
}

fn stored(config: &SealedConfig) -> Vec<u8> {
    let part = &config.parts()[0];
    decompress(&part.content, part.size, part.digest).unwrap()
}

#[test]
fn a_value_opens_only_for_its_device_its_fingerprint_and_its_capture() {
    let (vault, device, other) = (&VAULT.1, Uuid::new_v4(), Uuid::new_v4());
    let config = seal(vault, device, vec![raw(b"a hunter1 b two", &[(2, 9), (12, 15)], &[])]);
    let secrets = config.secrets().unwrap();
    let [one, two] = &secrets.values[..] else { panic!("two values") };
    assert!(matches!(vault.open_capture(other, &secrets.key), Err(VaultError::NotAuthentic { .. })));
    let mut renamed = secrets.key.clone();
    renamed.id = Uuid::new_v4();
    assert!(matches!(vault.open_capture(device, &renamed), Err(VaultError::NotAuthentic { .. })));
    let mut unknown = secrets.key.clone();
    unknown.number = 77;
    assert!(matches!(vault.open_capture(device, &unknown), Err(VaultError::KeyMissing { key: 77, .. })));
    let mut cut = secrets.key.clone();
    cut.wrapped.truncate(31);
    assert!(matches!(vault.open_capture(device, &cut), Err(VaultError::Malformed { .. })));
    let key = vault.open_capture(device, &secrets.key).unwrap();
    let swapped = key.open(one.fingerprint, &two.ciphertext).unwrap_err();
    assert!(matches!(swapped, VaultError::ValueNotAuthentic { .. }), "{swapped}");
    let again = seal(vault, device, vec![raw(b"a hunter1", &[(2, 9)], &[])]);
    let later = vault.open_capture(device, &again.secrets().unwrap().key).unwrap();
    assert!(later.open(one.fingerprint, &one.ciphertext).is_err(), "another capture's key");
    assert!(!format!("{key:?} {config:?} {:?}", vault.sealing(device, true)).contains("hunter1"));
}

#[test]
fn equal_values_are_sealed_once_and_recognised_across_devices_by_the_site_fingerprint_only() {
    let vault = &VAULT.1;
    let values = |device| {
        let config = seal(vault, device, vec![raw(b"x x y", &[(0, 1), (2, 3), (4, 5)], &[])]);
        let mut values = config.secrets().unwrap().values.clone();
        values.sort_by_key(|value| value.site_fingerprint);
        values
            .into_iter()
            .map(|value| (value.fingerprint, value.site_fingerprint.unwrap()))
            .collect::<Vec<_>>()
    };
    let (one, two) = (values(Uuid::new_v4()), values(Uuid::new_v4()));
    assert_eq!(one.len(), 2);
    assert!(one.iter().zip(&two).all(|(a, b)| a.1 == b.1 && a.0 != b.0));
    let masked = mask(vec![raw(b"x", &[(0, 1)], &[])], &vault.fingerprint_key(Uuid::nil())).unwrap();
    let config = masked.seal(Some(&vault.sealing(Uuid::nil(), false))).unwrap();
    assert_eq!(config.secrets().unwrap().values[0].site_fingerprint, None);
}

#[test]
fn a_secret_that_is_volatile_is_known_to_be_salted() {
    let text = b"set password ENC abc\nset key abd";
    let config = seal(&VAULT.1, Uuid::nil(), vec![raw(text, &[(17, 20), (29, 32)], &[(17, 20)])]);
    let key = VAULT.1.fingerprint_key(Uuid::nil());
    let salted = |secret: &[u8]| {
        let wanted = key.fingerprint(secret);
        config.secrets().unwrap().values.iter().find(|value| value.fingerprint == wanted).unwrap().salted
    };
    assert!(salted(b"abc") && !salted(b"abd"));
}

#[test]
fn a_value_that_is_not_kept_is_named_with_its_line() {
    let config = seal(&VAULT.1, Uuid::nil(), vec![raw(b"a\nkey one", &[(6, 9)], &[])]);
    let fingerprint = config.secrets().unwrap().values[0].fingerprint;
    let missing = reveal(&stored(&config), |_| None).unwrap_err();
    assert_eq!(missing, NotKept { fingerprint, line: 2 });
}

#[test]
fn without_sealing_nothing_is_kept_and_without_secrets_nothing_is_sealed() {
    let vault = &VAULT.1;
    let key = vault.fingerprint_key(Uuid::nil());
    let masked = || mask(vec![raw(b"hunter1", &[(0, 7)], &[])], &key).unwrap();
    assert!(masked().seal(None).unwrap().secrets().is_none());
    assert!(!format!("{:?}", masked()).contains("hunter1"));
    assert!(seal(vault, Uuid::nil(), vec![raw(b"one", &[], &[])]).secrets().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_sealed_is_revealed_byte_for_byte(
        pieces in proptest::collection::vec(
            (prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                Just(b"<secret:".to_vec()),
                "<secret:[0-9a-f]{32}>".prop_map(String::into_bytes),
                "[0-9a-f]{32}>".prop_map(String::into_bytes),
            ], any::<bool>(), any::<bool>()), 0..12)
    ) {
        let (vault, device) = (&VAULT.1, Uuid::new_v4());
        let (mut text, mut secrets, mut volatile) = (Vec::new(), Vec::new(), Vec::new());
        for (piece, secret, moving) in &pieces {
            let span = (text.len(), text.len() + piece.len());
            if *secret && !piece.is_empty() { secrets.push(span); }
            if *moving && !piece.is_empty() { volatile.push(span); }
            text.extend_from_slice(piece);
        }
        let config = seal(vault, device, vec![raw(&text, &secrets, &volatile)]);
        let values = config.secrets().map(|secrets| open(vault, device, secrets)).unwrap_or_default();
        let revealed = reveal(&stored(&config), |fingerprint| values.get(&fingerprint)).unwrap();
        prop_assert_eq!(revealed.expose_bytes(), text.as_slice());
    }

    #[test]
    fn a_flipped_bit_or_a_cut_is_noticed(flip in any::<prop::sample::Index>(), bit in 0u8..8, in_key in any::<bool>()) {
        let (vault, device) = (&VAULT.1, Uuid::new_v4());
        let config = seal(vault, device, vec![raw(b"a hunter1", &[(2, 9)], &[])]);
        let secrets = config.secrets().unwrap();
        let (mut key, mut value) = (secrets.key.clone(), secrets.values[0].clone());
        let bytes = if in_key { &mut key.wrapped } else { &mut value.ciphertext };
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let opened = vault.open_capture(device, &key).and_then(|key| key.open(value.fingerprint, &value.ciphertext));
        prop_assert!(opened.is_err());
        let (mut key, mut value) = (secrets.key.clone(), secrets.values[0].clone());
        let bytes = if in_key { &mut key.wrapped } else { &mut value.ciphertext };
        bytes.truncate(at);
        let opened = vault.open_capture(device, &key).and_then(|key| key.open(value.fingerprint, &value.ciphertext));
        prop_assert!(opened.is_err());
    }
}
