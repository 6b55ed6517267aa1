use crate::support::fixture;
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_store::access::Role;
use netraven_store::logs::{self, Dialogue, LogEntry};
use netraven_store::{ConnectSettings, Store, StoreError};

const JOB: Option<JobId> = Some(JobId(7));
const DEVICE: Option<DeviceId> = Some(DeviceId(8));

#[tokio::test]
async fn what_is_written_again_is_stored_once() {
    let Some(fixture) = fixture().await else { return };
    let joblog = fixture.database.store_as(Role::Joblog).await;
    let event = JobEvent::new(JOB, DEVICE, Utc::now(), Event::Started { attempt: 1 });
    let dialogue = Dialogue::new(JOB, DEVICE, Utc::now(), "> show".into());
    for _ in 0..2 {
        logs::write(&joblog, &[&event, &event], &[&dialogue]).await.unwrap();
    }
    let events = logs::job_events(&fixture.store, JobId(7)).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [event.id]);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.connection_logs").await, 1);
    assert_eq!(logs::connection_log(&fixture.store, JobId(7)).await.unwrap().unwrap().log, "> show");
    assert_eq!(logs::latest_connection_log(&fixture.store, DeviceId(8)).await.unwrap().unwrap().job, JOB);
    logs::write(&joblog, &[], &[]).await.unwrap();
}

#[tokio::test]
async fn of_a_call_that_fails_nothing_is_written() {
    let Some(fixture) = fixture().await else { return };
    fixture.execute("ALTER TABLE netraven.connection_logs ADD CHECK (log <> 'poison')").await;
    let event = JobEvent::new(JOB, DEVICE, Utc::now(), Event::Cancelled);
    let poison = Dialogue::new(JOB, DEVICE, Utc::now(), "poison".into());
    let error = logs::write(&fixture.store, &[&event], &[&poison]).await.unwrap_err();
    assert!(matches!(error, StoreError::Query { .. }) && !error.is_transient(), "{error}");
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.job_logs").await, 0);
}

#[tokio::test]
async fn an_event_is_stored_alike_whether_others_are_there_already_or_not() {
    let Some(fixture) = fixture().await else { return };
    let now = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap();
    let long_ago = "1987-06-05T04:03:02.000001Z".parse().unwrap();
    let skipped = |command: &str| Event::CommandSkipped { command: command.to_owned() };
    let events = |job| {
        [
            JobEvent::new(job, DEVICE, now, Event::Started { attempt: 1 }),
            JobEvent::new(job, None, now, Event::Unchanged),
            JobEvent::new(job, DEVICE, long_ago, skipped("show \"Zürich\"\\\n\t| \u{0}\u{1}")),
            JobEvent::new(job, DEVICE, now, Event::LoggedIn { credential: None, millis: u64::MAX >> 1 }),
        ]
    };
    let there = JobEvent::new(None, DEVICE, now, Event::Cancelled);
    logs::write(&fixture.store, &[&there], &[]).await.unwrap();
    let mut stored = Vec::new();
    for (job, before) in [(JobId(1), None), (JobId(2), Some(&there))] {
        let events = events(Some(job));
        let batch: Vec<_> = events.iter().chain(before).collect();
        logs::write(&fixture.store, &batch, &[]).await.unwrap();
        let entries = logs::job_events(&fixture.store, job).await.unwrap();
        assert_eq!(entries.len(), events.len());
        for event in &events {
            let entry = entries.iter().find(|entry| entry.id == event.id).unwrap();
            assert_eq!((entry.timestamp, entry.device), (event.timestamp, event.device));
            assert_eq!(entry.message, event.event.message().replace('\0', "\u{fffd}"));
        }
        let content =
            |entry: LogEntry| (entry.timestamp, entry.level, entry.event, entry.success, entry.details);
        let mut contents: Vec<_> = entries.into_iter().map(content).collect();
        contents.sort_by(|a, b| a.2.cmp(&b.2));
        stored.push(contents);
    }
    assert_eq!(stored[0], stored[1]);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.job_logs").await, 9);
}

#[tokio::test]
async fn a_call_that_is_given_up_at_any_moment_harms_no_later_one() {
    let Some(fixture) = fixture().await else { return };
    // One connection, so that each call gets the one on which the call before was given up.
    let settings = ConnectSettings { max_connections: 1, ..ConnectSettings::new(fixture.database.url()) };
    let store = Store::connect(&settings).await.unwrap();
    for steps in 0..40 {
        let event = |job| JobEvent::new(Some(JobId(job)), DEVICE, Utc::now(), Event::Unchanged);
        let (given_up, written) = (event(steps), event(1_000 + steps));
        let given_up = [&given_up];
        let mut call = Box::pin(logs::write(&store, &given_up, &[]));
        for _ in 0..steps {
            tokio::select! {
                biased;
                done = &mut call => { done.unwrap(); break }
                () = tokio::task::yield_now() => {}
            }
        }
        drop(call);
        logs::write(&store, &[&written], &[]).await.unwrap();
        assert_eq!(logs::job_events(&store, JobId(1_000 + steps)).await.unwrap().len(), 1);
    }
}
