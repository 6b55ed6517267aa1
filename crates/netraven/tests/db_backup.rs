//! Backups of the database: made, checked, restored on a fresh server, made by `up`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use netraven_store::testing::skip_or_fail;
use netraven_vault::Vault;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Whether this machine lacks `pg_dump`, which is told.
fn is_missing(stderr: &str) -> bool {
    let missing = stderr.contains("pg_dump of PostgreSQL");
    if missing {
        skip_or_fail(stderr.trim());
    }
    missing
}

fn path(value: &Value) -> PathBuf {
    PathBuf::from(value.as_str().unwrap())
}

#[tokio::test]
async fn a_backup_is_made_checked_and_rotated() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr"]);
    let ran =
        place.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "canary");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = place.run(&["db", "backup"]);
    if is_missing(&ran.stderr) {
        return;
    }
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.contains("needs 1 of the key file") && ran.stdout.contains("rows in"), "{ran:?}");

    let made = place.json(&["db", "backup", "--keep", "1"]);
    let dump = path(&made["dump"]);
    assert_eq!(dump.parent().unwrap(), place.folder().join("data/backups"));
    assert_eq!(made["removed"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&made["manifest"]["rows"]["devices"], &made["manifest"]["keys"]),
        (&1.into(), &serde_json::json!([1]))
    );
    // The dump of a password is its ciphertext, and the keys are nowhere.
    let key_file = std::fs::read_to_string(place.folder().join("data/keys/master.key")).unwrap();
    let key: Value = serde_json::from_str(&key_file).unwrap();
    let manifest = std::fs::read_to_string(path(&made["manifest_file"])).unwrap();
    assert!(!manifest.contains(key["encryption_keys"][0]["key"].as_str().unwrap()));

    let text = place.run(&["db", "verify-backup", dump.to_str().unwrap()]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.stdout.contains("rows of every table: all good"), "{text:?}");
    assert_eq!(text.stderr.lines().count(), 2, "{text:?}");
    let verified = place.json(&["db", "verify-backup", dump.to_str().unwrap()]);
    assert_eq!((&verified["valid"], &verified["manifest"]), (&true.into(), &made["manifest"]));
    assert_eq!(verified["warnings"], serde_json::json!([]));

    // On a machine without the key.
    let elsewhere = ["db", "verify-backup", dump.to_str().unwrap(), "--set", "vault.key_file=/nowhere/key"];
    let ran = place.run(&elsewhere);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("warning: the backup's secrets need key 1: key file /nowhere/key"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_is_one_error_and_code_1() {
    let Some(place) = Place::new().await else { return };
    let ran = place.run(&["db", "backup", "--to", "my backups", "--json"]);
    if is_missing(&ran.stderr) {
        return;
    }
    let made: Value = serde_json::from_str(&ran.stdout).unwrap();
    let dump = place.folder().join(path(&made["dump"]));
    let manifest = dump.with_extension("json");
    let (good_dump, good_manifest) =
        (std::fs::read(&dump).unwrap(), std::fs::read_to_string(&manifest).unwrap());
    let check = |code: i32, message: &str| {
        for command in ["verify-backup", "restore"] {
            place.run(&["db", command, dump.to_str().unwrap()]).failed(code, message);
        }
    };
    std::fs::write(&dump, &good_dump[..good_dump.len() - 1]).unwrap();
    check(1, "is damaged: it has ");
    std::fs::write(&dump, &good_dump).unwrap();
    std::fs::write(
        &manifest,
        good_manifest.replace("\"tags\": 1", "\"tags\": 2").replace("\"keys\"", "\"key\""),
    )
    .unwrap();
    check(1, "it was altered");
    std::fs::remove_file(&manifest).unwrap();
    check(1, "it is missing\nhint: use another backup, or a good copy of this one");
    std::fs::remove_file(&dump).unwrap();
    check(3, "there is no backup");
    // An undamaged one is not restored over what is there.
    std::fs::write(&dump, &good_dump).unwrap();
    std::fs::write(&manifest, &good_manifest).unwrap();
    let before = place.json(&["tag", "list"]);
    place
        .run(&["db", "restore", dump.to_str().unwrap()])
        .failed(1, "already has a schema netraven with _sqlx_migrations, ");
    assert_eq!(place.json(&["tag", "list"]), before);

    let nowhere =
        place.command(&["db", "backup"]).env("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/d").spawn();
    let ran = finish(nowhere.unwrap());
    ran.failed(4, "no PostgreSQL answers at 127.0.0.1:1");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
}

#[tokio::test]
async fn an_installation_comes_back_on_a_fresh_server() {
    if !Path::new("/usr/lib/postgresql").is_dir() {
        return skip_or_fail("there is no PostgreSQL server below /usr/lib/postgresql");
    }
    let (old, new) = (Place::with_private_server(), Place::with_private_server());
    old.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr"]);
    let ran =
        old.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "secret");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = old.run(&["db", "backup", "--json"]);
    if is_missing(&ran.stderr) {
        return;
    }
    assert_eq!(ran.code, 0, "{ran:?}");
    let made: Value = serde_json::from_str(&ran.stdout).unwrap();
    let dump = path(&made["dump"]);

    // Another installation's key of the same number is noticed.
    let key_file = new.folder().join("data/keys/master.key");
    Vault::open_or_create(&key_file).unwrap();
    let ran = new.run(&["db", "restore", dump.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("loading the dump\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("does not open the restored secrets: credentials.password of row 1"),
        "{ran:?}"
    );
    let restored: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(restored["manifest"], made["manifest"]);
    assert_eq!(restored["warnings"].as_array().unwrap().len(), 1);

    new.good(&["db", "validate"]);
    assert_eq!(new.json(&["device", "list"])[0]["hostname"], "r1");
    assert_eq!(new.json(&["db", "check"])["ready"], true);
    new.run(&["db", "restore", dump.to_str().unwrap()]).failed(1, "hint: restore into an empty database");

    // With the right one nothing is to be said.
    let third = Place::with_private_server();
    std::fs::copy(old.folder().join("data/keys/master.key"), third.folder().join("data/keys/master.key"))
        .unwrap();
    let ran = third.run(&["db", "restore", dump.to_str().unwrap()]);
    assert!(ran.code == 0 && !ran.stderr.contains("warning"), "{ran:?}");
    assert!(ran.stdout.starts_with("restored and compared: "), "{ran:?}");
}

#[tokio::test]
async fn up_makes_backups_that_are_due() {
    let Some(place) = Place::new().await else { return };
    let mut up = place.command(&["up"]).env("NETRAVEN__DB_BACKUP__EVERY_HOURS", "24").spawn().unwrap();
    let mut lines = BufReader::new(up.stderr.take().unwrap());
    let (mut log, mut line) = (String::new(), String::new());
    while !line.contains("backed up") && !is_missing(&line) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "ended before a backup: {log}");
        log += &line;
    }
    kill(Pid::from_raw(up.id() as i32), Signal::SIGINT).unwrap();
    lines.read_to_string(&mut log).unwrap();
    assert_eq!(finish(up).code, 0, "{log}");
    if line.contains("pg_dump of PostgreSQL") {
        return;
    }
    assert!(line.contains("the database was backed up") && line.contains("KiB"), "{line}");
    let backups = place.folder().join("data/backups");
    let dump = std::fs::read_dir(backups).unwrap().flatten().map(|entry| entry.path());
    let dump = dump.into_iter().find(|path| path.extension() == Some("dump".as_ref())).unwrap();
    place.good(&["db", "verify-backup", dump.to_str().unwrap()]);
}
