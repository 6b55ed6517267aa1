//! Credentials on the command line: which goes where, and what keeps accounts from being locked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use netraven_lab::{Lab, LabDevice, LabSettings};

/// Devices of one family, a good credential and a stale one.
struct Network {
    place: Place,
    lab: Lab,
    devices: Vec<LabDevice>,
}

impl Network {
    async fn new(count: u32) -> Option<Self> {
        let place = Place::new().await?;
        let settings = LabSettings { count, platforms: vec!["frr".into()], ..LabSettings::default() };
        let lab = Lab::start(settings).unwrap();
        let devices = lab.devices();
        let mut inventory = String::from("hostname,ip_address,port,device_type\n");
        for LabDevice { hostname, address, port, platform, .. } in &devices {
            inventory += &format!("{hostname},{address},{port},{platform}\n");
        }
        place.file("lab.csv", inventory);
        place.good(&["device", "import", "lab.csv"]);
        let network = Self { place, lab, devices };
        network.add("good", network.devices[0].password.expose_text().unwrap(), "100");
        network.add("stale", "of-last-year", "1");
        Some(network)
    }

    fn add(&self, name: &str, password: &str, priority: &str) {
        let user = &self.devices[0].username;
        let add = ["credential", "add", name, "--username", user, "--password-stdin", "--priority", priority];
        assert_eq!(self.place.run_with_input(&add, password).code, 0);
    }

    fn refused(&self) -> u32 {
        let of = |device: &LabDevice| self.lab.counters(device.index).unwrap().refused_logins;
        self.devices.iter().map(of).sum()
    }

    fn connections(&self) -> u32 {
        let of = |device: &LabDevice| self.lab.counters(device.index).unwrap().connections;
        self.devices.iter().map(of).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_is_explained_and_changes_with_what_devices_say() {
    let Some(network) = Network::new(1).await else { return };
    let (place, device) = (&network.place, network.devices[0].hostname.as_str());
    let order = || -> Vec<_> {
        let explained = place.json(&["credential", "explain", device]);
        let all = explained["credentials"].as_array().unwrap().clone();
        all.iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["order"].clone(), one["state"].clone()))
            .collect()
    };
    let candidate = |name: &str, at: u32, state: &str| (name.to_owned(), at.into(), state.into());
    assert_eq!(order(), [candidate("stale", 1, "candidate"), candidate("good", 2, "candidate")]);

    let told = place.good(&["credential", "test", "good", device]);
    for step in ["first contact: host key SHA256:", "logged in with credential ", "accepts credential good"] {
        assert!(told.contains(step), "{told}");
    }
    assert_eq!(order(), [candidate("good", 1, "works"), candidate("stale", 2, "candidate")]);
    let ran = place.run(&["credential", "test", "stale", device, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &told["login"], &told["error_code"]),
        (1, &"refused".into(), &"auth_failed".into())
    );
    assert_eq!(place.json(&["credential", "show", "stale"])["failures"], 1);
    let table = place.good(&["credential", "explain", device]);
    assert!(table.contains("worked here last") && table.contains("default"), "{table}");
    assert!(table.contains(&format!("{device} refused 1 logins within the last hour")), "{table}");

