use crate::client::post;
use crate::place::{Place, backup, lab};
use netraven_lab::{Failing, Failures};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

#[tokio::test]
async fn a_batch_streams_one_line_per_device_failures_included() {
    let place = Place::new().await;
    let lab = lab(&["frr"; 5], |settings| {
        settings.failures = Failures { listed: [(3, Failing::Refuses)].into(), fraction: 0.0 };
    });
    let mut devices: Vec<Value> = lab.devices().iter().map(backup).collect();
    devices[4]["port"] = json!(0);
    let reply = place.post("/collect-batch", &json!({"devices": devices})).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    let text = reply.text();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["index"].as_u64());
    assert_eq!(lines.len(), 5);
    for line in &lines[..3] {
        assert_eq!(line["answer"]["success"], true, "{line}");
    }
    assert_eq!(lines[3]["answer"]["error_code"], "refused");
    assert_eq!(lines[4]["detail"], "port: expected a number from 1 to 65535");
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let place = Place::with(None, |settings| settings.limits.batch_devices = 2).await;
    let lab = lab(&["frr"], |_| {});
    let device = backup(&lab.device(0).unwrap());
    for devices in [json!([]), json!([device, device, device])] {
        let reply = place.post("/collect-batch", &json!({"devices": devices})).await;
        assert_eq!((reply.status, reply.detail().as_str()), (422, "devices: expected 1 to 2 devices"));
    }
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_its_sessions_within_a_second() {
    let place = Place::new().await;
    let lab = lab(&["frr"; 8], |settings| settings.think_time = Duration::from_secs(50));
    let devices: Vec<Value> = lab.devices().iter().map(backup).collect();
    for path in ["/collect-batch", "/collect"] {
        let body = match path {
            "/collect" => devices[0].to_string(),
            _ => json!({"devices": devices}).to_string(),
        };
        let mut stream = TcpStream::connect(place.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            place.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let expected = if path == "/collect" { 1 } else { 8 };
        until(async || lab.open_connections() == expected).await;
        if path == "/collect-batch" {
            // The answer has begun, and nothing of it is there yet.
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).await.unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200");
        }
        drop(stream);
        let left = Instant::now();
        until(async || place.status().await["active_connections"] == 0).await;
        assert!(left.elapsed() < Duration::from_secs(1), "{path}: {:?}", left.elapsed());
        until(async || lab.open_connections() == 0).await;
    }
    assert_eq!(place.status().await["cancelled_commands"], 9);
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn stopping_breaks_off_what_does_not_end_within_the_grace() {
    let place = Place::new().await;
    let lab = lab(&["frr"], |settings| settings.think_time = Duration::from_secs(50));
    let (address, key, body) = (place.address, place.key.clone(), backup(&lab.device(0).unwrap()));
    let waits = tokio::spawn(async move { post(address, "/collect", &key, &body).await });
    until(async || lab.open_connections() == 1).await;
    let begin = Instant::now();
    place.server.stop(Duration::from_millis(100)).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(waits.await.is_err(), "the connection is closed");
    until(async || lab.open_connections() == 0).await;
    lab.shutdown().await;
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done().await {
        assert!(Instant::now() < deadline, "it never came so far");
        sleep(Duration::from_millis(10)).await;
    }
}
