//! Users, tag rules and the audit trail on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use serde_json::{Value, json};

const LONG: &str = "canary-long-enough";

fn names(rows: &Value, field: &str) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_user_is_added_changed_and_removed_and_the_password_is_never_shown() {
    let Some(place) = Place::new().await else { return };
    let add = ["user", "add", "ann", "--role", "operator", "--full-name", "Ann Lee", "--password-stdin"];
    let ran = place.run_with_input(&add, &format!("{LONG}\n"));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "user ann added as operator\n"), "{ran:?}");
    place.run_with_input(&add, LONG).failed(2, "there is already a user 'ann'");
    assert_eq!(place.good(&["user", "disable", "ann"]), "user ann is disabled\n");
    assert_eq!(place.json(&["user", "role", "ann", "viewer"]), json!({"username": "ann", "role": "viewer"}));
    let ann = place.json(&["user", "list"]);
    let ann = ann.as_array().unwrap().iter().find(|user| user["username"] == "ann").unwrap().clone();
    assert_eq!(
        (&ann["role"], &ann["is_active"], &ann["has_password"]),
        (&json!("viewer"), &json!(false), &json!(true))
    );
    assert!(ann.get("password_hash").is_none() && ann.get("password").is_none(), "{ann}");
    assert!(place.good(&["user", "list"]).contains("disabled"));
    assert_eq!(place.good(&["user", "enable", "ann"]), "user ann is enabled\n");
    let ran = place.run_with_input(&["user", "password", "ann", "--password-stdin"], LONG);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "user ann has a new password\n"), "{ran:?}");
    assert_eq!(place.good(&["user", "remove", "ann"]), "user ann removed\n");
    place.run(&["user", "remove", "ann"]).failed(3, "hint: see `netraven user list`");
    for shown in [place.good(&["audit", "list"]), place.good(&["audit", "list", "--json"])] {
        assert!(!shown.contains("canary") && !shown.contains("argon2"), "{shown}");
    }
}

#[tokio::test]
async fn a_generated_password_stands_alone_on_standard_output_once() {
    let Some(place) = Place::new().await else { return };
    let ran = place.run(&["user", "add", "ann", "--role", "viewer", "--generate"]);
    assert_eq!((ran.code, ran.stdout.trim_end().len()), (0, 27), "{ran:?}");
    assert!(ran.stderr.contains("shown once") && !ran.stderr.contains(ran.stdout.trim_end()), "{ran:?}");
    let again = place.json(&["user", "password", "ann", "--generate"]);
    let password = again["password"].as_str().unwrap().to_owned();
    assert_ne!(password, ran.stdout.trim_end());
    let listed = place.json(&["user", "list"]);
    let ann = listed.as_array().unwrap().iter().find(|user| user["username"] == "ann").unwrap();
    assert_eq!(ann["must_change_password"], true);
    for shown in [listed.to_string(), place.good(&["audit", "list", "--json"])] {
        assert!(!shown.contains(&password) && !shown.contains(ran.stdout.trim_end()), "{shown}");
    }
}

#[tokio::test]
async fn users_that_cannot_be_are_refused_with_what_was_expected() {
    let Some(place) = Place::new().await else { return };
    let add = |name: &'static str, password: &str| {
        place.run_with_input(&["user", "add", name, "--role", "viewer", "--password-stdin"], password)
    };
    for (name, password, message) in [
        ("Ann", LONG, "lower case letters a-z"),
        ("ann", "canary", "the password has 6 characters, expected at least 12"),
        ("canary-canary", "Canary-Canary", "the user's own name"),
        ("ann", "passwordpassword", "one of those that are tried first"),
        ("ann", "", "found nothing"),
    ] {
        let ran = add(name, password);
        ran.failed(2, message);
        assert!(name.contains("canary") || !ran.stderr.contains("canary"), "{ran:?}");
    }
    place.run(&["user", "add", "ann", "--role", "king"]).failed(2, "expected one of admin, operator, viewer");
    let ran = place.run(&["user", "add", "ann", "--role", "admin"]);
    ran.failed(2, "there is no terminal to ask for the password");
    assert!(ran.stderr.contains("--password-stdin or --generate"), "{ran:?}");
    place.run(&["user", "password", "ann", "--generate"]).failed(3, "there is no user 'ann'");
}

