//! From an inventory to a diff, against simulated devices over real SSH.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use netraven_lab::{Failing, Failures, Lab, LabDevice, LabSettings};
use std::io::{BufRead, BufReader};

/// A lab, and a database that knows its devices and how to log in.
struct Network {
    place: Place,
    lab: Lab,
    devices: Vec<LabDevice>,
}

impl Network {
    async fn new(settings: LabSettings) -> Option<Self> {
        let place = Place::new().await?;
        let lab = Lab::start(settings).unwrap();
        let devices = lab.devices();
        place.enter(&devices);
        Some(Self { place, lab, devices })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_a_device_is_collected_stored_and_shown() {
    let Some(network) = Network::new(LabSettings { count: 5, ..LabSettings::default() }).await else {
        return;
    };
    let (place, device) = (&network.place, network.devices[0].hostname.as_str());
    assert!(place.good(&["backup", "--all"]).contains("run 1: 5 devices: 5 changed\n"));
    assert!(place.good(&["backup", "--all"]).contains("run 2: 5 devices: 5 unchanged\n"));
    place.run(&["config", "diff", device]).failed(3, "is its first, there is none before it");

    let before = place.good(&["config", "show", device]);
    assert!(network.lab.change(0));
    let summary = place.json(&["backup", "--device", device]);
    assert_eq!((&summary["changed"], &summary["results"][0]["version"]), (&1.into(), &2.into()));
    let after = place.good(&["config", "show", device]);
    assert_ne!(before, after);
    assert_eq!(place.good(&["config", "show", device, "--version", "1"]), before);
    let first_seen = place.json(&["config", "log", device])[0]["retrieved_at"].clone();
    assert_eq!(place.good(&["config", "show", device, "--at", first_seen.as_str().unwrap()]), after);
    place.run(&["config", "show", device, "--at", "2001-01-01"]).failed(3, "had no stored configuration at");
    place.run(&["config", "show", device, "--version", "9"]).failed(3, "has no version 9");
    place.run(&["config", "show", device, "--part", "x"]).failed(3, "has no part 'x'\nhint: it has ");

    let diff = place.good(&["config", "diff", device]);
    for line in diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")) {
        assert!(after.contains(&line[1..]) && !before.contains(&format!("{}\n", &line[1..])), "{line}");
    }
    let json = place.json(&["config", "diff", device, "--from", "1", "--to", "2"]);
    let added = diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).count();
    assert_eq!(json["lines_added"], added);
    let same = place.good(&["config", "diff", device, "--from", "2", "--to", "2"]);
    assert!(same.contains("do not differ"), "{same}");

    let dialogue = place.good(&["job", "show", &summary["results"][0]["job"].to_string(), "--dialogue"]);
    assert!(
        dialogue.contains("version 2 stored") && dialogue.contains("logged in with credential"),
        "{dialogue}"
    );
    assert!(!dialogue.contains(network.devices[0].password.expose_text().unwrap()), "{dialogue}");
    network.lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_misbehave_fail_with_their_reason_and_the_others_are_collected() {
    let failures =
        Failures { listed: [(1, Failing::Refuses), (2, Failing::WrongPassword)].into(), fraction: 0.0 };
    let settings = LabSettings { count: 4, failures, ..LabSettings::default() };
    let Some(network) = Network::new(settings).await else { return };
    let ran = network.place.run(&["backup", "--all", "--set", "retry.attempts=1"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stdout.contains("run 1: 4 devices: 2 changed, 2 failed\n"), "{ran:?}");
    assert!(
        ran.stdout.contains("hint (refused): ") && ran.stdout.contains("hint (auth_failed): "),
        "{ran:?}"
    );
    let failed = network.place.json(&["job", "list", "--outcome", "failed"]);
    assert_eq!(failed.as_array().unwrap().len(), 2);
    network.lab.shutdown().await;
}

#[test]
fn the_lab_writes_an_inventory_that_can_be_imported_and_stops_at_ctrl_c() {
    let place = Place::without_database();
    let mut lab = place
        .command(&["lab", "--devices", "3", "--platform", "frr", "--inventory", "lab.csv"])
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(lab.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "3 simulated devices; Ctrl-C stops them.\n");
    assert!(place.good(&["device", "import", "lab.csv", "--dry-run"]).starts_with("3 devices are good"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(lab.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    assert_eq!(finish(lab).code, 0);
    place.run(&["lab", "--platform", "toaster"]).failed(2, "the lab has no session for platform `toaster`");
    place.run(&["lab", "--failing", "2"]).failed(2, "error: ");
}
