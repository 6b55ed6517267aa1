use crate::support::{MINUTE, changed, changed_parts, dialogue, failed, finished, fixture, part, unchanged};
use chrono::Utc;
use netraven_model::{ErrorCode, Event, Facts, Failure, HostKey, JobEvent, JobId, Outcome, Phase};
use netraven_store::jobs::{self, FinishError, FinishedResult, Recorded, TargetSelection};
use netraven_store::{devices, logs};
use std::time::Duration;

#[tokio::test]
async fn a_device_removed_while_its_job_ran_costs_the_others_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    fixture.run(TargetSelection::All).await;
    let claimed = fixture.claim(3).await;
    devices::remove(&fixture.store, "d0002").await.unwrap();
    let batch: Vec<_> = claimed
        .iter()
        .map(|job| {
            let mut result = finished(job, changed("x\n"));
            result.dialogue = dialogue(&result, "dialogue");
            result.host_key =
                Some(HostKey { algorithm: "a".into(), key: "k".into(), fingerprint: "f".into() });
            result
        })
        .collect();
    let recorded = fixture.finish(&batch).await;
    assert_eq!(recorded[0].as_ref().unwrap().outcome, Some(Outcome::Changed));
    assert_eq!(recorded[1], Err(FinishError::Gone(claimed[1].job)));
    assert_eq!(recorded[2].as_ref().unwrap().outcome, Some(Outcome::Changed));
    // The session took place.
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.connection_logs").await, 3);
}

#[tokio::test]
async fn a_result_is_recorded_once() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let result = finished(&job, changed("x\n"));
    let answers = fixture.finish(&[result.clone(), result.clone()]).await;
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(FinishError::Stale(job.job)));
    let other = finished(&job, changed("y\n"));
    assert_eq!(fixture.finish(&[other]).await, [Err(FinishError::Stale(job.job))]);
    assert_eq!(jobs::get(&fixture.store, job.job).await.unwrap().attempts.len(), 1);
}

#[tokio::test]
async fn a_result_whose_recording_was_not_heard_of_is_recognized_and_not_recorded_again() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(5).await;
    let run = fixture.run(TargetSelection::All).await.run;
    let claimed = fixture.claim(5).await;
    jobs::finish(&fixture.store, "w1", &[finished(&claimed[1], changed("x\n"))]).await.unwrap();
    fixture.run(TargetSelection::Devices(vec![claimed[1].device])).await;
    let again = fixture.claim(1).await.remove(0);
    let results = [
        finished(&claimed[0], changed("x\n")),
        finished(&again, unchanged()),
        finished(&claimed[2], failed(ErrorCode::Timeout, Some(Duration::ZERO))),
        finished(&claimed[3], failed(ErrorCode::AuthFailed, None)),
        finished(&claimed[4], FinishedResult::Cancelled),
    ];
    fixture
        .execute(
            "UPDATE netraven.jobs SET cancel_requested = true WHERE device_id =
        (SELECT id FROM netraven.devices WHERE hostname = 'd0005')",
        )
        .await;
    let first = fixture.finish(&results).await;
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    // The job that is tried again is claimed meanwhile: its first attempt is recorded all the same.
    assert_eq!(fixture.claim(1).await[0].job, claimed[2].job);
    let second = jobs::finish(&fixture.store, "w1", &results).await.unwrap();
    for (first, second) in first.iter().zip(&second) {
        let (first, second) = (first.as_ref().unwrap(), second.as_ref().unwrap());
        assert_eq!((first.job, first.outcome, first.version), (second.job, second.outcome, second.version));
        assert_eq!(first.retry_planned, second.retry_planned);
        let event = |recorded: &Recorded| recorded.event.as_ref().map(|event| event.event.clone());
        assert_eq!(event(first), event(second));
    }
    let outcomes = second.iter().map(|answer| answer.as_ref().unwrap().outcome).collect::<Vec<_>>();
    let (changed, unchanged) = (Some(Outcome::Changed), Some(Outcome::Unchanged));
    assert_eq!(outcomes, [changed, unchanged, None, Some(Outcome::Failed), None]);
    assert!(second[2].as_ref().unwrap().retry_planned && !second[4].as_ref().unwrap().retry_planned);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.device_configurations").await, 2);
    assert_eq!(jobs::run_progress(&fixture.store, run).await.unwrap().changed, 2);
}

