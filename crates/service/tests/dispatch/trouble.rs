//! Gateways that cannot be used: what a job says then.

use crate::liar::Liar;
use crate::station::{Station, Wish, certificate, gateway, only};
use crate::support::quick;
use axum::body::Body;
use netraven_device::{Access, CollectRequest, Gateway};
use netraven_model::{ErrorCode, Failure, Login, Protocol, Target};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use netraven_service::{Collector, GatewaySettings, ask_gateway};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const FINE: &str = r#"{"protocol": 1, "version": "0.0.0", "active": 0, "waiting": 0, "capacity": 10}"#;

/// What becomes of a backup by these gateways. No device is ever reached.
async fn failure<const N: usize>(gateways: [(&str, GatewaySettings); N]) -> Failure {
    let local = Gateway::new(netraven_device::DeviceSettings { max_output: 1 << 20, ..quick().device });
    let collector = Collector::new(Arc::new(local), only(gateways));
    let target = Target {
        device: None,
        uuid: Uuid::nil(),
        hostname: "r1".into(),
        address: "127.0.0.1".into(),
        protocol: Protocol::Ssh,
        port: 9,
        platform: "frr".into(),
    };
    let login = Login { username: "ops".into(), password: Some("canary".into()), ..Login::default() };
    let request = CollectRequest {
        job: None,
        access: Access::new(target, login),
        platform: Platforms::shipped().unwrap().get("frr").unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    };
    let failure = collector.collect(&request).await.result.unwrap_err();
    assert!(!failure.message.contains("canary"), "{failure}");
    failure
}

#[track_caller]
fn says(failure: &Failure, code: ErrorCode, words: &[&str]) {
    assert_eq!(failure.code, code, "{failure}");
    for word in words {
        assert!(failure.message.contains(word), "'{word}' is not in: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_one_without_the_right_are_told_apart() {
    let station = Station::new().await;
    let wrong = GatewaySettings { key: Some("wrong".into()), ..station.settings(&[]) };
    assert!(ask_gateway("g", &wrong).await.unwrap_err().contains("scheduler's key (403)"));
    says(
        &failure([("g", wrong)]).await,
        ErrorCode::GatewayRefused,
        &["gateway g", "scheduler's key (403)", "Invalid"],
    );
    let plain = Station::with(Wish { rights: vec![], ..Wish::default() }).await;
    says(
        &failure([("g", plain.settings(&[]))]).await,
        ErrorCode::GatewayRefused,
        &["right `jobs`", "--right jobs"],
    );
    let mut missing = station.settings(&[]);
    (missing.key, missing.key_file) = (None, Some("/nonexistent/key".into()));
    says(&failure([("g", missing)]).await, ErrorCode::GatewayRefused, &["/nonexistent/key", "No such file"]);
    assert_eq!(ask_gateway("g", &station.settings(&[])).await.unwrap().capacity, 200);
    station.stop().await;
    plain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_told() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let station = Station::with(Wish { tls: Some(certificate(folder.path())), ..Wish::default() }).await;
    certificate(other.path());
    for ca_file in [None, Some(other.path().join("cert.pem"))] {
        let settings = GatewaySettings { ca_file, ..station.settings(&[]) };
        says(&failure([("g", settings)]).await, ErrorCode::GatewayRefused, &["certificate", "g:"]);
    }
    let missing = GatewaySettings { ca_file: Some("/nonexistent.pem".into()), ..station.settings(&[]) };
    says(&failure([("g", missing)]).await, ErrorCode::GatewayRefused, &["/nonexistent.pem"]);
    let plain = Station::new().await;
    let url = plain.settings(&[]).url.replace("http:", "https:");
    says(&failure([("g", gateway(url, &[], "k"))]).await, ErrorCode::GatewayRefused, &["TLS"]);
    station.stop().await;
    plain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_release_says_so() {
    let newer = Liar::new(&FINE[..0], || Body::from("{}\n")).await;
    let url = format!("http://{}", newer.address);
    assert!(ask_gateway("g", &gateway(url, &[], "k")).await.unwrap_err().contains("no state of a gateway"));
    const NEWER: &str = r#"{"protocol": 2, "version": "9.9.9", "active": 0, "waiting": 0, "capacity": 10}"#;
    let newer = Liar::new(NEWER, || Body::from("{}\n")).await;
    let url = format!("http://{}", newer.address);
    let said = ask_gateway("g", &gateway(url, &[], "k")).await.unwrap_err();
    assert!(said.contains("protocol 2 (NetRaven 9.9.9)") && said.contains("protocol 1"), "{said}");
    // What takes no jobs at all: a web server.
    let station = Station::new().await;
    let body = r#"{"protocol": 7, "job": null, "within": 1, "access": {}, "task": {"kind": "recognise"}}"#;
    let sent = reqwest_post(&station, body).await;
    assert!(sent.contains("422") && sent.contains("access"), "{sent}");
    station.stop().await;
}

/// One request as somebody else's client would send it.
async fn reqwest_post(station: &Station, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(station.server.address()).await.unwrap();
    let head = format!(
        "POST /jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        station.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_too_large_or_none_fail_the_job_and_not_the_gateway() {
    let large = Liar::new(FINE, || Body::from(vec![b' '; 8 << 20])).await;
    let of = |liar: &Liar| gateway(format!("http://{}", liar.address), &[], "k");
    says(
        &failure([("g", of(&large))]).await,
        ErrorCode::OutputTooLarge,
        &["more than", "device.max_output_mib"],
    );
    let nonsense = Liar::new(FINE, || Body::from("canary\n")).await;
    says(&failure([("g", of(&nonsense))]).await, ErrorCode::GatewayRefused, &["no such line"]);
    let cut = Liar::new(FINE, || Body::from("{\"line\": \"alive\"}\n")).await;
    says(&failure([("g", of(&cut))]).await, ErrorCode::GatewayLost, &["ended before the outcome"]);
    const OTHER: &str = concat!(
        r#"{"line": "outcome", "result": {"Ok": {"done": "recognised", "platform": "frr"}}, "learned": null, "profile": null, "#,
        r#""hops": [], "login": "accepted", "events": [], "dialogue": ""}"#,
        "\n"
    );
    let other = Liar::new(FINE, || Body::from(OTHER)).await;
    says(&failure([("g", of(&other))]).await, ErrorCode::GatewayRefused, &["something else"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_or_full_gives_way_to_another_one_of_its_site() {
    let gone = Station::new().await;
    let settings = gone.settings(&[]);
    gone.dies().await;
    says(
        &failure([("g", settings.clone())]).await,
        ErrorCode::GatewayUnavailable,
        &["gateway g", "cannot be reached"],
    );
    let station = Station::new().await;
    let begun = Instant::now();
    // The device is not there, and that is what the other gateway says.
    let failure = failure([("a", settings), ("b", station.settings(&[]))]).await;
    says(&failure, ErrorCode::Refused, &["127.0.0.1"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
    station.stop().await;
}