    place.good(&["credential", "update", "good", "--allow-network", "192.0.2.0/24"]);
    let table = place.good(&["credential", "explain", device]);
    assert!(table.contains("outside its networks 192.0.2.0/24"), "{table}");
    place
        .run(&["credential", "test", "good", device])
        .failed(1, "credential_not_allowed: the credential is limited to 192.0.2.0/24");
    place.good(&["credential", "update", "good", "--allow-any-network"]);
    place.good(&["credential", "test", "good", device]);
    place.run(&["credential", "explain", "nobody"]).failed(3, "there is no device 'nobody'");
    place.run(&["credential", "test", "nobody", device]).failed(3, "there is no credential 'nobody'");
    place.run(&["credential", "update", "good"]).failed(2, "there is nothing to change");
    network.lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_refused_too_many_logins_is_left_alone_by_everybody_unless_forced() {
    let Some(network) = Network::new(1).await else { return };
    let (place, device) = (&network.place, network.devices[0].hostname.as_str());
    let limit = ["--set", "credentials.device_failures_per_hour=3"];
    let run = |arguments: &[&str]| place.run(&[arguments, &limit].concat());
    run(&["credential", "test", "stale", device]).failed(1, "auth_failed: ");
    run(&["exec", device, "--credential", "stale", "show version"]).failed(1, "auth_failed: ");
    let (user, wrong) = (network.devices[0].username.as_str(), place.file("wrong", "wrong"));
    let by_hand =
        ["exec", device, "--username", user, "--password-file", wrong.to_str().unwrap(), "show version"];
    run(&by_hand).failed(1, "auth_failed: ");
    let connections = network.connections();
    for blocked in [
        &["credential", "test", "good", device][..],
        &["exec", device, "--credential", "good", "show version"],
        &by_hand,
    ] {
        run(blocked).failed(1, "the device refused 3 logins within an hour");
    }
    let ran = run(&["backup", "--device", device]);
    assert!(ran.code == 5 && ran.stdout.contains("lockout_guard"), "{ran:?}");
    let explained = place.json(&["credential", "explain", device, limit[0], limit[1]]);
    assert!(explained["blocked_until"].is_string() && explained["refused_logins"] == 3, "{explained}");
    assert_eq!((network.refused(), network.connections()), (3, connections));

    assert_eq!(run(&["credential", "test", "good", device, "--force"]).code, 0);
    assert_eq!(run(&["exec", device, "--credential", "good", "show version"]).code, 0, "a success ends it");
    network.lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_credential_is_shown_as_such_until_it_gets_a_new_password() {
    let Some(network) = Network::new(4).await else { return };
    let (place, devices) = (&network.place, &network.devices);
    for device in &devices[..3] {
        place.run(&["credential", "test", "stale", &device.hostname]).failed(1, "auth_failed: ");
    }
    let last = devices[3].hostname.as_str();
    place.run(&["credential", "test", "stale", last]).failed(1, "credential 'stale' is suspended since 20");
    assert!(place.good(&["credential", "list"]).contains("suspended"));
    assert!(place.good(&["credential", "show", "stale"]).contains("suspended since 20"));
    assert!(place.good(&["credential", "explain", last]).contains("suspended"));
    assert_eq!(
        place.json(&["audit", "list", "--action", "credential.suspended"]).as_array().unwrap().len(),
        1
    );
    let backup = place.json(&["backup", "--all"]);
    assert_eq!((&backup["changed"], network.refused()), (&4.into(), 3), "{backup}");

    let update = ["credential", "update", "stale", "--password-stdin"];
    let ran = place.run_with_input(&update, devices[0].password.expose_text().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(place.json(&["credential", "show", "stale"])["suspended_at"].is_null());
    place.good(&["credential", "test", "stale", last]);
    assert!(place.good(&["credential", "resume", "stale"]).contains("was not suspended"));
    network.lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_can_stay_where_the_configuration_file_says() {
    let Some(network) = Network::new(2).await else { return };
    let (place, user) = (&network.place, network.devices[0].username.as_str());
    let secret = place.file("secret", network.devices[0].password.expose_bytes());
    let (cat, file) = ("/bin/cat", secret.display());
    let folder = place.folder().join("config/environments");
    std::fs::create_dir_all(&folder).unwrap();
    let aliases = format!(
        "credentials:\n  references:\n    found: {{exec: [{cat}, {file}]}}\n    failing: {{exec: [/bin/false]}}\n"
    );
    std::fs::write(folder.join("prod.yaml"), aliases).unwrap();
    for name in ["good", "stale"] {
        place.good(&["credential", "remove", name]);
    }
    let add = ["credential", "add", "elsewhere", "--username", user, "--password-ref"];
    place
        .run(&[&add[..], &["other"]].concat())
        .failed(2, "the configuration file declares no reference 'other'");
    place.good(&[&add[..], &["failing"]].concat());
    let device = network.devices[0].hostname.as_str();
    place
        .run(&["credential", "test", "elsewhere", device])
        .failed(1, "the reference 'failing' brought no password: the program ended with exit status: 1");
    place.good(&["credential", "update", "elsewhere", "--password-ref", "found"]);
    assert!(place.good(&["credential", "list"]).contains("password from found"));
    place.good(&["credential", "test", "elsewhere", device]);
    assert_eq!(place.json(&["backup", "--all"])["changed"], 2);
    place.run_with_input(&["credential", "update", "elsewhere", "--password-stdin"], "own");
    let shown = place.json(&["credential", "show", "elsewhere"]);
    assert!(shown["has_password"] == true && shown["password_ref"].is_null(), "{shown}");
    network.lab.shutdown().await;
}
