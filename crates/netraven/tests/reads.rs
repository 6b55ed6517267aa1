//! Every read has JSON with stable names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use serde_json::Value;

#[tokio::test]
async fn every_read_answers_with_json() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "cisco_ios", "--port", "1"]);
    place.good(&["tag", "add", "device", "r1", "core"]);
    place.good(&["backup", "--tag", "core", "--every", "2h", "--name", "nightly"]);
    place.good(&["setting", "set", "retry.attempts", "1"]);
    let ran = place.run(&["backup", "--all", "--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let backup: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&backup["failed"], &backup["results"][0]["error_code"]),
        (&1.into(), &"no_credential".into())
    );

    for (arguments, fields) in [
        (
            &["device", "list"][..],
            &["id", "uuid", "hostname", "ip_address", "device_type", "status", "tags"][..],
        ),
        (&["device", "show", "r1"], &["hostname", "last_error_code", "versions", "last_changed"]),
        (&["tag", "list"], &["name", "kind", "devices", "credentials"]),
        (&["credential", "list"], &[]),
        (&["schedule", "list"], &["name", "every_seconds", "target", "enabled", "next_run"]),
        (&["run", "list"], &["id", "kind", "origin", "jobs", "active", "failed"]),
        (&["run", "show", "1"], &["run", "total", "changed", "unchanged", "failed", "failures", "results"]),
        (&["job", "list"], &["id", "device", "run", "status", "outcome", "error_code", "attempts"]),
        (&["job", "show", "1"], &["id", "device", "attempt_list", "events"]),
        (&["job", "show", "1", "--dialogue"], &["dialogue"]),
        (&["config", "log", "r1"], &[]),
        (&["setting", "list"], &["key", "value", "updated_at"]),
        (&["platform", "list"], &["name", "title", "aliases", "parts", "transports", "origin"]),
        (&["platform", "check"], &["platforms", "own"]),
        (&["db", "check"], &["connected", "ready", "server_version", "schema_version", "size_bytes"]),
        (&["config-file", "check"], &["environment", "settings", "warnings"]),
        (&["config-file", "check", "--database"], &["settings"]),
        (&["device", "export"], &["hostname"]),
    ] {
        let json = place.json(arguments);
        let object = if json.is_array() { &json[0] } else { &json };
        for field in fields {
            assert!(object.get(field).is_some(), "{arguments:?} lacks {field}: {json}");
        }
    }
    let with_database = place.json(&["config-file", "check", "--database"]);
    assert_eq!(with_database["settings"]["retry.attempts"]["text"], "system_settings");
}

#[tokio::test]
async fn a_failed_device_is_code_5_with_its_reason_and_what_to_do() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "cisco_ios", "--port", "1"]);
    let ran = place.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "x");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = place.run(&["backup", "--device", "r1", "--set", "retry.attempts=1"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (5, ""), "{ran:?}");
    assert!(ran.stdout.contains("refused: 127.0.0.1:1 refused the connection"), "{ran:?}");
    assert!(ran.stdout.contains("run 1: 1 device: 1 failed\nhint (refused): "), "{ran:?}");
    assert!(place.good(&["device", "show", "r1"]).contains("last error: refused"));
    place
        .run(&["config", "show", "r1"])
        .failed(3, "r1 has no stored configuration yet\nhint: collect it with");
    place.good(&["device", "update", "r1", "--disable"]);
    place.run(&["backup", "--device", "r1"]).failed(2, "device r1 is disabled");
    place.run(&["device", "remove", "r1"]).failed(2, "hint: add --yes");
    assert!(place.good(&["device", "remove", "r1", "--yes"]).contains("removed with 0 versions and 1 jobs"));
}

#[test]
fn completions_are_made_for_every_shell() {
    let place = Place::without_database();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.good(&["completions", shell]).contains("netraven"), "{shell}");
    }
}