#[tokio::test]
async fn a_wrong_token_worker_or_job_records_nothing_but_the_rest_of_the_batch() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let claimed = fixture.claim(2).await;
    let mut stale = finished(&claimed[0], changed("x\n"));
    stale.token += 1;
    let mut unknown = finished(&claimed[0], changed("x\n"));
    unknown.job = JobId(4242);
    let answers = fixture.finish(&[stale, unknown, finished(&claimed[1], changed("x\n"))]).await;
    assert_eq!(answers[0], Err(FinishError::Stale(claimed[0].job)));
    assert_eq!(answers[1], Err(FinishError::Gone(JobId(4242))));
    assert!(answers[2].is_ok());
    let foreign = jobs::finish(&fixture.store, "w2", &[finished(&claimed[0], changed("x\n"))]).await.unwrap();
    assert_eq!(foreign, [Err(FinishError::Stale(claimed[0].job))]);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.device_configurations").await, 1);
}

#[tokio::test]
async fn nul_characters_anywhere_do_not_stop_a_result() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let claimed = fixture.claim(2).await;
    let facts = Facts { model: Some("C\0".into()), changed_by: Some("a\0".into()), ..Facts::default() };
    let mut raw = part("n\0", b"a\0b\n", Vec::new());
    raw.context = Some("c\0".into());
    let FinishedResult::Changed { config, platform_digest, .. } = changed_parts(vec![raw]) else {
        panic!("made as changed")
    };
    let flags = vec!["f\0".into()];
    let result = FinishedResult::Changed { config, platform_digest, flags, rules_only: false, facts };
    let mut one = finished(&claimed[0], result);
    one.dialogue = dialogue(&one, "a\0b");
    one.host_key = Some(HostKey { algorithm: "a\0".into(), key: "k".into(), fingerprint: "f".into() });
    let failure = Failure::new(ErrorCode::PromptNotFound, Phase::Login, "got \0");
    let two = finished(&claimed[1], FinishedResult::Failed { failure: failure.clone(), retry_in: None });
    one.events = vec![JobEvent::new(Some(one.job), None, Utc::now(), Event::Failed { failure })];
    let answers = fixture.finish(&[one, two]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let log = logs::connection_log(&fixture.store, claimed[0].job).await.unwrap().unwrap();
    assert_eq!(log.log, "a\u{fffd}b");
    assert_eq!(fixture.status(claimed[1].job).await.error.as_deref(), Some("got \u{fffd}"));
    let version = netraven_store::versions::load(
        &fixture.store,
        "d0001",
        netraven_store::versions::VersionSelector::Latest,
    );
    // The content itself is bytes and stays as it is.
    assert_eq!(version.await.unwrap().parts[0].content, b"a\0b\n");
}

#[tokio::test]
async fn one_result_that_the_database_refuses_is_answered_for_alone() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    fixture.run(TargetSelection::All).await;
    let claimed = fixture.claim(3).await;
    // No real result can break a rule of the schema, so one more rule is made for one of them.
    fixture.execute("ALTER TABLE netraven.host_keys ADD CHECK (key <> 'poison')").await;
    let batch: Vec<_> = ["fine", "poison", "fine"]
        .into_iter()
        .zip(&claimed)
        .map(|(key, job)| {
            let mut result = finished(job, changed("x\n"));
            result.host_key =
                Some(HostKey { algorithm: "a".into(), key: key.into(), fingerprint: "f".into() });
            result
        })
        .collect();
    let answers = fixture.finish(&batch).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(matches!(&answers[1], Err(FinishError::Unstorable { job, .. }) if *job == claimed[1].job));
    assert_eq!(devices::get(&fixture.store, "d0002").await.unwrap().versions, 0);
}

#[tokio::test]
async fn a_wait_beyond_all_measure_is_cut() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, failed(ErrorCode::Timeout, Some(Duration::MAX)))).await;
    assert!(recorded.retry_planned);
    let days = (fixture.status(job.job).await.scheduled_for - Utc::now()).num_days();
    assert!((364..=366).contains(&days), "{days}");
}

#[tokio::test]
async fn unchanged_without_any_version_is_recorded_as_that() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, unchanged())).await;
    assert_eq!((recorded.outcome, recorded.version), (Some(Outcome::Unchanged), None));
}

#[tokio::test]
async fn a_database_that_is_cut_off_is_said_to_be_worth_a_retry_and_nothing_is_half_written() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let result = finished(&job, changed("x\n"));
    // Holds the transaction up at the attempt, behind the version; then its connection is cut.
    let mut blocker = fixture.connection().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE netraven.job_attempts IN EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let batch = [result];
    let cut = async {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while fixture.execute(cut).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (answer, cut) =
        tokio::join!(jobs::finish(&fixture.store, "w1", &batch), tokio::time::timeout(MINUTE, cut));
    cut.expect("the transaction to wait for the lock");
    let error = answer.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.device_configurations").await, 0);
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    assert!(fixture.finish(&batch).await[0].is_ok());
}
