use crate::support::{MINUTE, fixture};
use chrono::{TimeDelta, Utc};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_store::access::Role;
use netraven_store::logs::{self, Follower, LogFilter, Matcher};
use netraven_store::{StoreError, devices};

fn event(job: i64, seconds_ago: i64) -> JobEvent {
    let at = Utc::now() - TimeDelta::seconds(seconds_ago);
    JobEvent::new(Some(JobId(job)), Some(DeviceId(1)), at, Event::Unchanged)
}

/// The jobs of what is there now.
async fn now(follower: &mut Follower, limit: u32) -> Vec<i64> {
    let found = follower.next(limit).await.unwrap();
    found.iter().map(|stored| stored.entry.job.unwrap().0).collect()
}

/// The jobs of what comes next: transactions in other databases of the server hold it back as well.
async fn jobs(follower: &mut Follower, limit: u32) -> Vec<i64> {
    let next = async {
        loop {
            let found = now(follower, limit).await;
            if !found.is_empty() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, next).await.expect("something comes")
}

#[tokio::test]
async fn who_follows_hears_of_rows_when_they_are_stored_whatever_time_they_bear() {
    let Some(fixture) = fixture().await else { return };
    let joblog = fixture.database.store_as(Role::Joblog).await;
    logs::write(&joblog, &[&event(1, 0)], &[]).await.unwrap();
    let mut follower = Follower::from_now(joblog.clone()).await.unwrap();
    logs::write(&joblog, &[&event(2, 0)], &[]).await.unwrap();
    logs::write(&joblog, &[&event(3, 3_600)], &[]).await.unwrap();
    logs::write(&joblog, &[&event(5, 10), &event(4, 20)], &[]).await.unwrap();
    // One at a time, also in the middle of a transaction.
    for expected in 2..=5 {
        let mut heard = jobs(&mut follower, 1).await;
        if heard == [1] {
            // While somebody else on the server has a transaction open, what came just before counts as new, too.
            heard = jobs(&mut follower, 1).await;
        }
        assert_eq!(heard, [expected]);
    }
    assert_eq!(now(&mut follower, 10).await, [0; 0]);

    // Somebody comes back with the position as a text.
    let position = follower.position().to_string().parse().unwrap();
    logs::write(&joblog, &[&event(6, 7_200)], &[]).await.unwrap();
    assert_eq!(jobs(&mut Follower::from(joblog, position), 10).await, [6]);
}

#[tokio::test]
async fn rows_of_a_transaction_that_is_open_hold_back_those_behind_it() {
    let Some(fixture) = fixture().await else { return };
    let mut follower = Follower::from_now(fixture.store.clone()).await.unwrap();
    let mut open = fixture.connection().await;
    sqlx::raw_sql(
        "BEGIN; INSERT INTO netraven.job_logs (job_id, level, event, message) VALUES (1, 'info', 'x', 'x')",
    )
    .execute(&mut open)
    .await
    .unwrap();
    logs::write(&fixture.store, &[&event(2, 0)], &[]).await.unwrap();
    assert_eq!(now(&mut follower, 10).await, [0; 0], "behind an open transaction nothing is certain");
    sqlx::raw_sql("COMMIT").execute(&mut open).await.unwrap();
    let mut heard = jobs(&mut follower, 10).await;
    if heard.len() == 1 {
        heard.extend(jobs(&mut follower, 10).await);
    }
    assert_eq!(heard, [1, 2]);
}

#[tokio::test]
async fn the_role_of_the_job_log_sees_no_dialogue_and_of_devices_the_name_alone() {
    let Some(fixture) = fixture().await else { return };
    let joblog = fixture.database.store_as(Role::Joblog).await;
    fixture
        .execute("INSERT INTO netraven.devices (hostname, ip_address, device_type) VALUES ('r1', '192.0.2.1', 'frr')")
        .await;
    let device = devices::find(&joblog, "r1").await.unwrap();
    assert_eq!(devices::find(&joblog, &device.to_string()).await.unwrap(), device);
    assert_eq!(
        devices::names_of(&joblog, &[device, DeviceId(99)]).await.unwrap(),
        [(device, "r1".to_owned())]
    );
    assert!(matches!(devices::find(&joblog, "r2").await, Err(StoreError::NotFound { .. })));
    assert!(devices::get(&joblog, "r1").await.unwrap_err().is_denied());
    assert!(logs::connection_log(&joblog, JobId(1)).await.unwrap_err().is_denied());
    let nowhere = LogFilter { run: Some(netraven_model::RunId(7)), ..LogFilter::default() };
    assert!(matches!(Matcher::new(&joblog, nowhere).await, Err(StoreError::NotFound { .. })));
}
