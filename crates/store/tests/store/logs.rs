use crate::support::fixture;
use chrono::Utc;
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_store::StoreError;
use netraven_store::access::Role;
use netraven_store::logs::{self, Dialogue};

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
