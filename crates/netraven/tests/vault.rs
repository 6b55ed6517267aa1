//! Secrets of configurations: hidden where they are shown, given back byte for byte to who may have them, found again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::network::{Network, own_platforms};
use netraven_model::{Capture, PartKind};
use netraven_seal::{RawPart, decompress, mask};
use netraven_vault::Vault;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// The line in which the community stands.
const COMMUNITY: usize = 9;

/// What is stored of a device's configuration when it sends this.
fn masked(network: &Network, text: &str) -> Vec<u8> {
    let platform = own_platforms(&network.place).get("vault_os").unwrap();
    let uuid = network.place.json(&["device", "show", &network.name(0)])["uuid"].as_str().unwrap().to_owned();
    let vault = Vault::open(&network.place.folder().join("data/keys/master.key")).unwrap();
    let part = RawPart {
        name: "running-config".into(),
        context: None,
        command: "show running-config".into(),
        kind: PartKind::Config,
        secrets: platform.find_secrets(text.as_bytes()),
        volatile: platform.find_volatile(text.as_bytes()),
        capture: Capture::new(text.as_bytes().to_vec()),
    };
    let key = vault.fingerprint_key(uuid.parse().unwrap());
    let sealed = mask(vec![part], &key).unwrap().seal(None).unwrap();
    let part = &sealed.parts()[0];
    decompress(&part.content, part.size, part.digest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_hides_its_secrets_and_comes_back_byte_for_byte_to_who_is_remembered() {
    let Some(network) = Network::new(|_| {}).await else { return };
    let (place, device) = (&network.place, &network.name(0));
    assert_eq!(network.back_up(0, "off"), "changed");
    let shown = place.good(&["config", "show", device]);
    assert!(shown.contains("snmp-server community <secret:") && !shown.contains("canary"), "{shown}");
    assert_eq!(shown.matches("<secret:").count(), 5, "four secrets, and what looks like one: {shown}");
    let json = place.json(&["config", "show", device]).to_string();
    assert!(json.contains("<secret:") && !json.contains("canary"), "{json}");
    assert!(network.audited("configuration.revealed").is_empty());

    let sent = network.sent(0);
    assert_eq!(place.good(&["config", "show", device, "--reveal"]), sent);
    assert_eq!(masked(&network, &sent), shown.as_bytes(), "sealed again it is what is stored");
    let json = place.json(&["config", "show", device, "--reveal"]);
    assert_eq!(json["part_list"][0]["content"], sent);
    let file = place.folder().join("r1.cfg");
    let restore = ["config", "restore-file", device, "--output", file.to_str().unwrap()];
    place.good(&restore);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sent);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    place.run(&restore).failed(1, "r1.cfg cannot be written: File exists");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sent);
    let to = |to: &str| (json!(device), json!({"version": 1, "secrets": 5, "to": to}));
    let to_file = to(&format!("file {}", file.display()));
    let screen = to("standard output");
    assert_eq!(network.audited("configuration.revealed"), [to_file, screen.clone(), screen]);

    // Nothing is given back that cannot be remembered, and no file is left that looks like a configuration.
    let second = place.folder().join("second.cfg");
    let restore = ["config", "restore-file", device, "--output", second.to_str().unwrap()];
    let nothing_comes = |code: i32, message: &str| {
        for arguments in [&["config", "show", device, "--reveal"][..], &restore] {
            let ran = place.run(arguments);
            ran.failed(code, message);
            assert!(ran.stdout.is_empty() && !ran.stderr.contains("canary"), "{ran:?}");
        }
        assert!(!second.exists());
    };
    network.sql("REVOKE INSERT ON netraven.audit_log FROM netraven_revealer").await;
    nothing_comes(1, "write the audit trail");
    network.sql("GRANT INSERT ON netraven.audit_log TO netraven_revealer").await;

    let logins = place.folder().join("data/keys/database-private.json");
    let whole = std::fs::read_to_string(&logins).unwrap();
    let mut withheld: Value = serde_json::from_str(&whole).unwrap();
    withheld["passwords"].as_object_mut().unwrap().remove("revealer").unwrap();
    std::fs::write(&logins, withheld.to_string()).unwrap();
    nothing_comes(4, "database-private.json has no login for the database role 'netraven_revealer'");
    std::fs::write(&logins, whole).unwrap();

    // A key file of another installation opens nothing.
    let key_file = place.folder().join("data/keys/master.key");
    let away = place.folder().join("away.key");
    std::fs::rename(&key_file, &away).unwrap();
    nothing_comes(1, "cannot be read");
    Vault::open_or_create(&key_file).unwrap();
    nothing_comes(1, "does not open with key 1");
    std::fs::rename(&away, &key_file).unwrap();
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o644)).unwrap();
    nothing_comes(1, "has mode 0644, expected 0600");
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(place.good(&["config", "show", device, "--reveal"]), sent);
    network.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_on_every_device_and_a_change_of_it_is_seen_but_not_read() {
    let Some(network) = Network::new(|_| {}).await else { return };
    let (place, device, other, firewall) =
        (&network.place, &network.name(0), &network.name(1), &network.name(2));
    for (index, site) in [(0, "on"), (1, "on"), (2, "off")] {
        assert_eq!(network.back_up(index, site), "changed");
    }
    let line = COMMUNITY.to_string();
    let found = place.json(&["secret", "where", "--device", device, "--line", &line]);
    assert_eq!(found["other_devices_known"], true);
    let places = |found: &Value| {
        let place = |place: &Value| json!([place["device"], place["version"], place["lines"]]);
        found["places"].as_array().unwrap().iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(places(&found), [json!([device, 1, [COMMUNITY]]), json!([other, 1, [COMMUNITY]])]);
    let shown = place.good(&["config", "show", other]);
    let marker = shown.lines().nth(COMMUNITY - 1).unwrap().split(' ').nth(2).unwrap();
    assert_eq!(place.json(&["secret", "where", marker, "--device", other]), found, "by its fingerprint, too");
    place.run(&["secret", "where", "--device", device, "--line", "1"]).failed(3, "holds no secret");
    place.run(&["secret", "where", "--device", device, "--line", "99"]).failed(2, "has no line 99");
    let firewall_text = place.good(&["config", "show", firewall]);
    let line = 1 + firewall_text.lines().position(|line| line.contains("<secret:")).unwrap();
    let alone = ["secret", "where", "--device", firewall, "--line", &line.to_string()];
    assert_eq!(place.json(&alone)["other_devices_known"], false);
    assert!(place.good(&alone).contains("whether it stands on other devices is not known"));
    assert_eq!(network.audited("secret.located").len(), 4);

    // A change is seen; of what is salted anew at each `show` nobody can tell.
    assert_eq!(network.back_up(0, "on"), "unchanged");
    assert!(network.lab.change(0) && network.lab.change(2));
    assert_eq!(network.back_up(0, "on"), "changed");
    let diff = place.good(&["config", "diff", device]);
    let changed: Vec<_> = diff.lines().filter(|line| line.contains("community")).collect();
    let [removed, added] = changed[..] else { panic!("{diff}") };
    assert!(removed.starts_with("-snmp-server community <secret:") && removed.ends_with("…> RO"), "{diff}");
    assert!(added.starts_with("+snmp-server community <secret:") && added[1..] != removed[1..], "{diff}");
    assert!(!diff.contains("unknown"), "{diff}");
    let renewed = network.sent(0).replace("canary-community", "canary-renewed");
    assert_eq!(place.good(&["config", "show", device, "--reveal"]), renewed);
    assert_eq!(place.good(&["config", "show", device, "--reveal", "--version", "1"]), network.sent(0));
    assert_eq!(network.back_up(2, "off"), "changed");
    let diff = place.good(&["config", "diff", firewall]);
    assert!(diff.contains("encrypted anew whenever the device shows them"), "{diff}");
    assert!(!diff.contains("set password"), "what is salted is no change: {diff}");
    let revealed = place.run(&["config", "show", firewall, "--reveal"]);
    assert!(revealed.code == 0 && !revealed.stdout.contains("<secret:"), "{revealed:?}");
    assert!(
        revealed.stderr.contains("whether one was changed after this was read is not known"),
        "{revealed:?}"
    );

    // With the rights of its own role; fingerprints and history stay as they are.
    let before = place.good(&["config", "show", device]);
    assert_eq!(place.json(&["key", "rotate"])["key"], 2);
    let status = place.json(&["key", "status"]);
    assert_eq!((&status[0]["state"], &status[1]["state"]), (&json!("no longer needed"), &json!("newest")));
    assert_eq!((&status[1]["credentials"], &status[1]["captures"]), (&json!(2), &json!(5)));
    assert_eq!(place.good(&["config", "show", device]), before);
    assert_eq!(place.good(&["config", "show", device, "--reveal"]), renewed);
    assert_eq!(place.good(&["config", "show", firewall, "--reveal"]), revealed.stdout);
    assert_eq!(network.back_up(0, "on"), "unchanged");
    assert_eq!(
        network.audited("key.rotated"),
        [(json!("key 2"), json!({"key": 2, "renewed": 7, "unopened": 0}))]
    );
    network.leave().await;
}
