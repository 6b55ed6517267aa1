//! Where keys come from, how they are renewed, and the copy for a safe place.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::Secret;
use netraven_vault::command::{CommandError, output};
use netraven_vault::{KeySource, Place, Vault, VaultError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use uuid::Uuid;

const PLACE: Place<'static> = Place { table: "credentials", column: "password", row: 7 };

fn passphrase() -> Secret {
    "correct horse battery".into()
}

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(&dir.path().join("master.key")).unwrap();
    (dir, vault)
}

fn numbers(vault: &Vault) -> Vec<u32> {
    vault.keys().iter().map(|key| key.number).collect()
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

#[test]
fn a_new_key_seals_and_the_old_one_still_opens_until_it_is_removed() {
    let (dir, vault) = vault();
    let path = dir.path().join("master.key");
    let old = vault.seal(&PLACE, &"s3cret".into()).unwrap();
    let device = Uuid::new_v4();
    let before = format!("{:?}", vault.fingerprint_key(device).fingerprint(b"x"));
    assert_eq!(vault.rewrap(&PLACE, &old).unwrap(), None, "it has the newest key");
    assert_eq!(vault.add_key().unwrap(), 2);
    let new = vault.rewrap(&PLACE, &old).unwrap().unwrap();
    assert_eq!(netraven_vault::key_number(&new), Some(2));
    assert_eq!(new[new.len() - 30..], old[old.len() - 30..], "the secret itself stays as it was encrypted");
    vault.remove_key(1).unwrap();
    assert_eq!(numbers(&vault), [2]);
    assert_eq!(vault.unseal(&PLACE, &new).unwrap().expose_text(), Some("s3cret"));
    assert!(matches!(vault.unseal(&PLACE, &old), Err(VaultError::KeyMissing { key: 1, .. })));
    assert!(matches!(vault.remove_key(2), Err(VaultError::KeyNeeded { key: 2, .. })));
    assert!(matches!(vault.remove_key(9), Err(VaultError::KeyNeeded { key: 9, .. })));
    assert_eq!(format!("{:?}", vault.fingerprint_key(device).fingerprint(b"x")), before);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(numbers(&Vault::open(&path).unwrap()), [2]);
}

#[test]
fn another_process_sees_a_new_key_without_being_told() {
    let (dir, vault) = vault();
    let other = Vault::open(&dir.path().join("master.key")).unwrap();
    other.add_key().unwrap();
    assert_eq!(vault.newest_key(), 2);
    let sealed = other.seal(&PLACE, &"x".into()).unwrap();
    assert!(vault.unseal(&PLACE, &sealed).is_ok());
    fs::write(dir.path().join("master.key"), "half a fi").unwrap();
    assert!(vault.unseal(&PLACE, &sealed).is_ok(), "what was loaded before stays good");
    assert!(vault.reload().is_err());
}

#[test]
fn processes_that_add_keys_at_once_lose_none() {
    let (_dir, vault) = vault();
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(|| vault.add_key().unwrap()))));
    assert_eq!(numbers(&vault), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn keys_come_from_a_command_without_a_shell_and_are_not_written_back() {
    let (dir, vault) = vault();
    let path = dir.path().join("master.key");
    let sealed = vault.seal(&PLACE, &"x".into()).unwrap();
    let argv = vec!["/bin/cat".to_owned(), path.to_str().unwrap().to_owned()];
    let loaded = Vault::load(KeySource::Command(argv)).unwrap();
    assert!(loaded.unseal(&PLACE, &sealed).is_ok());
    assert!(matches!(loaded.add_key(), Err(VaultError::ReadOnly { .. })));
    assert!(matches!(loaded.remove_key(1), Err(VaultError::ReadOnly { .. })));
    vault.add_key().unwrap();
    let newer = vault.seal(&PLACE, &"y".into()).unwrap();
    assert!(loaded.unseal(&PLACE, &newer).is_ok(), "a missing key is asked for once more");
}

#[test]
fn keys_for_a_source_that_is_not_written_to_are_generated_as_text() {
    let (dir, vault) = vault();
    let sealed = vault.seal(&PLACE, &"x".into()).unwrap();
    let more = Vault::generate(Some(&vault)).unwrap();
    let file = dir.path().join("more.key");
    fs::write(&file, more.expose_bytes()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let other = Vault::open(&file).unwrap();
    assert_eq!(numbers(&other), [1, 2]);
    assert!(other.unseal(&PLACE, &sealed).is_ok());
    assert_ne!(Vault::generate(None).unwrap().expose_bytes(), Vault::generate(None).unwrap().expose_bytes());
}

#[test]
fn a_source_that_brings_no_keys_says_what_is_wrong_and_quotes_nothing() {
    let missing = KeySource::Environment("NETRAVEN_TEST_NO_SUCH_VARIABLE".into());
    let error = Vault::load(missing).unwrap_err().to_string();
    assert!(error.contains("NETRAVEN_TEST_NO_SUCH_VARIABLE"), "{error}");
    let message = |script: &str| Vault::load(KeySource::Command(shell(script))).unwrap_err().to_string();
    for script in ["echo canary", "echo '{\"format\": 1, \"canary\": 2}'", "echo canary; exit 3"] {
        let error = message(script);
        assert!(!error.contains("canary") && error.contains("/bin/sh"), "{error}");
    }
    assert!(message("exit 3").contains("exit status: 3"));
    let error = Vault::load(KeySource::Command(vec!["/no/such/program".into()])).unwrap_err();
    assert!(error.to_string().contains("cannot be started"), "{error}");
    assert!(Vault::load(KeySource::Command(Vec::new())).is_err());
}

#[test]
fn a_program_that_hangs_or_floods_is_ended() {
    let begun = Instant::now();
    let slow = output(&shell("exec sleep 100"), Duration::from_millis(200), 100);
    assert!(matches!(slow, Err(CommandError::Timeout(..))), "{slow:?}");
    let closed = output(&shell("exec >&-; exec sleep 100"), Duration::from_millis(200), 100);
    assert!(matches!(closed, Err(CommandError::Timeout(..))), "{closed:?}");
    let much = output(&shell("yes"), Duration::from_secs(60), 100);
    assert!(matches!(much, Err(CommandError::TooMuch(_, 100))), "{much:?}");
    assert!(begun.elapsed() < Duration::from_secs(50));
}

#[test]
fn an_escrow_file_gives_the_keys_back_to_who_knows_the_passphrase() {
    let (dir, vault) = vault();
    let sealed = vault.seal(&PLACE, &"x".into()).unwrap();
    let text = vault.escrow(None, &passphrase()).unwrap();
    let path = dir.path().join("restored.key");
    let restore = |text: &str, passphrase: &Secret| Vault::restore(&path, text, passphrase);
    assert!(matches!(restore(&text, &"wrong passphrase".into()), Err(VaultError::WrongPassphrase)));
    for bad in [
        "",
        "something else",
        &text.replace("t=3", "t=4"),
        &text[..text.len() - 9],
        &text.replace("m=65536", "m=4000000000"),
    ] {
        let error = restore(bad, &passphrase()).unwrap_err();
        assert!(matches!(error, VaultError::NotEscrow(_) | VaultError::WrongPassphrase), "{error}");
        assert!(!path.exists());
    }
    let restored = restore(&text, &passphrase()).unwrap();
    assert!(restored.unseal(&PLACE, &sealed).is_ok());
    let there = restore(&text, &passphrase()).unwrap_err();
    assert!(there.to_string().contains("there already"), "{there}");
    assert!(matches!(vault.escrow(None, &"short".into()), Err(VaultError::NotEscrow(_))));
}

#[test]
fn an_escrow_file_keeps_keys_that_were_removed_since() {
    let (dir, vault) = vault();
    let sealed = vault.seal(&PLACE, &"x".into()).unwrap();
    let first = vault.escrow(None, &passphrase()).unwrap();
    vault.add_key().unwrap();
    vault.remove_key(1).unwrap();
    let second = vault.escrow(Some(&first), &passphrase()).unwrap();
    assert_eq!(vault.escrowed(&second, &passphrase()).unwrap(), [1, 2]);
    let old = Vault::restore(&dir.path().join("old.key"), &second, &passphrase()).unwrap();
    assert!(old.unseal(&PLACE, &sealed).is_ok());
    let (_other_dir, other) = self::vault();
    let foreign = other.escrow(Some(&first), &passphrase()).unwrap_err();
    assert!(foreign.to_string().contains("another installation"), "{foreign}");
    assert!(other.escrowed(&first, &passphrase()).is_err());
}

#[test]
fn what_is_shown_of_keys_are_their_numbers_and_dates() {
    let (dir, vault) = vault();
    let text = fs::read_to_string(dir.path().join("master.key")).unwrap();
    let shown = format!("{vault:?} {:?} {:?}", vault.keys(), vault.fingerprint_key(Uuid::nil()));
    let secrets = text.split('"').filter(|word| word.len() == 44);
    assert!(secrets.into_iter().all(|secret| !shown.contains(secret)), "{shown}");
    assert!(vault.keys()[0].created_at.is_some());
    let argv = vec!["/usr/bin/kms".to_owned(), "--token=canary".to_owned()];
    assert_eq!(KeySource::Command(argv).to_string(), "command /usr/bin/kms");
}
