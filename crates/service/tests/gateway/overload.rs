use crate::client::{get, post};
use crate::place::{Place, command, lab};
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test]
async fn what_there_is_no_room_for_is_sent_away_with_503_and_a_time() {
    let place = Place::with(None, |settings| {
        settings.limits.parallel = 1;
        settings.limits.queue = 1;
        settings.limits.queue_wait = Duration::from_secs(2);
    })
    .await;
    let lab = lab(&["frr"], |settings| settings.think_time = Duration::from_secs(20));
    let (address, key) = (place.address, place.key.clone());
    let body = command(&lab.device(0).unwrap(), "show version");
    let call = |body: serde_json::Value| {
        let key = key.clone();
        tokio::spawn(async move { post(address, "/execute-command", &key, &body).await })
    };
    let first = call(body.clone());
    until(&place, "active_connections").await;
    let second = call(body.clone());
    until(&place, "queued_jobs").await;
    // The room is taken and so is the queue.
    let third = place.post("/execute-command", &body).await;
    assert_eq!((third.status, third.header("retry-after")), (503, Some("2")), "{}", third.text());
    assert_eq!(third.detail(), "the gateway is busy with other requests");
    // Who waits, waits so long only.
    assert_eq!(second.await.unwrap().status, 503);
    first.abort();
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up() {
    let place = Place::with(None, |settings| settings.limits.rate = 2).await;
    let mut refused = None;
    for _ in 0..50 {
        let reply = get(place.address, "/ready", &[("x-api-key", &place.key)]).await;
        if reply.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("50 requests at once are too many");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text());
    assert_eq!(get(place.address, "/ready", &[("x-api-key", &place.raw_key)]).await.status, 200);
    place.stop().await;
}

#[tokio::test]
async fn numbers_are_there_for_prometheus() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    place.execute(&command(&lab.device(0).unwrap(), "show version")).await;
    get(place.address, "/nothing/at/all", &[]).await;
    let reply = get(place.address, "/metrics", &[("x-api-key", &place.key)]).await;
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = reply.text();
    for line in [
        r#"netraven_gateway_requests_total{route="/execute-command",method="POST",status="200"} 1"#,
        r#"netraven_gateway_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"netraven_gateway_sessions_total{platform="frr",outcome="success"} 1"#,
        "netraven_gateway_active_sessions 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    place.stop().await;
    lab.shutdown().await;
}

async fn until(place: &Place, figure: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.status().await[figure] != 1 {
        assert!(Instant::now() < deadline, "{figure} never became 1");
        sleep(Duration::from_millis(10)).await;
    }
}
