//! How devices are reached: protocols, profiles, jump hosts, and keys of addresses outside the inventory.

use crate::support::{changed, finished, fixture, is_invalid, new_device};
use netraven_model::{CertificateCheck, HostKey, Protocol, SshProfile};
use netraven_store::devices::{self, DeviceChange, NewDevice, OnExisting, Reach};
use netraven_store::jobs::{Finished, Recognised, TargetSelection};

fn behind(name: &str, jump_host: &str) -> NewDevice {
    let reach = Reach { jump_host: Some(jump_host.into()), ..Reach::default() };
    NewDevice { reach, ..new_device(name) }
}

fn change(reach: Reach) -> DeviceChange {
    DeviceChange { reach, ..DeviceChange::default() }
}

#[tokio::test]
async fn a_claim_brings_the_way_to_the_device_with_what_each_hop_needs() {
    let Some(fixture) = fixture().await else { return };
    // In one import, the devices before their jump hosts.
    let new = vec![behind("a-far", "b-near"), behind("b-near", "c-gate"), new_device("c-gate")];
    devices::add_many(&fixture.store, new, OnExisting::Fail).await.unwrap();
    fixture.add_credential("gate", 10, &["default"]).await;
    let telnet = Reach {
        protocol: Some(Protocol::Telnet),
        ssh_profile: Some(Some(SshProfile::Legacy)),
        tls: Some("insecure".into()),
        tls_legacy: Some(true),
        ..Reach::default()
    };
    let far = devices::update(&fixture.store, "a-far", change(telnet)).await.unwrap();
    assert_eq!((far.protocol, far.ssh_profile), (Protocol::Telnet, Some(SshProfile::Legacy)));
    assert_eq!(
        (far.tls.as_str(), far.tls_legacy, far.jump_host.as_deref()),
        ("insecure", true, Some("b-near"))
    );
    fixture.run(TargetSelection::All).await;
    let claimed = fixture.claim(10).await;
    let far = claimed.iter().find(|job| job.target.hostname == "a-far").unwrap();
    assert_eq!((far.target.protocol, far.target.port), (Protocol::Telnet, 23));
    assert_eq!(far.ssh_profile, Some(SshProfile::Legacy));
    assert_eq!((far.tls.certificate, far.tls.legacy), (CertificateCheck::Off, true));
    let way = netraven_store::jobs::way(&fixture.store, far.device).await.unwrap();
    assert_eq!(way.len(), far.via.len());
    let way: Vec<_> = far.via.iter().map(|hop| hop.target.hostname.as_str()).collect();
    assert_eq!(way, ["c-gate", "b-near"], "the first hop first");
    assert!(far.via.iter().all(|hop| hop.credentials.len() == 1 && hop.host_keys.is_empty()));
    let gate = claimed.iter().find(|job| job.target.hostname == "c-gate").unwrap();
    assert!(gate.via.is_empty() && gate.target.protocol == Protocol::Ssh);
}

#[tokio::test]
async fn a_jump_host_must_exist_and_not_lie_behind_itself_and_cannot_be_removed_while_it_is_one() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    assert!(is_invalid(devices::add(store, behind("r1", "nowhere")).await));
    assert!(devices::get(store, "r1").await.is_err(), "all or nothing");
    devices::add(store, new_device("r1")).await.unwrap();
    devices::add(store, behind("r2", "r1")).await.unwrap();
    let through = |name: &str| change(Reach { jump_host: Some(name.into()), ..Reach::default() });
    assert!(is_invalid(devices::update(store, "r1", through("r2")).await));
    assert!(devices::update(store, "r1", through("r1")).await.is_err());
    let refusal = devices::remove(store, "r1").await.unwrap_err().to_string();
    assert!(refusal.contains("1 devices are reached through it"), "{refusal}");
    assert_eq!(devices::update(store, "r2", through("")).await.unwrap().jump_host, None);
    devices::remove(store, "r1").await.unwrap();
}

#[tokio::test]
async fn an_import_that_names_no_way_leaves_the_way_as_it_is() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    devices::add(store, new_device("gate")).await.unwrap();
    devices::add(store, behind("r1", "gate")).await.unwrap();
    devices::add_many(store, vec![new_device("r1")], OnExisting::Update).await.unwrap();
    assert_eq!(devices::get(store, "r1").await.unwrap().jump_host.as_deref(), Some("gate"));
}

#[tokio::test]
async fn the_profile_of_the_first_contact_is_kept_until_a_person_says_otherwise() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for (learned, known) in [
        (Some(SshProfile::Compatible), Some(SshProfile::Compatible)),
        (Some(SshProfile::Legacy), Some(SshProfile::Compatible)),
    ] {
        let job = fixture.claim_new().await;
        let done = finished(&job, changed(learned.unwrap().as_str()));
        fixture.finish_one(netraven_store::jobs::Finished { ssh_profile: learned, ..done }).await;
        assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().ssh_profile, known);
    }
    let anew = change(Reach { ssh_profile: Some(None), ..Reach::default() });
    assert_eq!(devices::update(&fixture.store, "r1", anew).await.unwrap().ssh_profile, None);
}

#[tokio::test]
async fn an_address_outside_the_inventory_is_trusted_with_its_first_key_only() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    let key =
        |name: &str| HostKey { algorithm: "ssh-ed25519".into(), key: name.into(), fingerprint: name.into() };
    assert!(devices::known_host(store, "192.0.2.7", 22).await.unwrap().is_empty());
    for name in ["first", "second"] {
        devices::remember_host(store, "192.0.2.7", 22, &key(name)).await.unwrap();
    }
    assert_eq!(devices::known_host(store, "192.0.2.7", 22).await.unwrap(), [key("first")]);
    assert!(devices::known_host(store, "192.0.2.7", 2222).await.unwrap().is_empty());
    assert_eq!(devices::forget_host(store, "192.0.2.7", 22).await.unwrap(), 1);
}

#[tokio::test]
async fn a_recognised_device_is_looked_for_where_it_was_found_unless_the_inventory_names_a_port() {
    let Some(fixture) = fixture().await else { return };
    for (name, port) in [("r1", None), ("r2", Some(2222))] {
        let new = NewDevice { device_type: "auto".into(), port, ..new_device(name) };
        devices::add(&fixture.store, new).await.unwrap();
    }
    fixture.run(TargetSelection::All).await;
    for job in fixture.claim(2).await {
        assert_eq!(job.port.is_some(), job.target.hostname == "r2");
        let recognised = Some(Recognised { platform: "watchguard_fireware".into(), port: Some(22) });
        fixture.finish_one(Finished { recognised, ..finished(&job, changed("x\n")) }).await;
    }
    for (name, port) in [("r1", 22), ("r2", 2222)] {
        let device = devices::get(&fixture.store, name).await.unwrap();
        assert_eq!((device.device_type.as_str(), device.port), ("watchguard_fireware", Some(port)));
    }
}

#[tokio::test]
async fn the_usual_protocol_counts_for_new_devices_only() {
    let Some(fixture) = fixture().await else { return };
    let usual = Reach { usual_protocol: Some(Protocol::Http), ..Reach::default() };
    let new = |name: &str| NewDevice { reach: usual.clone(), ..new_device(name) };
    devices::add(&fixture.store, new_device("r1")).await.unwrap();
    devices::add_many(&fixture.store, vec![new("r1"), new("r2")], OnExisting::Update).await.unwrap();
    for (name, protocol) in [("r1", Protocol::Ssh), ("r2", Protocol::Http)] {
        assert_eq!(devices::get(&fixture.store, name).await.unwrap().protocol, protocol);
    }
}
