use crate::client::send;
use crate::place::{Place, many};
use chrono::{TimeDelta, Utc};
use netraven_model::JobId;
use netraven_store::logs;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Ends a test that hangs.
const LONG: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn batches_with_nonsense_are_refused_whole_and_say_what_was_expected() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let good = || serde_json::to_value(&many(1, 0..1)[0]).unwrap();
    let with = |field: &str, value: Value| {
        let mut event = good();
        event[field] = value;
        json!({"events": [good(), event]})
    };
    let at = |delta: TimeDelta| json!(Utc::now() + delta);
    let long = "x".repeat(300_000);
    for (body, expected) in [
        (with("event", json!("canary")), "events[1]: expected one of"),
        (with("event", json!(7)), "events[1]"),
        (with("id", json!("canary")), "events[1]"),
        (with("job", json!("canary")), "events[1]"),
        (with("bytes", json!(-1)), "events[1]: expected u64"),
        (with("command", json!(long)), "events[1].event: expected at most 262144 bytes"),
        (with("timestamp", json!("canary")), "events[1]"),
        (
            with("timestamp", at(TimeDelta::days(2))),
            "events[1].timestamp: expected a time not more than 60 minutes",
        ),
        (
            with("timestamp", at(TimeDelta::days(-400))),
            "events[1].timestamp: expected a time of the last 366 days",
        ),
        (json!({"events": []}), "events: expected 1 to 1000"),
        (json!({}), "events: expected 1 to 1000"),
        (json!({"events": many(1, 0..1001)}), "events: expected 1 to 1000"),
        (json!({"canary": []}), "unknown field"),
        (json!({"dialogues": [{"text": "x"}]}), "dialogues[0]: missing field"),
        (json!([1]), "[0]: expected a sequence"),
    ] {
        let reply = place.post(&body).await;
        let detail = reply.detail();
        assert!(reply.status == 422 && detail.contains(expected), "{expected}: {detail}");
        // Of what was sent the name of a field alone is quoted, as everywhere.
        assert!(!detail.contains("canary") || detail.contains("unknown field"), "{detail}");
    }
    let headers = [("x-api-key", place.writer.as_str()), ("content-type", "application/json")];
    let reply = send(place.address, "POST", "/events", &headers, b"{".to_vec()).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    // Announced only: a body that nobody reads breaks the connection sooner or later.
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: 9000000\r\n\r\n",
        place.writer
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    while !said.contains("joblog.max_body_kib") {
        let mut bytes = [0; 4_096];
        let read = timeout(LONG, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{said}");
        said += &String::from_utf8_lossy(&bytes[..read]);
    }
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert_eq!(logs::job_events(&store, JobId(1)).await.unwrap(), []);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_with_nonsense_are_refused_and_name_the_parameter() {
    let Some((place, _store, _database)) = Place::new().await else { return };
    for (query, status, expected) in [
        ("job=x", 422, "job: expected a number"),
        ("job=-1", 422, "job: expected a number"),
        ("run=99999999999999999999", 422, "run: expected a number"),
        ("run=4711", 404, "there is no run '4711'"),
        ("device=nobody", 404, "there is no device 'nobody'"),
        ("level=loud", 422, "level: expected one of debug, info, warning, error"),
        ("from=yesterday", 422, "from: expected a time as in RFC 3339"),
        ("from=2026-03-01T00:00:00Z&to=2026-02-01T00:00:00Z", 422, "to: expected a time behind `from`"),
        ("limit=0", 422, "limit: expected a number from 1 to 1000"),
        ("limit=1001", 422, "limit: expected a number from 1 to 1000"),
        ("text=", 422, "text: expected 1 to 200 characters"),
        ("before=x", 422, "before: expected what an earlier answer"),
        ("job=1&job=2", 422, "job: expected once"),
        ("colour=red", 422, "expected parameters among job, device"),
    ] {
        for path in ["/logs", "/logs/stream"] {
            // Pages are no matter of those who follow.
            let paged = query.starts_with("limit") || query.starts_with("before");
            let expected = if paged && path != "/logs" { "expected parameters among" } else { expected };
            let reply = place.get(&format!("{path}?{query}")).await;
            let detail = reply.detail();
            assert_eq!(reply.status, status, "{path}?{query}: {detail}");
            assert!(detail.contains(expected), "{path}?{query}: {detail}");
        }
    }
    for (path, status) in [
        ("/runs/x/progress", 422),
        ("/runs/4711/progress", 404),
        ("/runs/4711/stream", 404),
        ("/runs/0/stream", 422),
        ("/nowhere", 404),
    ] {
        let reply = place.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.detail());
    }
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_tells_of_every_route_and_only_two_are_open() {
    let Some((place, _store, _database)) = Place::new().await else { return };
    let document = place.json("/openapi.json").await;
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let asks = operation["security"].as_array().map_or(0, Vec::len);
            let (path, method) = (path.replace("{run_id}", "1"), method.to_uppercase());
            let reply = send(place.address, &method, &path, &[], Vec::new()).await;
            if asks == 0 {
                assert_eq!(reply.status, 200, "{path} is open");
                open.push(path);
            } else {
                assert_eq!(
                    (reply.status, reply.detail().as_str()),
                    (403, "Invalid or missing API Key"),
                    "{path}"
                );
                closed.push(path);
            }
        }
    }
    assert_eq!(open, ["/health", "/status"]);
    let expected = [
        "/events",
        "/logs",
        "/logs/stream",
        "/metrics",
        "/openapi.json",
        "/runs/1/progress",
        "/runs/1/stream",
    ];
    assert_eq!(closed, expected);
    let metrics = place.get("/metrics").await.text();
    assert!(metrics.contains("netraven_joblog_accepted_rows_total 0"), "{metrics}");
    let status = place.json("/status").await;
    assert_eq!((&status["queued"], &status["following"]), (&json!(0), &json!(0)));
    place.stop().await;
}
