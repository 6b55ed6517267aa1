//! Definitions, sessions and transcripts on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use netraven_lab::{Lab, LabDevice, LabSettings};
use std::io::{BufRead, BufReader};
use std::path::Path;

fn platforms_folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms").display().to_string()
}

#[test]
fn sessions_are_played_and_a_fault_ends_with_code_1() {
    let place = Place::without_database();
    let said = place.good(&["platform", "test", "frr", "--dir", &platforms_folder()]);
    assert!(said.contains("ok    frr/vm_10.1"), "{said}");

    let session = place.folder().join("own/frr/sessions/mine");
    copy(&Path::new(&platforms_folder()).join("frr/sessions/vm_10.1"), &session);
    let config = session.join("running-config.txt");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replacen("hostname {{hostname}}", "hostname other", 1)).unwrap();
    let ran = place.run(&["platform", "test", "--dir", "own"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL  frr/mine"), "{ran:?}");
    assert!(ran.stdout.contains("facts: hostname: expected"), "{ran:?}");
    place.run(&["platform", "test", "nosuch"]).failed(3, "unknown platform 'nosuch'");
}

#[test]
fn one_broken_definition_does_not_hide_the_others() {
    let place = Place::without_database();
    for name in ["frr", "linux"] {
        copy(&Path::new(&platforms_folder()).join(name), &place.folder().join("own").join(name));
    }
    std::fs::write(place.folder().join("own/linux/platform.yaml"), "name: linux\ncolour: red\n").unwrap();
    let ran = place.run(&["platform", "test", "--dir", "own"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("ok    frr/") && ran.stdout.contains("FAIL  linux/"), "{ran:?}");
    assert!(ran.stdout.contains("own/linux/platform.yaml:2") && ran.stdout.contains("colour"), "{ran:?}");
}

#[test]
fn the_list_shows_the_evidence() {
    let place = Place::without_database();
    let platforms = place.json(&["platform", "list"]);
    let ios = platforms.as_array().unwrap().iter().find(|platform| platform["name"] == "cisco_ios").unwrap();
    let ssh = serde_json::json!({"protocol": "ssh", "port": 22});
    assert_eq!(ios["transports"][0], ssh, "the usual one first");
    assert!(ios["sessions"]["written"].as_u64().unwrap() >= 2, "{ios}");
    assert!(ios["secret_examples"].as_u64() > ios["secret_rules"].as_u64(), "{ios}");
    assert_eq!(ios["depth"], serde_json::json!(["login", "backup", "facts", "secrets"]));
}

#[test]
fn a_transcript_is_shown_anew_when_it_changes() {
    let place = Place::without_database();
    place.file("log", "r1#show version\r\nr1#");
    let arguments = ["platform", "try", "cisco_ios", "--transcript", "log", "--watch"];
    let mut child = place.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("show version: part version")));
    place.file("log", "r1#show inventory\r\nr1#");
    assert!(lines.any(|line| line.contains("show inventory: part inventory")));
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = place.run(&["platform", "try", "cisco_ios", "--transcript", "-", "--watch"]);
    refused.failed(2, "standard input cannot change");
}

/// What names the device on the command line, without the database.
fn arguments(device: &LabDevice, output: &str) -> Vec<String> {
    let (address, port) = (device.address.to_string(), device.port.to_string());
    let words =
        ["platform", "record", "--address", &address, "--port", &port, "--platform", &device.platform];
    let login = ["--username", &device.username, "--password-file", "password", "--enable-file", "enable"];
    [&words[..], &login, &["--output", output]].concat().into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_recorded_from_a_device_proves_its_platform() {
    let place = Place::without_database();
    let lab = Lab::start(LabSettings { count: 6, ..LabSettings::default() }).unwrap();
    for device in lab.devices() {
        place.file("password", device.password.expose_bytes());
        place.file("enable", device.enable.expose_bytes());
        let output = format!("own/{}/sessions/{}", device.platform, device.index);
        let mut words = arguments(&device, &output);
        if device.index % 2 == 1 {
            words.push("--anonymise".to_owned());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = place.good(&words);
        assert!(said.contains("it proves the definition"), "{}: {said}", device.platform);
        let (session, personality, state) = lab.inside(device.index).unwrap();
        let written = read_all(&place.folder().join(&output));
        assert!(written.contains("kind: recorded"));
        for secret in session.expect(&personality, state).secrets {
            assert!(!written.contains(&secret), "{}: {secret}", device.platform);
        }
        assert_eq!(written.contains(&device.hostname), device.index % 2 == 0, "{}", device.platform);
        place.run(&words).failed(2, "is there already");
    }
    assert_eq!(lab.unexpected(), []);
    let said = place.good(&["platform", "test", "--dir", "own"]);
    assert!(said.contains("6 sessions of 5 platforms, 0 failed"), "{said}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_a_secret_of_the_credential_stands_in_the_text() {
    let place = Place::without_database();
    // A word that the device shows: the password is the same.
    let settings = LabSettings { count: 1, platforms: vec!["frr".into()], ..LabSettings::default() };
    let lab = Lab::start(LabSettings { password: "FRRouting".into(), ..settings }).unwrap();
    let device = lab.device(0).unwrap();
    place.file("password", "FRRouting");
    place.file("enable", "unused-here");
    let words = arguments(&device, "out");
    let ran = place.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    ran.failed(1, "a secret of the credential stands there in clear");
    assert!(!ran.stderr.contains("FRRouting") && !place.folder().join("out").exists(), "{ran:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_the_inventory_is_recorded_with_a_stored_credential() {
    let Some(place) = Place::new().await else { return };
    let lab = Lab::start(LabSettings { count: 1, platforms: vec!["frr".into()], ..LabSettings::default() });
    let lab = lab.unwrap();
    let device = lab.device(0).unwrap();
    place.file("password", device.password.expose_bytes());
    let (address, port) = (device.address.to_string(), device.port.to_string());
    place.good(&["device", "add", "r1", "--address", &address, "--port", &port, "--platform", "frr"]);
    place.good(&["credential", "add", "ops", "--username", &device.username, "--password-file", "password"]);
    let said = place.good(&["platform", "record", "r1", "--credential", "ops", "--output", "out"]);
    assert!(said.contains("it proves the definition"), "{said}");
    let missing = place.run(&["platform", "record", "r1", "--credential", "none", "--output", "other"]);
    missing.failed(3, "there is no credential 'none'");
    lab.shutdown().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &target),
            false => drop(std::fs::copy(&entry, &target).unwrap()),
        }
    }
}

fn read_all(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}
