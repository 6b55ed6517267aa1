//! The job log: rows arrive whatever the database does meanwhile, and each one once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_service::{JobLog, JobLogCounters, JobLogSettings};
use netraven_store::access::Role;
use netraven_store::logs::{self, Dialogue};
use netraven_store::testing::TestDatabase;
use netraven_store::{ConnectSettings, Store};
use nix::sys::signal::Signal;
use std::path::Path;
use std::time::{Duration, Instant};
use support::server::{PATIENCE, Server};
use tokio::time::{sleep, timeout};

const JOB: JobId = JobId(77);

fn event(number: u64) -> JobEvent {
    let event = Event::CommandOutput { command: "show version".into(), bytes: number, millis: 1 };
    JobEvent::new(Some(JOB), Some(DeviceId(1)), Utc::now(), event)
}

fn events(numbers: std::ops::Range<u64>) -> Vec<JobEvent> {
    numbers.map(event).collect()
}

fn dialogue(text: &str) -> Dialogue {
    Dialogue::new(Some(JOB), Some(DeviceId(1)), Utc::now(), text.into())
}

fn settings(folder: &Path) -> JobLogSettings {
    JobLogSettings::new(folder.join("joblog.spool"))
}

/// The numbers of the events in the database, ordered.
async fn stored(store: &Store) -> Vec<u64> {
    let events = logs::job_events(store, JOB).await.unwrap();
    let mut numbers: Vec<u64> =
        events.iter().map(|event| event.details.as_ref().unwrap()["bytes"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

async fn until(log: &JobLog, what: &str, reached: impl Fn(&JobLogCounters) -> bool) -> JobLogCounters {
    let wait = async {
        loop {
            let counters = log.counters();
            if reached(&counters) {
                return counters;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    match timeout(PATIENCE, wait).await {
        Ok(counters) => counters,
        Err(_) => panic!("{what}: {:?}", log.counters()),
    }
}

/// A store that gives up soon on a server that is not there.
async fn impatient(server: &Server) -> Store {
    server.store().await.close().await;
    let quick =
        ConnectSettings { connect_timeout: Duration::from_secs(2), ..ConnectSettings::new(server.url()) };
    Store::connect(&quick).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_in_the_database_soon_and_thousands_of_them_are_all_there() {
    let Some(database) = TestDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (store, joblog) = (database.store().await, database.store_as(Role::Joblog).await);
    let log = JobLog::start(joblog, settings(folder.path())).unwrap();
    log.write(events(0..1), vec![dialogue("> show version")]);
    until(&log, "the first rows are written", |counters| counters.written == 2).await;
    assert_eq!(logs::connection_log(&store, JOB).await.unwrap().unwrap().log, "> show version");

    for start in (1..8_001).step_by(10) {
        log.write(events(start..start + 10), Vec::new());
    }
    let done = until(&log, "all rows are written", |counters| counters.written == 8_002).await;
    assert_eq!(done, JobLogCounters { written: 8_002, ..JobLogCounters::default() });
    assert_eq!(stored(&store).await, (0..8_001).collect::<Vec<_>>());
    log.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_costs_nothing_and_nobody_waits_for_it() {
    let Some(mut server) = Server::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = impatient(&server).await;
    let log = JobLog::start(store.clone(), settings(folder.path())).unwrap();
    log.write(events(0..100), Vec::new());
    until(&log, "it is written while the server is there", |counters| counters.written == 100).await;

    server.end(Signal::SIGKILL).await;
    let started = Instant::now();
    for start in (100..15_100).step_by(100) {
        log.write(events(start..start + 100), vec![dialogue("x")]);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "callers do not wait: {:?}", started.elapsed());
    let all = |counters: &JobLogCounters| counters.spooled == 15_150 && counters.queued == 0;
    let away = until(&log, "it all goes to the spool", all).await;
    assert_eq!((away.written, away.dropped), (100, 0));

    server.begin_again().await;
    let back = until(&log, "the spool is replayed", |counters| counters.spooled == 0).await;
    assert_eq!((back.written, back.dropped), (15_250, 0));
    assert_eq!(stored(&store).await, (0..15_100).collect::<Vec<_>>());
    log.write(events(15_100..15_101), Vec::new());
    until(&log, "it goes on", |counters| counters.written == 15_251).await;
    log.stop(PATIENCE).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_or_a_crash_leaves_in_the_spool_is_written_by_the_next_run_once() {
    let Some(mut server) = Server::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = impatient(&server).await;
    server.end(Signal::SIGINT).await;
    let log = JobLog::start(store.clone(), settings(folder.path())).unwrap();
    log.write(events(0..500), Vec::new());
    // It ends with its deadline, and what no database took is on disk.
    timeout(PATIENCE, log.stop(Duration::from_millis(100))).await.unwrap();
    assert_eq!(log.counters(), JobLogCounters { spooled: 500, ..JobLogCounters::default() });
    log.write(events(500..501), Vec::new());
    assert_eq!(log.counters().spooled, 501, "what comes after the stop is kept, too");
    drop(log);

    // A crash in the middle of a record.
    let spool = settings(folder.path()).spool;
    let whole = std::fs::read(&spool).unwrap();
    std::fs::write(&spool, [&whole[..], &whole[..70]].concat()).unwrap();
    server.begin_again().await;
    let log = JobLog::start(store.clone(), settings(folder.path())).unwrap();
    let done = until(&log, "the spool is replayed", |counters| counters.spooled == 0).await;
    assert_eq!((done.written, done.dropped), (501, 1), "half a record is one that is lost");
    log.stop(PATIENCE).await;
    drop(log);

    // A crash between writing and emptying the spool: the same rows once more.
    std::fs::write(&spool, &whole).unwrap();
    let log = JobLog::start(store.clone(), settings(folder.path())).unwrap();
    until(&log, "the spool is replayed again", |counters| counters.spooled == 0).await;
    assert_eq!(stored(&store).await, (0..501).collect::<Vec<_>>());
    log.stop(PATIENCE).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_dropped_and_counted_only_when_the_spool_is_full() {
    let Some(mut server) = Server::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = impatient(&server).await;
    server.end(Signal::SIGINT).await;
    let bounds = JobLogSettings { spool_bytes: 20_000, queue_rows: 10, ..settings(folder.path()) };
    let log = JobLog::start(store.clone(), bounds).unwrap();
    log.write(events(0..500), Vec::new());
    let full = until(&log, "the queue is empty", |counters| counters.queued == 0).await;
    assert!(full.spooled > 0 && full.dropped > 0 && full.spooled + full.dropped == 500, "{full:?}");
    assert!(std::fs::metadata(settings(folder.path()).spool).unwrap().len() <= 20_000);

    server.begin_again().await;
    let done = until(&log, "the spool is replayed", |counters| counters.spooled == 0).await;
    assert_eq!((done.written, done.dropped), (full.spooled, full.dropped));
    assert_eq!(stored(&store).await.len() as u64, full.spooled);
    log.stop(PATIENCE).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_does_not_cost_the_others_theirs() {
    let Some(database) = TestDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = JobLog::start(database.store_as(Role::Joblog).await, settings(folder.path())).unwrap();
    let mut rows = events(0..300);
    // PostgreSQL's time begins 4713 years before Christ, and this is long before.
    let impossible = DateTime::<Utc>::from_timestamp(-8_000_000_000_000, 0).unwrap();
    rows[123].timestamp = impossible;
    log.write(rows, Vec::new());
    let done = until(&log, "the rest is written", |counters| counters.written == 299).await;
    assert_eq!((done.dropped, done.spooled), (1, 0));
    assert_eq!(stored(&database.store().await).await.len(), 299);
    log.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_not_write_logs_keeps_the_rows_in_the_spool() {
    let Some(database) = TestDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = JobLog::start(database.store_as(Role::Gateway).await, settings(folder.path())).unwrap();
    log.write(events(0..3), Vec::new());
    let kept = until(&log, "they are kept", |counters| counters.spooled == 3).await;
    assert_eq!((kept.written, kept.dropped), (0, 0));
    log.stop(PATIENCE).await;
    drop(log);
    let log = JobLog::start(database.store_as(Role::Joblog).await, settings(folder.path())).unwrap();
    until(&log, "a login with the right writes them", |counters| counters.written == 3).await;
    log.stop(PATIENCE).await;
}
