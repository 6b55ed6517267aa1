//! A job log in another process that writes to the service.

use crate::place::{Place, many};
use chrono::Utc;
use netraven_model::{JobId, Secret};
use netraven_service::{JobLog, JobLogCounters, JobLogSettings, LogService, LogServiceSettings};
use netraven_store::access::Role;
use netraven_store::logs::{self, Dialogue};
use netraven_store::testing::TestDatabase;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(120);

fn client(address: SocketAddr, key: &str) -> LogService {
    let settings =
        LogServiceSettings { url: format!("http://{address}"), key: Secret::from(key), ca_file: None };
    LogService::new(&settings).unwrap()
}

async fn until(log: &JobLog, what: &str, reached: impl Fn(&JobLogCounters) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached(&log.counters()) {
        assert!(Instant::now() < deadline, "{what}: {:?}", log.counters());
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_logs_arrives_and_waits_on_its_disk_while_the_service_is_away() {
    let Some(database) = TestDatabase::create().await else { return };
    let place = Place::on(database.store_as(Role::Joblog).await, |_| {}).await;
    let (address, writer, folder) = (place.address, place.writer.clone(), tempfile::tempdir().unwrap());
    let spool = || JobLogSettings::new(folder.path().join("gateway.spool"));
    let log = JobLog::start(client(address, &writer), spool()).unwrap();
    let dialogue = Dialogue::new(Some(JobId(1)), None, Utc::now(), "> show".into());
    log.write(many(1, 0..2_500), vec![dialogue]);
    until(&log, "everything is sent", |counters| counters.written == 2_501).await;

    // Away, and nobody waits for anybody.
    let left = place.stop().await;
    let begin = Instant::now();
    log.write(many(1, 2_500..3_000), Vec::new());
    assert!(begin.elapsed() < Duration::from_secs(5));
    until(&log, "it is on the disk", |counters| counters.spooled == 500 && counters.queued == 0).await;
    log.stop(Duration::ZERO).await;
    drop(log);

    // Both begin again.
    let place = left.begin_again(database.store_as(Role::Joblog).await).await;
    let log = JobLog::start(client(address, &writer), spool()).unwrap();
    until(&log, "the spool is sent", |counters| counters.spooled == 0).await;
    log.stop(PATIENCE).await;
    let events = logs::job_events(&database.store().await, JobId(1)).await.unwrap();
    let numbers: Vec<_> =
        events.iter().map(|event| event.details.as_ref().unwrap()["bytes"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..3_000).collect::<Vec<_>>());
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_service_refuses_costs_the_others_nothing_and_a_wrong_key_loses_none() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = JobLog::start(
        client(place.address, &place.writer),
        JobLogSettings::new(folder.path().join("one.spool")),
    )
    .unwrap();
    let mut events = many(1, 0..64);
    events[40].timestamp = "1999-01-01T00:00:00Z".parse().unwrap();
    log.write(events, Vec::new());
    until(&log, "all but one are sent", |counters| counters.written == 63 && counters.dropped == 1).await;
    assert_eq!(logs::job_events(&store, JobId(1)).await.unwrap().len(), 63);

    let wrong = JobLog::start(
        client(place.address, &place.key),
        JobLogSettings::new(folder.path().join("other.spool")),
    )
    .unwrap();
    wrong.write(many(2, 0..10), Vec::new());
    until(&wrong, "it waits for a better key", |counters| counters.spooled == 10).await;
    wrong.stop(Duration::ZERO).await;
    drop(wrong);
    let right = JobLog::start(
        client(place.address, &place.writer),
        JobLogSettings::new(folder.path().join("other.spool")),
    )
    .unwrap();
    until(&right, "with it the events are sent", |counters| counters.written == 10 && counters.spooled == 0)
        .await;
    right.stop(PATIENCE).await;
    log.stop(PATIENCE).await;
    assert_eq!(logs::job_events(&store, JobId(2)).await.unwrap().len(), 10);
    place.stop().await;
}
