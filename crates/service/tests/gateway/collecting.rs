use crate::client::get;
use crate::place::{Place, backup, lab};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_seal::{Fingerprint, WrappedKey};
use netraven_vault::Vault;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn a_backup_comes_in_parts_without_secrets_and_an_unchanged_one_is_not_sent_again() {
    let (place, lab) = (Place::new().await, lab(&["cisco_ios"], |_| {}));
    let request = backup(&lab.device(0).unwrap());
    let answer = place.post("/collect", &request).await.json();
    assert_eq!((&answer["success"], &answer["changed"]), (&json!(true), &json!(true)), "{answer}");
    let parts = answer["parts"].as_array().unwrap();
    let config = parts.iter().find(|part| part["kind"] == "config").unwrap();
    let text = config["text"].as_str().unwrap();
    assert!(text.contains("<secret:") && config["secrets"].as_u64().unwrap() > 0, "{text}");
    assert!(
        answer["facts"]["hostname"].is_string() && answer["facts"]["software_version"].is_string(),
        "{answer}"
    );
    assert_eq!(answer["flags"], json!([]));
    let size: u64 = parts.iter().map(|part| part["text"].as_str().unwrap().len() as u64).sum();
    assert_eq!(answer["size"], size);

    let mut again = request.clone();
    again["previous"] = json!({"significant_hash": answer["significant_hash"], "size": answer["size"]});
    let answer = place.post("/collect", &again).await.json();
    assert_eq!((&answer["changed"], &answer["parts"]), (&json!(false), &json!([])), "{answer}");

    lab.change(0);
    let answer = place.post("/collect", &again).await.json();
    assert_eq!(answer["changed"], true, "{answer}");
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn values_of_secrets_come_sealed_to_the_callers_key() {
    let (place, lab) = (Place::new().await, lab(&["cisco_ios"], |_| {}));
    let mut request = backup(&lab.device(0).unwrap());
    let plain = place.post("/collect", &request).await.json();
    assert_eq!(plain["sealed_secrets"], Value::Null, "nobody asked for them");
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(&folder.path().join("master.key")).unwrap();
    let device = Uuid::new_v4();
    let public = vault.sealing(device, false).public;
    let sealing = json!({"device_uuid": device, "key_number": public.number, "public_key": STANDARD.encode(public.bytes)});
    request["sealing"] = sealing.clone();
    let answer = place.post("/collect", &request).await.json();
    let sealed = &answer["sealed_secrets"];
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let key = WrappedKey {
        id: sealed["key_id"].as_str().unwrap().parse().unwrap(),
        number: public.number,
        wrapped: bytes(&sealed["wrapped_key"]),
    };
    let key = vault.open_capture(device, &key).unwrap();
    let values = sealed["values"].as_array().unwrap();
    assert!(!values.is_empty());
    let text = answer["parts"].to_string();
    for value in values {
        let fingerprint = value["fingerprint"].as_str().unwrap();
        let opened = Fingerprint::from_hex(fingerprint.as_bytes()).unwrap();
        let opened = key.open(opened, &bytes(&value["ciphertext"])).unwrap();
        assert!(!text.contains(opened.expose_text().unwrap()) && text.contains(fingerprint));
    }
    for (field, wrong) in [("public_key", json!("AAAA")), ("site_fingerprint_key", json!("canary"))] {
        request["sealing"] = sealing.clone();
        request["sealing"][field] = wrong;
        let reply = place.post("/collect", &request).await;
        let detail = format!("sealing.{field}: expected 32 bytes in base64");
        assert_eq!((reply.status, reply.detail()), (422, detail));
    }
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_backup_needs_a_key_for_fingerprints_that_is_one() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    let request = backup(&lab.device(0).unwrap());
    for (wrong, detail) in [
        (json!("canary"), "fingerprint_key: expected 32 bytes in base64"),
        (json!("AAAA"), "fingerprint_key: expected 32 bytes in base64"),
        (json!(12345), "fingerprint_key: expected a string"),
        (Value::Null, "fingerprint_key: expected 32 bytes in base64"),
    ] {
        let mut request = request.clone();
        request["fingerprint_key"] = wrong;
        let reply = place.post("/collect", &request).await;
        assert_eq!((reply.status, reply.detail().as_str()), (422, detail));
    }
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn the_last_dialogue_of_a_job_is_found_also_without_a_database() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    let mut request = backup(&lab.device(0).unwrap());
    request["job_id"] = json!(77);
    place.post("/collect", &request).await;
    let key = [("x-api-key", place.key.as_str())];
    let log = get(place.address, "/connection-log/77", &key).await.json();
    assert_eq!((&log["job_id"], &log["device_id"]), (&json!(77), &json!(null)));
    assert!(log["log"].as_str().unwrap().contains("show running-config"), "{log}");
    assert!(log["timestamp"].is_string());
    let missing = get(place.address, "/connection-log/78", &key).await;
    assert_eq!((missing.status, missing.detail().as_str()), (404, "Log not found"));
    let wrong = get(place.address, "/connection-log/x", &key).await;
    assert_eq!((wrong.status, wrong.detail().as_str()), (422, "job_id: expected a number"));
    place.stop().await;
    lab.shutdown().await;
}
