//! The gateway's service and its keys, and commands for one device from the shell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::api::{address, request};
use common::{Place, finish};
use netraven_lab::{Lab, LabDevice, LabSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::time::{Duration, Instant};

fn stop(child: Child) -> common::Ran {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    finish(child)
}

async fn lab(platform: &str) -> (Lab, LabDevice) {
    let settings = LabSettings { count: 1, platforms: vec![platform.into()], ..LabSettings::default() };
    let lab = Lab::start(settings).unwrap();
    let device = lab.device(0).unwrap();
    (lab, device)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_serves_alone_without_a_database_and_stops_in_order() {
    let place = Place::without_database();
    let (lab, device) = lab("frr").await;
    let off =
        ["--set", "gateway.database=off", "--set", "gateway.listen=127.0.0.1:0", "--log-format", "json"];
    let mut gateway = place.command(&[&["serve", "gateway"][..], &off].concat()).spawn().unwrap();
    let address = address(&mut gateway);
    let file = place.folder().join("data/keys/gateway_key.txt");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let headers = format!("x-api-key: {key}\r\ncontent-type: application/json\r\n");
    assert_eq!(request(&address, "GET", "/health", "", "").1, r#"{"status":"ok"}"#);
    assert_eq!(request(&address, "GET", "/ready", "", "").0, 403);
    let body = json!({
        "ip": device.address, "port": device.port, "command": "show version",
        "credential": {"username": device.username, "password": "netraven-lab"},
    });
    let (status, answer) = request(&address, "POST", "/execute-command", &headers, &body.to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, &answer["success"], &answer["device_type"]),
        (200, &json!(true), &json!("frr")),
        "{answer}"
    );
    // A key that is made while it runs.
    let second = place.good(&["gateway", "key", "add", "second", "--right", "raw"]);
    let headers = format!("x-api-key: {}\r\n", second.trim());
    let deadline = Instant::now() + Duration::from_secs(30);
    while request(&address, "GET", "/ready", &headers, "").0 != 200 {
        assert!(Instant::now() < deadline, "the new key is not known");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ran = stop(gateway);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("gateway_key.txt") && ran.stderr.contains("key:first"), "{ran:?}");
    for secret in [key.as_str(), second.trim(), "netraven-lab"] {
        assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{ran:?}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_the_api_where_the_settings_say_so_and_shares_its_database() {
    let Some(place) = Place::new().await else { return };
    let (lab, device) = lab("frr").await;
    let port = device.port.to_string();
    let address_of = device.address.to_string();
    place.good(&["device", "add", "r1", "--address", &address_of, "--platform", "frr", "--port", &port]);
    let mut up = place.command(&["up", "--set", "gateway.listen=127.0.0.1:0"]).spawn().unwrap();
    let address = address(&mut up);
    let token = place.good(&["token", "issue", "--name", "tests"]);
    let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", token.trim());
    let deadline = Instant::now() + Duration::from_secs(30);
    while request(&address, "GET", "/ready", &headers, "").0 != 200 {
        assert!(Instant::now() < deadline, "the token is not accepted");
        std::thread::sleep(Duration::from_millis(50));
    }
    let body = json!({
        "device_id": "r1", "ip": address_of, "job_id": 12, "command": "show version",
        "credential": {"username": device.username, "password": "netraven-lab"},
    });
    let (_, answer) = request(&address, "POST", "/execute-command", &headers, &body.to_string());
    assert!(answer.contains(r#""success":true"#), "{answer}");
    let (status, log) = request(&address, "GET", "/connection-log/12", &headers, "");
    assert!(status == 200 && log.contains(r#""device_id":1"#), "{log}");
    let ran = stop(up);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!["ERROR", "panicked"].iter().any(|word| ran.stderr.contains(word)), "{ran:?}");
    lab.shutdown().await;
}

#[test]
fn an_address_beyond_this_machine_without_tls_is_refused_at_the_start() {
    let place = Place::without_database();
    let open = ["--set", "gateway.database=off", "--set", "gateway.listen=0.0.0.0:0"];
    let ran = place.run(&[&["serve", "gateway"][..], &open].concat());
    ran.failed(2, "0.0.0.0:0 is beyond this machine and there is no TLS");
    assert!(ran.stderr.contains("hint: set gateway.tls_cert_file"), "{ran:?}");
    place
        .run(&["serve", "gateway", "--set", "gateway.listen=nowhere", "--set", "gateway.database=off"])
        .failed(2, "expected ADDRESS:PORT, found 'nowhere'");
    place.run(&["serve", "gateway", "r1", "show version"]).failed(2, "belong to the mode standalone");
    let ran = place.command(&["serve", "gateway"]).env("API_KEY", "dev-key").spawn().unwrap();
    finish(ran).failed(2, "found a well-known one");
}

#[test]
fn keys_are_made_listed_disabled_and_removed_and_tokens_issued() {
    let place = Place::without_database();
    let made = place.json(&["gateway", "key", "add", "monitor", "--right", "raw"]);
    assert!(made["key"].as_str().unwrap().starts_with("nrk_"), "{made}");
    place.run(&["gateway", "key", "add", "monitor"]).failed(2, "there is already a key 'monitor'");
    place.run(&["gateway", "key", "remove", "other"]).failed(3, "there is no key 'other'");
    place.good(&["gateway", "key", "disable", "monitor"]);
    let listed = place.json(&["gateway", "key", "list"]);
    assert_eq!((&listed[0]["disabled"], &listed[0]["rights"]), (&json!(true), &json!(["raw"])));
    assert!(!listed.to_string().contains(made["key"].as_str().unwrap()));
    assert!(place.good(&["gateway", "key", "list"]).contains("disabled"));
    place.good(&["gateway", "key", "enable", "monitor"]);
    assert_eq!(place.good(&["gateway", "key", "remove", "monitor"]), "key monitor: removed\n");
    let token = place.json(&["token", "issue", "--name", "x", "--right", "raw", "--hours", "1"]);
    assert_eq!(token["token"].as_str().unwrap().split('.').count(), 3);
    let secret = place.folder().join("data/keys/gateway_tokens.secret");
    assert_eq!(std::fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
    place.run(&["token", "issue", "--name", "a b"]).failed(2, "cannot be the name of a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_from_the_shell_without_a_database() {
    let place = Place::without_database();
    let (lab, device) = lab("cisco_ios").await;
    let (address, port) = (device.address.to_string(), device.port.to_string());
    let password = place.file("password", "netraven-lab\n");
    let enable = place.file("enable", "enable-lab\n");
    let login = [
        "--address",
        &address,
        "--port",
        &port,
        "--username",
        "netraven",
        "--password-file",
        password.to_str().unwrap(),
        "--enable-file",
        enable.to_str().unwrap(),
    ];
    let call = |begin: &[&str], end: &[&str]| place.run(&[begin, &login, end].concat());
    let platform = ["--platform", "cisco_ios", "--", "show version"];
    let ran = call(&["exec"], &platform);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("Cisco IOS") && ran.stderr.contains("first contact: the host key SHA256:"),
        "{ran:?}"
    );
    // The same by its other name, and the platform found out.
    let ran = call(&["serve", "gateway", "--mode", "standalone"], &["--", "show version"]);
    assert!(ran.code == 0 && ran.stdout.contains("Cisco IOS"), "{ran:?}");

    let ran = call(&["exec", "--json"], &["--platform", "cisco_ios", "--", "show version", "show nonsense"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&answer["success"], &answer["error_code"]), (&json!(false), &json!("command_rejected")));
    assert!(answer["results"][0]["result"].as_str().unwrap().contains("Cisco IOS"));
    let ran = call(&["exec"], &["--platform", "cisco_ios", "--", "show nonsense"]);
    ran.failed(1, "command_rejected: the device refused `show nonsense`");

    let redacted = call(&["exec"], &["--platform", "cisco_ios", "--", "show running-config"]).stdout;
    let raw = call(&["exec", "--raw"], &["--platform", "cisco_ios", "--", "show running-config"]).stdout;
    assert!(raw.lines().any(|line| line.contains("secret") && !redacted.contains(line)), "{redacted}");

    place.run(&["exec", "--address", &address, "--username", "x"]).failed(2, "at least one command");
    place
        .run(&["exec", "--address", &address, "show version"])
        .failed(2, "expected --credential NAME or --username");
    lab.shutdown().await;
}
