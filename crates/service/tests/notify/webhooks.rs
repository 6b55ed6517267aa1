//! Webhooks: signed, in order, again after a failure, dead in the end.

use crate::place::Place;
use crate::receiver::{Answer, Receiver};
use netraven_model::DeliveryStatus::{Dead, Sent, Waiting};
use netraven_service::notify::{NotifierSettings, send_test};
use netraven_store::access::Role;
use netraven_store::{devices, notifications};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_change_is_described_and_signed() {
    let Some(place) = Place::new().await else { return };
    let receiver = Receiver::start([]).await;
    let secret = place.webhook("hook", &receiver.url).await;
    let notifier = place.notifier(|_| {}).await;
    place.change(1).await;
    let row = place.wait("hook", Sent, 1).await.pop().unwrap();
    assert_eq!((row.attempts, row.last_error), (1, None));
    let request = receiver.requests().pop().unwrap();
    request.verify(&secret);
    assert_eq!(request.path, "/canary-path");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-netraven-event"), "device_failing");
    assert_eq!(request.header("x-netraven-delivery"), row.id.to_string());
    let uuid = devices::get(&place.store, "r1").await.unwrap().uuid;
    let mut body = request.json();
    let at = body.as_object_mut().unwrap().remove("at").unwrap();
    assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
    let expected = json!({
        "schema": 1, "id": row.change.0, "event": "device_failing",
        "device": {"uuid": uuid, "name": "r1", "address": "192.0.2.1", "platform": "cisco_ios", "site": "paris"},
        "job": 7, "version": {"id": 8, "seq": 9}, "code": "timeout", "message": "1",
    });
    assert_eq!(body, expected);
    notifier.stop(GRACE).await;
}

#[tokio::test]
async fn what_did_not_arrive_is_sent_again_under_the_same_id_before_what_came_later() {
    let Some(place) = Place::new().await else { return };
    let answers = [Answer::Status(200), Answer::Status(500), Answer::Status(404), Answer::Status(204)];
    let receiver = Receiver::start(answers).await;
    place.webhook("hook", &receiver.url).await;
    place.change(3).await;
    let notifier = place.notifier(|_| {}).await;
    let rows = place.wait("hook", Sent, 3).await;
    assert_eq!(receiver.messages(), ["1", "2", "2", "2", "3"]);
    assert_eq!(rows.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 3, 1]);
    let ids: Vec<_> =
        receiver.requests().iter().map(|request| request.header("x-netraven-delivery").to_owned()).collect();
    assert!(ids[1] == ids[2] && ids[2] == ids[3] && ids[0] != ids[1], "{ids:?}");
    notifier.stop(GRACE).await;
}

