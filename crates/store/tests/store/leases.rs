use crate::support::{Fixture, MINUTE, changed, dialogue, failed, finished, fixture};
use netraven_model::{ErrorCode, JobStatus, Outcome};
use netraven_store::jobs::{self, ClaimedJob, FinishError, LEASE_ATTEMPTS, TargetSelection};
use netraven_store::{devices, logs};
use std::time::Duration;

/// Claims with a lease that is over at once.
async fn claim_expired(fixture: &Fixture, worker: &str) -> ClaimedJob {
    jobs::claim(&fixture.store, worker, 1, Duration::ZERO).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn leases_are_prolonged_for_their_holder_alone() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let job = claim_expired(&fixture, "w1").await;
    let other = claim_expired(&fixture, "w2").await;
    let both = [job.job, other.job];
    assert_eq!(jobs::extend_leases(&fixture.store, "w1", &both, MINUTE).await.unwrap(), [job.job]);
    assert_eq!(fixture.requeue_expired().await, 1);
    assert_eq!(fixture.status(job.job).await.status, JobStatus::Running);
    assert_eq!(fixture.status(other.job).await.status, JobStatus::Queued);
    assert_eq!(jobs::extend_leases(&fixture.store, "w2", &both, MINUTE).await.unwrap(), []);
    assert_eq!(jobs::extend_leases(&fixture.store, "w1", &[], MINUTE).await.unwrap(), []);
    assert_eq!(fixture.requeue_expired().await, 0);
}

#[tokio::test]
async fn a_worker_that_lost_its_job_to_another_writes_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.run(TargetSelection::All).await;
    let slow = claim_expired(&fixture, "w1").await;
    assert_eq!(fixture.requeue_expired().await, 1);

    // Nobody has it yet, but it is not his any more.
    let stale = fixture.finish(&[finished(&slow, changed("old\n"))]).await;
    assert_eq!(stale, [Err(FinishError::Stale(slow.job))]);

    // Others get their turn first.
    assert!(jobs::claim(&fixture.store, "w2", 1, MINUTE).await.unwrap().is_empty());
    fixture.make_due().await;
    let quick = jobs::claim(&fixture.store, "w2", 1, MINUTE).await.unwrap().pop().unwrap();
    assert!(quick.token > slow.token && quick.attempt == 2);
    let mut late = finished(&slow, changed("old\n"));
    late.dialogue = dialogue(&late, "too late");
    assert_eq!(fixture.finish(&[late]).await, [Err(FinishError::Stale(slow.job))]);
    // Not even under the new holder's name, as after a restart with the same name.
    let forged = jobs::finish(&fixture.store, "w2", &[finished(&slow, changed("old\n"))]).await.unwrap();
    assert_eq!(forged, [Err(FinishError::Stale(slow.job))]);
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().versions, 0);
    let log = logs::connection_log(&fixture.store, slow.job).await.unwrap().unwrap();
    assert_eq!(log.log, "too late", "the session did take place");

    let recorded = jobs::finish(&fixture.store, "w2", &[finished(&quick, changed("new\n"))]).await.unwrap();
    assert_eq!(recorded[0].as_ref().unwrap().outcome, Some(Outcome::Changed));
}

#[tokio::test]
async fn an_expired_lease_that_nobody_took_is_still_good_for_a_result() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.run(TargetSelection::All).await;
    let job = claim_expired(&fixture, "w1").await;
    fixture.finish_one(finished(&job, changed("x\n"))).await;
    assert_eq!(fixture.requeue_expired().await, 0);
    assert_eq!(fixture.status(job.job).await.status, JobStatus::Done);
}

#[tokio::test]
async fn a_job_whose_workers_keep_dying_fails_in_the_end() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.run(TargetSelection::All).await;
    for attempt in 1..=LEASE_ATTEMPTS {
        let job = claim_expired(&fixture, "w1").await;
        assert_eq!(job.attempt, attempt);
        assert_eq!(fixture.requeue_expired().await, 1);
        let detail = jobs::get(&fixture.store, job.job).await.unwrap();
        let last = attempt == LEASE_ATTEMPTS;
        assert_eq!(detail.job.status, if last { JobStatus::Done } else { JobStatus::Queued });
        assert_eq!(detail.job.outcome, last.then_some(Outcome::Failed));
        assert_eq!(detail.job.error_code, Some(ErrorCode::LeaseLost));
        assert_eq!(detail.attempts.len() as u32, attempt);
        assert_eq!(detail.events.len() as u32, attempt);
        assert_eq!(detail.events[0].event, "failed");
        fixture.make_due().await;
    }
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.status.as_str(), device.last_error_code.as_deref()), ("failing", Some("lease_lost")));
    // The device is free for the next run.
    fixture.claim_new().await;
}

