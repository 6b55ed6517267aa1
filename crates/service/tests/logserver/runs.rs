use crate::following::Listener;
use crate::place::Place;
use crate::support::House;
use netraven_lab::LabSettings;
use netraven_store::jobs;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_followed_to_its_end() {
    let Some((house, lab)) =
        House::with_lab(LabSettings { count: 4, platforms: vec!["frr".into()], ..LabSettings::default() })
            .await
    else {
        return;
    };
    let place = Place::on(house.stores.joblog.clone(), |_| {}).await;
    let run = house.start_run().await;
    let before = place.json(&format!("/runs/{run}/progress")).await;
    assert_eq!(
        (&before["total"], &before["queued"], &before["finished"]),
        (&json!(4), &json!(4), &json!(false))
    );
    let mut listener = Listener::at(place.address, &format!("/runs/{run}/stream"), &place.key, None).await;
    assert_eq!(listener.next().await.unwrap().json()["queued"], 4);
    let worker = house.worker(|_| {});
    let mut last = json!(null);
    let mut heard = 0;
    while let Some(told) = listener.next().await {
        heard += 1;
        match told.event.as_str() {
            "progress" => last = told.json(),
            event => assert_eq!(event, "end"),
        }
    }
    assert!(heard >= 2, "{heard}");
    assert_eq!(
        (&last["changed"], &last["finished"], &last["failures"]),
        (&json!(4), &json!(true), &json!([]))
    );
    let after = place.json(&format!("/runs/{run}/progress")).await;
    assert_eq!((&after["changed"], &after["queued"]), (&json!(4), &json!(0)));
    assert_eq!(jobs::run_progress(&house.store, run).await.unwrap().active(), 0);
    worker.stop(Duration::from_secs(10)).await;
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_room_for_so_many_who_follow() {
    let Some(house) = House::new().await else { return };
    let place = Place::on(house.stores.joblog.clone(), |settings| settings.limits.streams = 1).await;
    let run = house.start_run().await;
    let path = format!("/runs/{run}/stream");
    // A run without jobs is over at once, and its stream with it.
    let mut listener = Listener::at(place.address, &path, &place.key, None).await;
    assert_eq!(listener.next().await.unwrap().json()["finished"], true);
    assert_eq!(listener.next().await.unwrap().event, "end");
    assert!(listener.next().await.is_none());
    let deadline = Instant::now() + Duration::from_secs(60);
    let stays = loop {
        // The connection that ended gives its room back in a moment.
        let tried = Listener::try_at(place.address, "/logs/stream", &place.key, None).await;
        if let Some(stays) = tried {
            break stays;
        }
        assert!(Instant::now() < deadline);
    };
    let reply = place.get(&path).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.header("retry-after").is_some());
    drop(stays);
    place.stop().await;
}
