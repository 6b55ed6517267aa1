//! What happens while the database is away.

use crate::place::{Place, many};
use crate::support::server::{PATIENCE, Server};
use netraven_model::JobId;
use netraven_store::{ConnectSettings, Store, logs};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_events_are_accepted_onto_the_disk_and_come_into_it_in_order_and_once() {
    let Some(mut server) = Server::start().await else { return };
    server.store().await.close().await;
    let quick =
        ConnectSettings { connect_timeout: Duration::from_secs(2), ..ConnectSettings::new(server.url()) };
    let place = Place::on(Store::connect(&quick).await.unwrap(), |_| {}).await;
    place.sent(&many(1, 0..10)).await;

    server.end(Signal::SIGKILL).await;
    let away = many(1, 10..3_000);
    for batch in away.chunks(1_000) {
        place.sent(batch).await;
    }
    // The answer of one was lost.
    place.sent(&away[..100]).await;
    let status = crate::client::get(place.address, "/status", &[]).await.json();
    assert!(status["spooled"].as_u64().unwrap() >= 2_990, "{status}");
    assert_eq!(place.get("/logs").await.status, 503);

    server.begin_again().await;
    let deadline = Instant::now() + PATIENCE;
    while place.server.counters().spooled > 0 {
        assert!(Instant::now() < deadline, "{:?}", place.server.counters());
        sleep(Duration::from_millis(20)).await;
    }
    let store = Store::connect(&quick).await.unwrap();
    let events = logs::job_events(&store, JobId(1)).await.unwrap();
    let numbers: Vec<_> =
        events.iter().map(|event| event.details.as_ref().unwrap()["bytes"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..3_000).collect::<Vec<_>>());
    assert_eq!(place.server.counters().dropped, 0);
    place.stop().await;
    server.stop().await;
}
