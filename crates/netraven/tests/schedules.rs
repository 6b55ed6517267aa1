//! Schedules from the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use serde_json::{Value, json};

/// With two devices, one of them at a site, both with a tag.
async fn place() -> Option<Place> {
    let place = Place::new().await?;
    for (name, site) in [("r1", "attic"), ("r2", "cellar")] {
        let device =
            ["device", "add", name, "--address", "127.0.0.1", "--platform", "cisco_ios", "--port", "1"];
        place.good(&[&device[..], &["--site", site]].concat());
        place.good(&["tag", "add", "device", name, "core", name]);
    }
    Some(place)
}

#[tokio::test]
async fn a_schedule_is_made_shown_changed_switched_and_removed() {
    let Some(place) = place().await else { return };
    let made = place.json(&[
        "schedule",
        "add",
        "nightly",
        "--cron",
        "0 2 * * *",
        "--zone",
        "Europe/Zurich",
        "--window",
        "01:00-05:00",
        "--window",
        "Sat,Sun",
        "--blackout",
        "2098-12-20..2099-01-03",
        "--jitter",
        "15m",
        "--until",
        "2099-06-30",
        "--priority",
        "-5",
        "--tag",
        "core",
        "--tag",
        "r1",
        "--every-tag",
        "--description",
        "every night",
    ]);
    for (field, expected) in [
        ("name", json!("nightly")),
        ("description", json!("every night")),
        ("kind", json!("backup")),
        ("cron", json!("0 2 * * *")),
        ("every_seconds", Value::Null),
        ("time_zone", json!("Europe/Zurich")),
        ("windows", json!(["01:00-05:00", "Sat,Sun"])),
        ("blackouts", json!(["2098-12-20..2099-01-03"])),
        ("valid_until", json!("2099-06-30T22:00:00Z")),
        ("jitter_seconds", json!(900)),
        ("priority", json!(-5)),
        ("target", json!({"all_tags": ["core", "r1"]})),
        ("enabled", json!(true)),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
    let shown = place.json(&["schedule", "show", "nightly"]);
    let runs = shown["next_runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["at"]), (5, &made["next_run"]));
    assert!(runs[0]["local"].as_str().unwrap().contains("T02:00:00+0"), "{shown}");
    let text = place.good(&["schedule", "show", "nightly"]);
    assert!(
        text.contains("windows         01:00-05:00; Sat,Sun") && text.contains("JOBS START UNTIL"),
        "{text}"
    );

    let update =
        ["schedule", "update", "nightly", "--name", "core", "--every", "6h", "--blackout", "", "--until", ""];
    let changed = place.json(&[&update[..], &["--site", "attic", "--jitter", "0s"]].concat());
    for (field, expected) in [
        ("name", json!("core")),
        ("cron", Value::Null),
        ("every_seconds", json!(21600)),
        ("blackouts", json!([])),
        ("valid_until", Value::Null),
        ("target", json!({"sites": ["attic"]})),
        ("jitter_seconds", json!(0)),
        ("windows", json!(["01:00-05:00", "Sat,Sun"])),
    ] {
        assert_eq!(changed[field], expected, "{field}");
    }
    assert!(place.good(&["schedule", "disable", "core"]).contains("schedule core disabled"));
    assert!(place.good(&["schedule", "show", "core"]).contains("It is disabled. Enabled, it would start:"));
    assert!(place.good(&["schedule", "list"]).contains("disabled"));
    assert!(place.good(&["schedule", "enable", "core"]).contains("next run at"));
    place.good(&["schedule", "remove", "core"]);
    place.run(&["schedule", "show", "core"]).failed(3, "there is no schedule 'core'");
    let audit = place.good(&["audit", "list"]);
    for action in ["added", "changed", "disabled", "enabled", "removed"] {
        assert!(audit.contains(&format!("schedule.{action}")), "{audit}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason() {
    let Some(place) = place().await else { return };
    let add = |options: &[&str]| {
        let all: &[&str] =
            if options.contains(&"--tag") || options.contains(&"--site") { &[] } else { &["--all"] };
        place.run(&[&["schedule", "add", "x"], options, all].concat())
    };
    for (options, message) in [
        (&["--jitter", "1m"][..], "expected --cron, --every or --at"),
        (&["--cron", "0 0 30 2 *"], "never comes"),
        (&["--cron", "0 25 * * *"], "--cron: the hour '25' cannot be used; expected 0-23"),
        (&["--cron", "@daily", "--zone", "Zurich"], "did you mean 'Europe/Zurich'?"),
        (&["--cron", "@daily", "--zone", "Europe/Zurch"], "did you mean 'Europe/Zurich'?"),
        (&["--cron", "@daily", "--zone", "Zürich"], "did you mean 'Europe/Zurich'?"),
        (&["--cron", "@daily", "--window", "22-5"], "--window: expected times such as 22:00-05:00"),
        (&["--cron", "@daily", "--blackout", "2026-12-24..2026-12-20"], "--blackout: "),
        (
            &["--cron", "@daily", "--window", "22:00-05:00", "--blackout", "20:00-06:00"],
            "they cover the windows",
        ),
        (&["--at", "2020-01-01T02:00"], "is over; expected a time to come"),
        (&["--at", "2099-03-29T02:30", "--zone", "Europe/Zurich"], "does not exist in Europe/Zurich"),
        (&["--at", "soon"], "--at: expected a time such as"),
        (&["--cron", "@daily", "--until", "2020-01-01"], "is over; expected a time to come"),
        (&["--every", "1h", "--jitter", "2h"], "jitter: 2 h is longer than the time between two runs, 1 h"),
        (&["--every", "1h", "--kind", "command"], "commands: expected one at least"),
        (&["--every", "1h", "--kind", "backup", "--command", "x"], "runs of the kind 'backup' ask none"),
        (&["--every", "1h", "--tag", "r1", "--tag", "r2", "--every-tag"], "takes no device at the moment"),
    ] {
        add(options).failed(2, message);
    }
    add(&["--every", "1h", "--tag", "gone"]).failed(3, "there is no tag 'gone'");
    add(&["--every", "1h", "--site", "nowhere"]).failed(3, "there is no site 'nowhere'");
    place
        .run(&["schedule", "add", "x", "--every", "1h"])
        .failed(2, "expected --all, --tag, --site or --device");
    for (options, word) in [
        (&["--every", "30s"][..], "expected at least 1m, found 30s"),
        (&["--every", "1h", "--cron", "@daily"], "cannot be used with"),
        (&["--every", "1h", "--tag", "core", "--site", "attic"], "cannot be used with"),
        (&["--every", "1h", "--all", "--tag", "core"], "cannot be used with"),
    ] {
        let ran = add(options);
        assert!(ran.code == 2 && ran.stderr.contains(word), "{ran:?}");
    }
    place.good(&["device", "update", "r1", "--disable"]);
    place
        .run(&["schedule", "add", "x", "--every", "1h", "--device", "r1"])
        .failed(2, "device r1 is disabled");
    assert_eq!(place.json(&["schedule", "list"]), json!([]));
}

#[tokio::test]
async fn devices_are_shown_with_their_names() {
    let Some(place) = place().await else { return };
    place.good(&["schedule", "add", "two", "--every", "1h", "--device", "r2", "--device", "r1"]);
    assert_eq!(place.json(&["schedule", "show", "two"])["devices"], json!(["r1", "r2"]));
    assert!(place.good(&["schedule", "show", "two"]).contains("2 devices: r1, r2"));
    place.good(&["device", "remove", "r2", "--yes"]);
    assert!(place.good(&["schedule", "show", "two"]).contains("2 devices: r1, 1 of them removed"));
}

#[test]
fn times_are_shown_without_a_database() {
    let place = Place::without_database();
    let preview = ["schedule", "preview", "--cron", "30 2 * * *", "--zone", "Europe/Zurich"];
    let runs = place.json(&[&preview[..], &["--after", "2030-03-30", "--count", "2"]].concat());
    assert_eq!(
        runs,
        json!({"time_zone": "Europe/Zurich", "runs": [
            {"at": "2030-03-30T01:30:00Z", "local": "2030-03-30T02:30:00+01:00", "due": "2030-03-30T01:30:00Z",
             "until": null},
            {"at": "2030-03-31T01:00:00Z", "local": "2030-03-31T03:00:00+02:00", "due": "2030-03-31T01:00:00Z",
             "until": null},
        ]})
    );
    let waits =
        ["--after", "2030-03-30", "--count", "1", "--window", "22:00-05:00", "--blackout", "2030-03-30"];
    let text = place.good(&[&preview[..], &waits].concat());
    let lines: Vec<_> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "STARTS STARTS (UTC) DUE JOBS START UNTIL",
            "Sun 2030-03-31 00:00 CET 2030-03-30 23:00:00 Sat 2030-03-30 02:30 CET Sun 2030-03-31 05:00 CEST"
        ]
    );
    place.run(&["schedule", "preview"]).failed(2, "expected --cron, --every or --at");
}

#[tokio::test]
async fn a_schedule_is_run_at_once_and_stays_where_it_is() {
    let Some(place) = place().await else { return };
    place.good(&["schedule", "add", "later", "--at", "2099-01-01T02:00", "--jitter", "1h", "--all"]);
    let before = place.json(&["schedule", "show", "later"]);
    let ran = place.run(&["schedule", "run", "later", "--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&summary["total"], &summary["failed"]), (&json!(2), &json!(2)));
    assert_eq!(place.json(&["schedule", "show", "later"]), before);
    assert_eq!(place.json(&["run", "list"])[0]["origin"], "person");
    let started = place.json(&["schedule", "run", "later", "--no-wait"]);
    assert_eq!(started["jobs"], 2);
    place.run(&["schedule", "run", "gone"]).failed(3, "there is no schedule 'gone'");
}

#[tokio::test]
async fn backup_every_makes_a_schedule_that_is_due_at_once() {
    let Some(place) = place().await else { return };
    let made = place.json(&["backup", "--tag", "core", "--every", "2h"]);
    assert_eq!((&made["name"], &made["every_seconds"]), (&json!("backup-core-2h"), &json!(7200)));
    assert_eq!(made["next_run"], made["first_run"]);
    place.run(&["backup", "--all", "--every", "10s"]).failed(2, "--every: expected at least 1m, found 10s");
}
