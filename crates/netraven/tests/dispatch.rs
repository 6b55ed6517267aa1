//! A scheduler and a gateway as processes of their own: a backup goes from one through the other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::api::address;
use common::{Place, finish};
use netraven_lab::{Lab, LabSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

fn stop(child: Child) -> common::Ran {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    finish(child)
}

/// Until the program says that it runs.
fn until_running(child: &mut Child) {
    let mut line = String::new();
    let read = BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line);
    assert!(read.unwrap() > 0 && line.contains("is running"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_alone_has_a_gateway_elsewhere_back_up_a_device_and_both_stop_in_order() {
    let Some(mut place) = Place::new().await else { return };
    let site = Place::without_database();
    let settings = LabSettings { count: 1, platforms: vec!["frr".into()], ..LabSettings::default() };
    let lab = Lab::start(settings).unwrap();

    let key = site.good(&["gateway", "key", "add", "scheduler", "--right", "jobs"]);
    let off = ["--set", "gateway.database=off", "--set", "gateway.listen=127.0.0.1:0"];
    let mut gateway = site.command(&[&["serve", "gateway"][..], &off].concat()).spawn().unwrap();
    let address = address(&mut gateway);
    let file = place.file("site.key", key.trim());
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.display();
    let gateways = format!("site-1: {{url: 'http://{address}', key_file: {file}, max_sessions: 7}}");
    place.file("site.yaml", format!("scheduler:\n  gateways:\n    {gateways}\n"));
    let folder = place.folder().to_str().unwrap().to_owned();
    place.variables = vec![("NETRAVEN_ENV", "site".to_owned()), ("NETRAVEN_CONFIG_DIR", folder)];

    let listed = place.json(&["gateway", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["usable"]), (&json!("site-1"), &json!(true)), "{listed}");
    assert_eq!(listed[0]["version"], env!("CARGO_PKG_VERSION"), "{listed}");
    let shown = place.good(&["gateway", "list"]);
    assert!(shown.contains("0 of 7") && shown.contains("speaks to no devices"), "{shown}");

    place.enter(&lab.devices());
    let mut scheduler = place.command(&["serve", "scheduler"]).spawn().unwrap();
    until_running(&mut scheduler);
    let name = &lab.devices()[0].hostname;
    place.good(&["backup", "--device", name]);
    assert_eq!(place.json(&["config", "log", name]).as_array().map(Vec::len), Some(1));
    let ran = stop(scheduler);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = stop(gateway);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("/jobs"), "{ran:?}");
    for secret in [key.trim(), "netraven-lab"] {
        assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{ran:?}");
    }
    // The gateway is gone, and that is said.
    let listed = place.json(&["gateway", "list"]);
    assert_eq!(listed[0]["usable"], false, "{listed}");
    assert!(listed[0]["error"].as_str().unwrap().contains("cannot be reached"), "{listed}");
    lab.shutdown().await;
}
