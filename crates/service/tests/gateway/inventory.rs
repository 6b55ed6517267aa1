//! With a database behind it.

use crate::client::get;
use crate::place::{Place, command, lab, shown};
use crate::support::House;
use netraven_lab::LabSettings;
use netraven_model::DeviceId;
use netraven_service::gateway::ApiStores;
use netraven_store::{devices, logs};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

pub async fn with_database(house: &House) -> Place {
    let spools = tempfile::tempdir().unwrap();
    let (gateway, joblog) = (house.stores.gateway.clone(), house.stores.joblog.clone());
    let stores = ApiStores { gateway, joblog, spool: spools.path().join("joblog.spool") };
    Place { _spools: Some(spools), ..Place::with(Some(stores), |_| {}).await }
}

#[tokio::test]
async fn a_device_of_the_inventory_brings_its_platform_port_and_host_key() {
    let settings = LabSettings { count: 2, platforms: vec!["frr".into()], ..LabSettings::default() };
    let Some((house, lab)) = House::with_lab(settings).await else { return };
    let place = with_database(&house).await;
    let device = lab.device(0).unwrap();
    let known = devices::get(&house.store, &device.hostname).await.unwrap();
    let request = |id: Value, ip: String| {
        json!({
            "device_id": id, "ip": ip, "command": "show version", "job_id": 9001,
            "credential": {"username": device.username, "password": shown(&device.password)},
        })
    };
    for id in [json!(known.id.0), json!(known.uuid), json!(device.hostname)] {
        let answer = place.execute(&request(id, device.address.to_string())).await;
        assert_eq!((&answer["success"], &answer["device_type"]), (&json!(true), &json!("frr")), "{answer}");
    }
    let keys = devices::host_keys(&house.store, known.id).await.unwrap();
    assert_eq!(keys.len(), 1, "the first contact was remembered");

    // Another address must show the same key, and teaches none.
    let other = lab.device(1).unwrap();
    let answer = place.execute(&request(json!(known.id.0), other.address.to_string())).await;
    assert_eq!(answer["error_code"], "host_key_changed", "{answer}");
    let second = devices::get(&house.store, &other.hostname).await.unwrap();
    place.execute(&request(json!(second.id.0), device.address.to_string())).await;
    assert_eq!(devices::host_keys(&house.store, second.id).await.unwrap(), []);

    let key = [("x-api-key", place.key.as_str())];
    let log = get(place.address, "/connection-log/9001", &key).await.json();
    assert_eq!(log["job_id"], 9001);
    assert_eq!(get(place.address, "/ready", &key).await.json()["database"], "reachable");
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn what_happened_reaches_the_job_log_also_for_a_device_that_is_in_no_inventory() {
    let Some(house) = House::new().await else { return };
    let (place, lab) = (with_database(&house).await, lab(&["frr"], |_| {}));
    let mut request = command(&lab.device(0).unwrap(), "show version");
    request["job_id"] = json!(9002);
    assert_eq!(place.execute(&request).await["success"], true);
    let key = [("x-api-key", place.key.as_str())];
    let log = get(place.address, "/connection-log/9002", &key).await.json();
    assert_eq!((&log["device_id"], &log["job_id"]), (&json!(null), &json!(9002)));
    place.stop().await;

    let job = netraven_model::JobId(9002);
    let events = logs::job_events(&house.store, job).await.unwrap();
    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert!(names.contains(&"logged_in") && names.contains(&"command_output"), "{names:?}");
    assert!(events.iter().all(|event| event.device.is_none()));
    let stored = logs::connection_log(&house.store, job).await.unwrap().unwrap();
    assert_eq!(stored.log, log["log"].as_str().unwrap());
    lab.shutdown().await;
}

#[tokio::test]
async fn a_log_that_another_process_wrote_is_found() {
    let Some(house) = House::new().await else { return };
    let place = with_database(&house).await;
    let job = netraven_model::JobId(5);
    let written =
        logs::Dialogue::new(Some(job), Some(DeviceId(3)), chrono::Utc::now(), "> show version".into());
    logs::write(&house.stores.joblog, &[], &[&written]).await.unwrap();
    let key = [("x-api-key", place.key.as_str())];
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let reply = get(place.address, "/connection-log/5", &key).await;
        if reply.status == 200 {
            let log = reply.json();
            assert_eq!((&log["device_id"], &log["log"]), (&json!(3), &json!("> show version")));
            break;
        }
        assert!(Instant::now() < deadline, "{}", reply.text());
        sleep(Duration::from_millis(50)).await;
    }
    place.stop().await;
}