#[tokio::test]
async fn what_is_refused_too_often_is_dead_and_can_be_sent_again_and_410_is_final() {
    let Some(place) = Place::new().await else { return };
    let redirects = Receiver::start(vec![Answer::Redirect; 4]).await;
    let gone = Receiver::start([Answer::Status(410)]).await;
    place.webhook("redirects", &redirects.url).await;
    place.webhook("gone", &gone.url).await;
    place.webhook("nobody", "http://127.0.0.1:1/canary-path").await;
    place.change(1).await;
    let notifier = place.notifier(|_| {}).await;
    let row = place.wait("redirects", Dead, 1).await.pop().unwrap();
    let error = row.last_error.unwrap();
    assert!(row.attempts == 4 && error.contains("302") && error.contains("not followed"), "{error}");
    assert!(redirects.requests().iter().all(|request| request.path == "/canary-path"), "nobody followed");
    let row = place.wait("gone", Dead, 1).await.pop().unwrap();
    assert!(row.attempts == 1 && row.last_error.unwrap().contains("410"));
    let error = place.wait("nobody", Dead, 1).await.pop().unwrap().last_error.unwrap();
    assert!(error.to_lowercase().contains("refused") && !error.contains("canary"), "{error}");
    notifications::retry(&place.store, row.id).await.unwrap();
    assert_eq!(place.wait("gone", Sent, 1).await[0].attempts, 1);
    notifier.stop(GRACE).await;
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_delays_no_other() {
    let Some(place) = Place::new().await else { return };
    let slow = Receiver::start(vec![Answer::Slow(Duration::from_secs(600)); 10]).await;
    let quick = Receiver::start([]).await;
    place.webhook("slow", &slow.url).await;
    place.webhook("quick", &quick.url).await;
    place.change(20).await;
    let notifier = place
        .notifier(|settings| {
            settings.webhook_timeout = Duration::from_secs(3);
            settings.retry.base = Duration::from_secs(600);
            settings.retry.limit = Duration::from_secs(600);
        })
        .await;
    place.wait("quick", Sent, 20).await;
    let expected: Vec<_> = (1..=20).map(|n| n.to_string()).collect();
    assert_eq!(quick.messages(), expected);
    let tried = async || place.deliveries("slow").await.remove(0);
    while tried().await.attempts == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = tried().await.last_error.unwrap();
    assert!(error.contains("within 3 s"), "{error}");
    assert_eq!((slow.requests().len(), place.wait("slow", Waiting, 20).await.len()), (1, 20));
    notifier.stop(GRACE).await;
}

#[tokio::test]
async fn two_notifiers_tell_of_each_change_once() {
    let Some(place) = Place::new().await else { return };
    let receivers = [Receiver::start([]).await, Receiver::start([]).await, Receiver::start([]).await];
    for (number, receiver) in receivers.iter().enumerate() {
        place.webhook(&format!("hook-{number}"), &receiver.url).await;
    }
    let notifiers = [place.notifier(|_| {}).await, place.notifier(|_| {}).await];
    for _ in 0..5 {
        place.change(10).await;
    }
    for (number, receiver) in receivers.iter().enumerate() {
        place.wait(&format!("hook-{number}"), Sent, 50).await;
        let ids: Vec<_> =
            receiver.requests().iter().map(|request| request.json()["id"].to_string()).collect();
        assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (50, 50));
    }
    for notifier in notifiers {
        notifier.stop(GRACE).await;
    }
}

#[tokio::test]
async fn a_notifier_that_dies_before_it_has_recorded_is_followed_by_one_that_sends_again() {
    let Some(place) = Place::new().await else { return };
    let receiver = Receiver::start([Answer::Slow(Duration::from_secs(600))]).await;
    place.webhook("hook", &receiver.url).await;
    place.change(1).await;
    let first = place.notifier(|_| {}).await;
    while receiver.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It has arrived, and nobody wrote that down.
    first.stop(Duration::ZERO).await;
    place.execute("UPDATE netraven.notification_deliveries SET lease_until = now() - interval '1 s'").await;
    let second = place.notifier(|_| {}).await;
    place.wait("hook", Sent, 1).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("x-netraven-delivery"), requests[1].header("x-netraven-delivery"));
    assert_eq!(requests[0].body, requests[1].body);
    second.stop(GRACE).await;
}

#[tokio::test]
async fn a_test_message_arrives_at_once_or_says_why_not() {
    let Some(place) = Place::new().await else { return };
    let receiver = Receiver::start([Answer::Status(200), Answer::Status(401)]).await;
    let secret = place.webhook("hook", &receiver.url).await;
    let channel = notifications::get(&place.store, "hook").await.unwrap().channel;
    let notifier = place.database.store_as(Role::Notifier).await;
    let sealed = notifications::sealed(&notifier, channel.id).await.unwrap();
    let settings = NotifierSettings::default();
    let answer = send_test(&channel, sealed.as_deref(), &place.vault, &settings).await;
    assert_eq!(answer.unwrap(), "200 OK");
    let request = receiver.requests().pop().unwrap();
    request.verify(&secret);
    assert_eq!(
        (request.header("x-netraven-event"), request.json()["event"].as_str()),
        ("test", Some("test"))
    );
    assert!(request.header("x-netraven-delivery").starts_with("test-"));
    let refused = send_test(&channel, sealed.as_deref(), &place.vault, &settings).await.unwrap_err();
    assert!(refused.contains("401"), "{refused}");
    assert!(place.deliveries("hook").await.is_empty());
}
