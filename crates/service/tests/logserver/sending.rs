use crate::client::post;
use crate::place::{Place, many, numbers};
use chrono::Utc;
use netraven_model::{DeviceId, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_store::logs::{self, Dialogue};
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_again_is_stored_once() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let dialogue = Dialogue::new(Some(JobId(7)), None, Utc::now(), "> show version".into());
    let body = json!({"events": many(7, 0..50), "dialogues": [dialogue]});
    for _ in 0..3 {
        let reply = place.post(&body).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"accepted": 51})), "{}", reply.text());
    }
    assert_eq!(logs::job_events(&store, JobId(7)).await.unwrap().len(), 50);
    assert_eq!(logs::connection_log(&store, JobId(7)).await.unwrap().unwrap().log, "> show version");
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_of_many_senders_are_all_there_and_those_of_a_job_in_order() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let place = Arc::new(place);
    let senders = (1..=20).map(|job| {
        let place = place.clone();
        tokio::spawn(async move {
            let events = many(job, 0..500);
            // Backwards, and each batch twice: neither matters.
            for batch in events.chunks(50).rev().flat_map(|batch| [batch, batch]) {
                place.sent(batch).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    // What was accepted is in the database, where that is there, before anybody is told so.
    for job in 1..=20 {
        let events = logs::job_events(&store, JobId(job)).await.unwrap();
        let numbers: Vec<_> =
            events.iter().map(|event| event.details.as_ref().unwrap()["bytes"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>(), "job {job}");
    }
    let page = place.json("/logs?job=3&limit=1000").await;
    assert_eq!(numbers(&page), (0..500).rev().collect::<Vec<_>>());
    let counters = place.server.counters();
    assert_eq!((counters.written, counters.spooled, counters.dropped), (20_000, 0, 0));
    Arc::into_inner(place).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_redacted_with_the_patterns_of_this_installation() {
    let Some((place, store, database)) = Place::new().await else { return };
    let event = |event| JobEvent::new(Some(JobId(9)), Some(DeviceId(9)), Utc::now(), event);
    let failure = |text: &str| Failure::new(ErrorCode::CommandRejected, Phase::Collect, text);
    let fingerprint = format!("SHA256:psk{}", "a".repeat(40));
    let events = [
        event(Event::Failed { failure: failure("it said\nenable password canary-1\nand no more") }),
        event(Event::ConnectionRetried { failure: failure("snmp-server community canary-2"), in_millis: 5 }),
        event(Event::CommandSkipped { command: "set secret canary-3".into() }),
        event(Event::CommandOutput { command: "http://u:canary-4@h/".into(), bytes: 1, millis: 1 }),
        event(Event::PlatformRecognised { platform: "token canary-5".into() }),
        event(Event::JumpHostKeyLearned { jump_host: "psk canary-6".into(), fingerprint: "x".into() }),
        event(Event::HostKeyLearned { fingerprint: "api-key canary-7".into() }),
        event(Event::HostKeyLearned { fingerprint: fingerprint.clone() }),
    ];
    let text = "> show run\nusername x secret 5 canary-8\n> exit".to_owned();
    let dialogue = Dialogue::new(Some(JobId(9)), None, Utc::now(), text);
    let reply = place.post(&json!({"events": events, "dialogues": [dialogue]})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());

    let shown = place.get("/logs?job=9").await.text();
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("[REDACTED LINE]") && shown.contains("and no more"), "{shown}");
    assert!(shown.contains(&fingerprint), "{shown}");
    let log = logs::connection_log(&store, JobId(9)).await.unwrap().unwrap().log;
    assert_eq!(log, "> show run\n[REDACTED LINE]\n> exit");
    let dump = std::process::Command::new("pg_dump").arg(database.url()).output().unwrap();
    assert!(dump.status.success() && !String::from_utf8_lossy(&dump.stdout).contains("canary"));
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_with_the_right_may_send() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let body = json!({"events": many(1, 0..1)});
    let reply = post(place.address, "/events", &place.key, &body).await;
    assert_eq!((reply.status, reply.detail().as_str()), (403, "the key lacks the right `write`"));
    let reply = post(place.address, "/events", "wrong", &body).await;
    assert_eq!((reply.status, reply.detail().as_str()), (403, "Invalid or missing API Key"));
    assert_eq!(logs::job_events(&store, JobId(1)).await.unwrap(), []);
    place.stop().await;
}
