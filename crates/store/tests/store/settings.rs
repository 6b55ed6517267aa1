//! Settings and workers: what is small.

use crate::support::{MINUTE, fixture, is_invalid, is_missing};
use netraven_store::{settings, workers};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn settings_are_set_replaced_listed_and_removed() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    assert_eq!(settings::get(store, "a.b").await.unwrap(), None);
    settings::set(store, "a.b", json!({"x": [1, "\0"]})).await.unwrap();
    settings::set(store, "a.a", json!(null)).await.unwrap();
    assert_eq!(settings::get(store, "a.b").await.unwrap(), Some(json!({"x": [1, "\u{fffd}"]})));
    settings::set(store, "a.b", json!(5)).await.unwrap();
    let listed: Vec<_> = settings::list(store).await.unwrap().into_iter().map(|s| (s.key, s.value)).collect();
    assert_eq!(listed, [("a.a".to_owned(), json!(null)), ("a.b".to_owned(), json!(5))]);
    settings::remove(store, "a.b").await.unwrap();
    assert!(is_missing(settings::remove(store, "a.b").await, "setting"));
    assert!(is_invalid(settings::set(store, "", json!(1)).await));
}

#[tokio::test]
async fn workers_are_alive_while_they_give_signs_of_life() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    assert!(!workers::alive(store, "worker", MINUTE).await.unwrap());
    workers::heartbeat(store, "w1", "worker").await.unwrap();
    workers::heartbeat(store, "w1", "worker").await.unwrap();
    assert!(workers::alive(store, "worker", MINUTE).await.unwrap());
    assert!(!workers::alive(store, "gateway", MINUTE).await.unwrap());
    let listed = workers::list(store).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].pid, listed[0].version.as_str()),
        (std::process::id().into(), env!("CARGO_PKG_VERSION"))
    );
    fixture.execute("UPDATE netraven.workers SET last_seen = now() - interval '1 hour'").await;
    assert!(!workers::alive(store, "worker", MINUTE).await.unwrap());
    assert!(workers::alive(store, "worker", Duration::from_secs(7200)).await.unwrap());
    workers::leave(store, "w1").await.unwrap();
    workers::leave(store, "w1").await.unwrap();
    assert!(workers::list(store).await.unwrap().is_empty());
}