#[tokio::test]
async fn a_released_job_is_queued_again_and_the_attempt_does_not_count() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let jobs_of_both = fixture.claim(2).await;
    let ids: Vec<_> = jobs_of_both.iter().map(|job| job.job).collect();
    assert_eq!(jobs::release(&fixture.store, "w2", &ids).await.unwrap(), 0);
    assert_eq!(jobs::release(&fixture.store, "w1", &ids).await.unwrap(), 2);
    assert_eq!(jobs::release(&fixture.store, "w1", &ids).await.unwrap(), 0);
    let stale = fixture.finish(&[finished(&jobs_of_both[0], changed("x\n"))]).await;
    assert_eq!(stale, [Err(FinishError::Stale(jobs_of_both[0].job))]);
    let again = fixture.claim(2).await;
    assert_eq!(again.iter().map(|job| job.attempt).collect::<Vec<_>>(), [1, 1]);
    for result in
        fixture.finish(&again.iter().map(|job| finished(job, changed("x\n"))).collect::<Vec<_>>()).await
    {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_job_ends_cancelled_however_its_session_ends() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(4).await;
    let run = fixture.run(TargetSelection::All).await.run;
    let dead = claim_expired(&fixture, "w1").await;
    let claimed = fixture.claim(3).await;
    assert_eq!(jobs::cancel_run(&fixture.store, run).await.unwrap(), 4);
    let ids: Vec<_> = claimed.iter().map(|job| job.job).collect();
    assert_eq!(jobs::cancelled_among(&fixture.store, &ids).await.unwrap(), ids);

    assert_eq!(fixture.requeue_expired().await, 1);
    assert_eq!(jobs::release(&fixture.store, "w1", &ids[..1]).await.unwrap(), 1);
    let recorded = fixture
        .finish(&[
            finished(&claimed[1], jobs::FinishedResult::Cancelled),
            finished(&claimed[2], failed(ErrorCode::Timeout, Some(MINUTE))),
        ])
        .await;
    for recorded in recorded {
        let recorded = recorded.unwrap();
        assert_eq!((recorded.outcome, recorded.retry_planned), (None, false));
    }
    for job in ids.iter().chain([&dead.job]) {
        let row = fixture.status(*job).await;
        assert_eq!((row.status, row.outcome), (JobStatus::Cancelled, None));
        assert!(row.completed_at.is_some());
    }
    assert_eq!(
        fixture.number("SELECT count(*) FROM netraven.devices WHERE session_job IS NOT NULL").await,
        0
    );
}

#[tokio::test]
async fn a_result_that_came_before_the_cancellation_was_seen_is_kept() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let run = fixture.run(TargetSelection::All).await.run;
    let job = fixture.claim(1).await.remove(0);
    jobs::cancel_run(&fixture.store, run).await.unwrap();
    let recorded = fixture.finish_one(finished(&job, changed("x\n"))).await;
    assert_eq!(recorded.outcome, Some(Outcome::Changed));
}

#[tokio::test]
async fn a_job_that_nobody_could_begin_waits_and_loses_no_attempt_for_a_quarter_of_an_hour() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.run(TargetSelection::All).await;
    let job = jobs::claim(&fixture.store, "w1", 1, MINUTE).await.unwrap().pop().unwrap();
    assert!(!jobs::postpone(&fixture.store, "w2", job.job).await.unwrap(), "it is not his");
    assert!(jobs::postpone(&fixture.store, "w1", job.job).await.unwrap());
    assert!(!jobs::postpone(&fixture.store, "w1", job.job).await.unwrap(), "it is nobody's now");
    let waiting = fixture.status(job.job).await;
    assert_eq!((waiting.status, waiting.attempts, waiting.worker), (JobStatus::Queued, 0, None));
    assert!(waiting.scheduled_for > waiting.created_at);
    assert!(jobs::claim(&fixture.store, "w1", 1, MINUTE).await.unwrap().is_empty(), "not before its time");

    let old = "UPDATE jobs SET created_at = now() - interval '16 minutes', scheduled_for = now()";
    fixture.execute(old).await;
    let again = jobs::claim(&fixture.store, "w1", 1, MINUTE).await.unwrap().pop().unwrap();
    assert!((again.token, again.attempt) == (job.token + 1, 1));
    assert!(!jobs::postpone(&fixture.store, "w1", job.job).await.unwrap(), "it has waited long enough");
    let finished = fixture.finish(&[finished(&again, failed(ErrorCode::GatewayUnavailable, None))]).await;
    assert!(finished[0].is_ok());
}
