//! Secrets go in and never come out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use netraven_store::credentials;
use std::os::unix::fs::PermissionsExt;

/// An Ed25519 key made for this test; it opens nothing.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
    QyNTUxOQAAACBUESTONLYUESTONLY\n\
    -----END OPENSSH PRIVATE KEY-----\n";

#[tokio::test]
async fn a_stored_password_is_never_shown_and_not_in_clear_in_the_database() {
    let Some(place) = Place::new().await else { return };
    let add =
        ["credential", "add", "ops", "--username", "backup", "--password-stdin", "--log-level", "trace"];
    let ran = place.run_with_input(&add, "canary-password\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    let enable = place.file("enable.txt", "canary-enable\n");
    let enable = ["--enable-file", enable.to_str().unwrap()];
    let ran = place.run_with_input(
        &[&["credential", "add", "core", "--username", "u", "--password-stdin", "--json"], &enable[..]]
            .concat(),
        "canary-second",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    for arguments in [
        &["credential", "list"][..],
        &["credential", "list", "--json"],
        &["config-file", "check"],
        &["config-file", "check", "--json"],
        &["db", "check", "--log-level", "trace"],
    ] {
        let ran = place.run(arguments);
        assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{ran:?}");
    }
    let listed = place.json(&["credential", "list"]);
    assert_eq!((&listed[0]["has_password"], &listed[0]["has_enable_secret"]), (&true.into(), &true.into()));

    let key_file = place.folder().join("data/keys/master.key");
    assert_eq!(std::fs::metadata(key_file).unwrap().permissions().mode() & 0o777, 0o600);
    let store = place.store().await;
    assert_eq!(credentials::list(&store).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_missing_key_file_is_not_replaced_while_the_database_needs_it() {
    let Some(place) = Place::new().await else { return };
    let add = ["credential", "add", "ops", "--username", "backup", "--password-stdin"];
    assert_eq!(place.run_with_input(&add, "canary\n").code, 0);
    let key_file = place.folder().join("data/keys/master.key");
    std::fs::remove_file(&key_file).unwrap();
    let second = ["credential", "add", "two", "--username", "backup", "--password-stdin"];
    let ran = place.run_with_input(&second, "canary\n");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("master.key is missing") && ran.stderr.contains("hint: "), "{ran:?}");
    assert!(!key_file.exists());
    assert_eq!(credentials::list(&place.store().await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_names_the_file_and_stores_nothing() {
    let Some(place) = Place::new().await else { return };
    let empty = place.file("empty.txt", "\n");
    let two = place.file("two.txt", "canary\ncanary\n");
    let no_key = place.file("id.txt", KEY);
    for (option, path, message) in [
        ("--password-file", "/nowhere/password", "/nowhere/password cannot be read"),
        ("--password-file", empty.to_str().unwrap(), "empty.txt, found nothing"),
        ("--password-file", two.to_str().unwrap(), "two.txt, found several lines"),
        ("--private-key-file", no_key.to_str().unwrap(), "id.txt is not a private key"),
        ("--private-key-file", "/nowhere/key", "/nowhere/key cannot be read"),
    ] {
        let ran = place.run(&["credential", "add", "ops", "--username", "u", option, path]);
        ran.failed(2, message);
        assert!(!ran.stderr.contains("canary"), "{ran:?}");
    }
    let password = place.file("password.txt", "canary\n");
    let password =
        ["credential", "add", "ops", "--username", "u", "--password-file", password.to_str().unwrap()];
    let with_wrong_enable = [&password[..], &["--enable-file", "/nowhere/enable"]].concat();
    place.run(&with_wrong_enable).failed(2, "/nowhere/enable cannot be read");
    assert!(credentials::list(&place.store().await).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_file_that_others_may_read_or_that_is_damaged_stores_nothing() {
    let Some(place) = Place::new().await else { return };
    let add = ["credential", "add", "ops", "--username", "u", "--password-stdin"];
    let key_file = place.file("master.key", "canary");
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o644)).unwrap();
    let set = format!("vault.key_file={}", key_file.display());
    let arguments = [&add[..], &["--set", &set]].concat();
    place.run_with_input(&arguments, "x\n").failed(1, "has mode 0644, expected 0600");
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o600)).unwrap();
    let ran = place.run_with_input(&arguments, "x\n");
    ran.failed(1, "is damaged");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    assert!(credentials::list(&place.store().await).await.unwrap().is_empty());
}

#[test]
fn settings_that_are_secret_are_masked_wherever_they_are_shown() {
    let place = Place::without_database();
    for arguments in [&["config-file", "check"][..], &["config-file", "check", "--json"]] {
        let mut command = place.command(arguments);
        command.env("DATABASE_URL", "postgres://u:canary-1@h/d").env("API_KEY", "canary-2");
        let ran = common::finish(command.spawn().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("u:***@h") && !ran.stdout.contains("canary"), "{ran:?}");
    }
}
