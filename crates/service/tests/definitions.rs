//! What becomes of devices whose platform is not known yet, and of versions when a definition changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::LabSettings;
use netraven_model::ErrorCode;
use netraven_platform::Platforms;
use netraven_store::devices::{self, DeviceChange};
use netraven_store::{jobs, logs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::House;

const PLATFORMS: [&str; 5] = ["cisco_ios", "arista_eos", "juniper_junos", "frr", "linux"];

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_unknown_platform_are_recognised_once_and_backed_up() {
    let platforms = PLATFORMS.map(str::to_owned).to_vec();
    let settings = LabSettings { count: 5, platforms, ..LabSettings::default() };
    let Some((house, lab)) = House::with_lab(settings).await else { return };
    for device in lab.devices() {
        let change = DeviceChange { device_type: Some("auto".into()), ..DeviceChange::default() };
        devices::update(&house.store, &device.hostname, change).await.unwrap();
    }
    let worker = house.worker(|_| {});
    let first = house.back_up().await;
    for device in lab.devices() {
        let found = devices::get(&house.store, &device.hostname).await.unwrap();
        assert_eq!(found.device_type, device.platform, "{:?}", found.last_error);
    }
    assert_eq!(first.changed, 5);
    let sessions: Vec<_> = lab.devices().iter().map(|d| lab.counters(d.index).unwrap().sessions).collect();
    assert_eq!(house.back_up().await.unchanged, 5);
    for (device, before) in lab.devices().iter().zip(sessions) {
        assert_eq!(lab.counters(device.index).unwrap().sessions, before + 1, "it is not asked again");
    }
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

/// The shipped definition of IOS with a text replaced.
fn changed_definition(folder: &Path, from: &str, to: &str) -> Arc<Platforms> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms/cisco_ios/platform.yaml");
    let text = std::fs::read_to_string(shipped).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(folder.join("cisco_ios.yaml"), text.replacen(from, to, 1)).unwrap();
    Arc::new(Platforms::load(Some(folder)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_is_no_change_of_the_device() {
    let settings = LabSettings { count: 2, platforms: vec!["cisco_ios".into()], ..LabSettings::default() };
    let Some((house, lab)) = House::with_lab(settings).await else { return };
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.changed, 2);
    worker.stop(Duration::from_secs(5)).await;

    // From now on descriptions are secrets, and routes mean nothing.
    let folder = tempfile::tempdir().unwrap();
    let rules = "volatile:\n  - '^ip route .*\\n'\n";
    let secret = "secrets:\n  - {pattern: '^\\s*description (?<secret>\\S+)', hide: [' description «x»']}\n";
    let platforms = changed_definition(folder.path(), "volatile:\n", rules);
    let text = std::fs::read_to_string(folder.path().join("cisco_ios.yaml")).unwrap();
    std::fs::write(folder.path().join("cisco_ios.yaml"), text.replacen("secrets:\n", secret, 1)).unwrap();
    drop(platforms);
    let platforms = Arc::new(Platforms::load(Some(folder.path())).unwrap());

    assert!(lab.change(0));
    let worker = house.worker_with(platforms, |_| {});
    let second = house.back_up().await;
    assert_eq!((second.changed, second.unchanged), (1, 1), "only the device that somebody changed");
    assert_eq!(house.back_up().await.unchanged, 2, "and then nothing more");
    worker.stop(Duration::from_secs(5)).await;

    let [changed, same] = [&lab.devices()[0], &lab.devices()[1]];
    let versions = house.versions(&same.hostname).await;
    assert_eq!(versions.len(), 2);
    assert_eq!(
        (versions[0].flags.as_slice(), versions[1].flags.len()),
        (&["rules_changed".to_owned()][..], 0)
    );
    let newest = house.newest(&same.hostname).await;
    let text = String::from_utf8(newest.parts.last().unwrap().content.clone()).unwrap();
    assert!(text.contains("description <secret:"), "{text}");
    assert!(house.versions(&changed.hostname).await[0].flags.is_empty());

    let device = devices::get(&house.store, &same.hostname).await.unwrap();
    let filter = jobs::JobFilter { device: Some(device.id), ..jobs::JobFilter::default() };
    let all = jobs::list(&house.store, &filter).await.unwrap();
    let mut names = Vec::new();
    for job in all {
        names.extend(
            logs::job_events(&house.store, job.id).await.unwrap().into_iter().map(|event| event.event),
        );
    }
    assert_eq!(names.iter().filter(|name| *name == "version_stored").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "rules_changed").count(), 1, "{names:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_nobody_knows_says_what_it_was_asked() {
    let settings = LabSettings { count: 1, platforms: vec!["cisco_ios".into()], ..LabSettings::default() };
    let Some((house, lab)) = House::with_lab(settings).await else { return };
    let device = lab.devices()[0].hostname.clone();
    let change = DeviceChange { device_type: Some("auto".into()), ..DeviceChange::default() };
    devices::update(&house.store, &device, change).await.unwrap();
    // Definitions that know nothing of Cisco.
    let folder = tempfile::tempdir().unwrap();
    let eos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms/arista_eos/platform.yaml");
    std::fs::copy(eos, folder.path().join("arista_eos.yaml")).unwrap();
    let platforms = Arc::new(Platforms::of_folder(folder.path()).unwrap());
    let worker = house.worker_with(platforms, |_| {});
    assert_eq!(house.back_up().await.failed, 1);
    worker.stop(Duration::from_secs(5)).await;
    let device = devices::get(&house.store, &device).await.unwrap();
    assert_eq!(device.device_type, "auto");
    assert_eq!(device.last_error_code.as_deref(), Some(ErrorCode::UnknownPlatform.as_str()));
    let error = device.last_error.unwrap();
    assert!(error.contains("`show version`") && error.contains("no definition fits"), "{error}");
    lab.shutdown().await;
}
