use crate::support::{MINUTE, backup_of, changed, finished, fixture, new_device};
use netraven_model::{Hash256, HostKey, JobKind, JobStatus};
use netraven_store::devices::{self, NewDevice};
use netraven_store::jobs::{self, JobListener, NewRun, TargetSelection};
use std::time::Duration;

#[tokio::test]
async fn a_claimed_job_has_all_that_its_session_needs() {
    let Some(fixture) = fixture().await else { return };
    let new = NewDevice { port: Some(2222), ..new_device("r1") };
    let device = devices::add(&fixture.store, new).await.unwrap();
    let run = fixture.run(TargetSelection::All).await;
    let job = fixture.claim(10).await.pop().unwrap();
    assert_eq!((job.run, job.kind, job.attempt, job.token), (Some(run.run), JobKind::Backup, 1, 1));
    assert_eq!((job.device, job.target.device, job.target.uuid), (device.id, Some(device.id), device.uuid));
    assert_eq!((job.target.hostname.as_str(), job.target.address.as_str()), ("r1", "192.0.2.1"));
    assert_eq!((job.target.port, job.target.platform.as_str()), (2222, "cisco_ios"));
    assert!(job.previous.is_none() && job.host_keys.is_empty() && job.credentials.is_empty());
    let row = fixture.status(job.job).await;
    assert_eq!((row.status, row.attempts, row.worker.as_deref()), (JobStatus::Running, 1, Some("w1")));

    let key = HostKey { algorithm: "ssh-rsa".into(), key: "AAAA".into(), fingerprint: "SHA256:x".into() };
    let mut first = finished(&job, changed("hostname r1\n"));
    first.host_key = Some(key.clone());
    let stored = fixture.finish_one(first).await.version.unwrap();

    let again = fixture.claim_new().await;
    assert_eq!((again.token, again.attempt, again.host_keys), (2, 1, vec![key]));
    let previous = again.previous.unwrap();
    assert_eq!((previous.version, previous.seq, previous.size), (stored.0, 1, 12));
    assert_eq!(previous.platform_digest, Hash256([5; 32]));
}

#[tokio::test]
async fn a_device_without_a_port_is_spoken_to_on_sshs() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    assert_eq!(fixture.claim_new().await.target.port, 22);
}

#[tokio::test]
async fn nothing_is_claimed_twice_nor_before_its_time_nor_beyond_the_limit() {
    let Some(fixture) = fixture().await else { return };
    assert!(fixture.claim(10).await.is_empty());
    fixture.add_devices(3).await;
    fixture.run(TargetSelection::All).await;
    fixture
        .execute(
            "UPDATE netraven.jobs SET scheduled_for = now() + interval '1 hour'
             WHERE device_id = (SELECT id FROM netraven.devices WHERE hostname = 'd0002')",
        )
        .await;
    assert!(fixture.claim(0).await.is_empty());
    assert_eq!(fixture.claim(1).await.len(), 1);
    assert_eq!(fixture.claim(10).await.len(), 1);
    assert!(fixture.claim(10).await.is_empty());
}

#[tokio::test]
async fn urgent_jobs_come_first_and_of_equal_ones_those_that_waited_longest() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(4).await;
    fixture.run(TargetSelection::All).await;
    let set = async |device: &str, change: &str| {
        let find = format!("(SELECT id FROM netraven.devices WHERE hostname = '{device}')");
        fixture.execute(&format!("UPDATE netraven.jobs SET {change} WHERE device_id = {find}")).await;
    };
    set("d0003", "priority = 1").await;
    set("d0004", "scheduled_for = now() - interval '1 hour'").await;
    let order: Vec<_> = fixture.claim(10).await.into_iter().map(|job| job.target.hostname).collect();
    assert_eq!(order, ["d0003", "d0004", "d0001", "d0002"]);
}

#[tokio::test]
async fn a_device_has_one_session_at_a_time_whatever_the_kinds_of_its_jobs() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.run(TargetSelection::All).await;
    let check = NewRun { kind: JobKind::Reachability, ..backup_of(TargetSelection::All) };
    jobs::create_run(&fixture.store, &check).await.unwrap();

    let first = fixture.claim(10).await;
    assert_eq!(first.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::Backup]);
    assert!(fixture.claim(10).await.is_empty());
    fixture.finish_one(finished(&first[0], changed("x\n"))).await;
    let second = fixture.claim(10).await;
    assert_eq!(second.iter().map(|job| job.kind).collect::<Vec<_>>(), [JobKind::Reachability]);
    assert!(second[0].token > first[0].token);
}

#[tokio::test]
async fn jobs_that_another_worker_is_looking_at_are_passed_over_not_waited_for() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let mut other = fixture.connection().await;
    sqlx::raw_sql("BEGIN; SELECT * FROM netraven.devices WHERE hostname = 'd0001' FOR NO KEY UPDATE")
        .execute(&mut other)
        .await
        .unwrap();
    let claimed = fixture.claim(10).await;
    assert_eq!(claimed.iter().map(|job| job.target.hostname.as_str()).collect::<Vec<_>>(), ["d0002"]);
}

#[tokio::test]
async fn the_database_itself_refuses_a_second_active_job_or_session() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await.id;
    fixture.claim_new().await;
    let mut connection = fixture.connection().await;
    for (kind, status) in [("backup", "queued"), ("command", "running")] {
        let refused = sqlx::query(
            "INSERT INTO netraven.jobs (device_id, kind, status, worker, lease_until)
             VALUES ($1, $2, $3, 'w', CASE $3 WHEN 'running' THEN now() END)",
        )
        .bind(device.0)
        .bind(kind)
        .bind(status)
        .execute(&mut connection)
        .await;
        let error = refused.unwrap_err();
        assert!(error.as_database_error().is_some_and(|error| error.is_unique_violation()), "{error}");
    }
}

#[tokio::test]
async fn a_listener_hears_of_new_jobs_and_otherwise_returns_in_time() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let mut listener = JobListener::connect(&fixture.store).await.unwrap();
    listener.wait(Duration::from_millis(1)).await.unwrap();
    fixture.run(TargetSelection::All).await;
    fixture.run(TargetSelection::All).await;
    // Far longer than the test may take: it returns because it heard.
    tokio::time::timeout(MINUTE, listener.wait(MINUTE * 60)).await.unwrap().unwrap();
}
