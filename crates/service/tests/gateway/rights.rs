use crate::client::{get, post, send};
use crate::place::{Place, command, lab};
use serde_json::{Value, json};

#[tokio::test]
async fn the_document_tells_of_every_route_and_only_two_are_open() {
    let place = Place::new().await;
    let key = [("x-api-key", place.key.as_str())];
    let document = get(place.address, "/openapi.json", &key).await.json();
    let (mut open, mut closed, mut for_schedulers) = (Vec::new(), Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let declared = operation["security"].as_array().map_or(0, Vec::len);
            let (path, method) = (path.replace("{job_id}", "1"), method.to_uppercase());
            let reply = send(place.address, &method, &path, &[], Vec::new()).await;
            if declared == 0 {
                assert_eq!(reply.status, 200, "{path} is open");
                open.push(path);
            } else {
                assert_eq!(
                    (reply.status, reply.detail().as_str()),
                    (403, "Invalid or missing API Key"),
                    "{path}"
                );
                assert_eq!(operation["security"], json!([{"api_key": []}, {"token": []}]), "{path}");
                let wrong = send(place.address, &method, &path, &[("x-api-key", "x")], Vec::new());
                assert_eq!(wrong.await.status, 403, "{path}");
                let right = send(place.address, &method, &path, &key, Vec::new()).await;
                if right.status == 403 {
                    assert!(right.detail().contains("right `jobs`"), "{path}: {}", right.text());
                    for_schedulers.push(format!("{method} {path}"));
                } else {
                    closed.push(path);
                }
            }
        }
    }
    assert_eq!(open, ["/health", "/status"]);
    let expected = [
        "/collect",
        "/collect-batch",
        "/connection-log/1",
        "/execute-command",
        "/metrics",
        "/openapi.json",
        "/ready",
    ];
    assert_eq!(closed, expected);
    assert_eq!(for_schedulers, ["GET /jobs", "POST /jobs", "POST /jobs/login"]);
    let health = get(place.address, "/health", &[]).await;
    assert_eq!(health.text(), r#"{"status":"ok"}"#);
    let ready = get(place.address, "/ready", &key).await.json();
    assert_eq!((&ready["status"], &ready["database"]), (&json!("ready"), &json!("none")));
    place.stop().await;
}

#[tokio::test]
async fn secrets_in_answers_are_for_those_with_the_right_to_see_them() {
    let (place, lab) = (Place::new().await, lab(&["cisco_ios"], |_| {}));
    let request = command(&lab.device(0).unwrap(), "show running-config");
    let redacted = place.execute(&request).await["result"].as_str().unwrap().to_owned();
    let raw: Value = post(place.address, "/execute-command", &place.raw_key, &request).await.json();
    let raw = raw["result"].as_str().unwrap().to_owned();
    let hidden: Vec<_> = raw.lines().filter(|line| !redacted.contains(line)).collect();
    assert!(hidden.iter().any(|line| line.contains("secret") || line.contains("community")), "{hidden:?}");
    assert!(!redacted.contains("$1$") && !redacted.contains("$9$"), "{redacted}");
    // The key of the settings has no such right either.
    let settings: Value =
        post(place.address, "/execute-command", "key-of-the-settings", &request).await.json();
    // The device's clock goes on between two answers.
    let moves = |line: &&str| line.starts_with('!') || line.starts_with("ntp clock-period");
    let commands =
        |text: &str| text.lines().filter(|line| !moves(line)).map(str::to_owned).collect::<Vec<_>>();
    let shown = settings["result"].as_str().unwrap();
    assert_eq!(commands(shown), commands(&redacted));
    place.stop().await;
    lab.shutdown().await;
}