#[tokio::test]
async fn the_last_administrator_is_not_taken_away() {
    let Some(place) = Place::new().await else { return };
    place.good(&["user", "add", "zoe", "--role", "admin", "--generate"]);
    for user in names(&place.json(&["user", "list"]), "username") {
        if user != "zoe" {
            place.good(&["user", "remove", &user]);
        }
    }
    for arguments in
        [&["user", "remove", "zoe"][..], &["user", "disable", "zoe"], &["user", "role", "zoe", "viewer"]]
    {
        let ran = place.run(arguments);
        ran.failed(2, "user 'zoe' is the last active administrator");
        assert!(ran.stderr.contains("hint: make somebody else an administrator first"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_tag_rule_is_tried_out_made_listed_and_removed() {
    let Some(place) = Place::new().await else { return };
    for (name, address) in [("core-1", "10.1.0.1"), ("core-2", "192.0.2.1")] {
        place.good(&["device", "add", name, "--address", address, "--platform", "frr"]);
    }
    let add = [
        "tag",
        "rule",
        "add",
        "middle",
        "--hostname",
        "CORE-*",
        "--network",
        "10.0.0.0/8",
        "--platform",
        "frr",
    ];
    let tried = place.good(&[&add[..], &["--dry-run"]].concat());
    assert_eq!(tried, "1 device would get the tag middle, 1 fit; nothing was changed (--dry-run)\n");
    assert_eq!(place.json(&["tag", "rule", "list"]), json!([]));
    let made = place.json(&add);
    assert_eq!((&made["gained"], &made["rule"]["network"]), (&json!(1), &json!("10.0.0.0/8")));
    place.run(&add).failed(2, "there is already a rule of these conditions for tag 'middle'");
    let listed = place.good(&["tag", "rule", "list"]);
    assert!(listed.contains("hostname CORE-*, platform frr, network 10.0.0.0/8"), "{listed}");
    assert_eq!(place.json(&["device", "show", "core-1"])["tags"], json!(["default", "middle"]));
    let id = made["rule"]["id"].to_string();
    let ran = place.run(&["tag", "remove", "device", "core-1", "middle"]);
    ran.failed(2, &format!("by rule {id} (hostname CORE-*"));
    assert!(ran.stderr.contains(&format!("hint: remove it with `netraven tag rule remove {id}`")), "{ran:?}");
    let removed = place.good(&["tag", "rule", "remove", &id]);
    assert_eq!(removed, format!("tag rule {id} removed; 1 device lost its tag\n"));
    assert_eq!(place.json(&["device", "show", "core-1"])["tags"], json!(["default"]));
    place.run(&["tag", "rule", "remove", &id]).failed(3, "hint: see `netraven tag rule list`");
}

#[test]
fn tag_rules_that_say_nothing_or_nonsense_are_refused_with_code_2() {
    let place = Place::without_database();
    for (arguments, message) in [
        (&[][..], "required"),
        (&["--network", "10.1.2.3/8"], "did you mean 10.0.0.0/8?"),
        (&["--network", "ten"], "expected a network such as 10.0.0.0/8 or 2001:db8::/32, found 'ten'"),
        (&["--platform", "cisco_iso"], "did you mean 'cisco_ios'?"),
        (&["--site", "a\nb"], "expected a text on one line"),
    ] {
        place.run(&[&["tag", "rule", "add", "core"], arguments].concat()).failed(2, message);
    }
    place
        .run(&["audit", "list", "--action", "user.eaten"])
        .failed(2, "expected one of user.added, user.removed");
}

#[tokio::test]
async fn what_people_change_is_in_the_audit_trail_under_their_names() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "192.0.2.1", "--platform", "frr"]);
    let by_alice = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("SUDO_USER", "alice");
        let ran = finish(command.spawn().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    by_alice(&["setting", "set", "retry.attempts", "5"]);
    by_alice(&["setting", "remove", "retry.attempts"]);
    by_alice(&["device", "accept-key", "r1"]);
    by_alice(&["device", "remove", "r1", "--yes"]);
    let credential = ["credential", "add", "ops", "--username", "backup", "--password-stdin"];
    assert_eq!(place.run_with_input(&credential, "canary\n").code, 0);
    place.good(&["credential", "remove", "ops"]);

    let of_alice = place.json(&["audit", "list", "--actor", "alice"]);
    assert_eq!(
        names(&of_alice, "action"),
        ["device.removed", "device.host_key_accepted", "setting.removed", "setting.changed"]
    );
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    assert_eq!(of_alice[0]["details"]["account"], account);
    assert_eq!((&of_alice[0]["actor_kind"], &of_alice[0]["target"]), (&json!("shell"), &json!("r1")));
    let own = place.json(&["audit", "list", "--actor", &account, "--limit", "2"]);
    assert_eq!(names(&own, "action"), ["credential.removed", "credential.added"]);
    let before = of_alice[0]["id"].to_string();
    let older = place.json(&["audit", "list", "--before", &before, "--action", "setting.changed"]);
    assert_eq!(older[0]["details"], json!({"from": null, "to": 5, "account": account}));
    let shown = place.good(&["audit", "list"]);
    assert!(
        shown.contains("alice (shell)") && shown.contains("to 5") && !shown.contains("canary"),
        "{shown}"
    );
}
