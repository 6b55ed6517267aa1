use crate::support::{MINUTE, backup_of, changed, failed, finished, fixture, is_missing, unchanged};
use netraven_model::{DeviceId, ErrorCode, JobId, JobKind, JobStatus, Outcome, RunId};
use netraven_store::devices::{self, DeviceChange};
use netraven_store::jobs::{self, FinishedResult, JobFilter, NewRun, Progress, RunCreated, TargetSelection};
use netraven_store::tags;

#[tokio::test]
async fn a_run_takes_all_devices_or_those_with_tags_or_of_a_site_or_those_named() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(4).await;
    for (device, tag) in [("d0002", "spine"), ("d0003", "spine"), ("d0003", "paris")] {
        let _ = tags::add(&fixture.store, tag, "role").await;
        tags::attach_device(&fixture.store, device, tag).await.unwrap();
    }
    for (device, site) in [("d0001", "attic"), ("d0004", "cellar")] {
        let change = DeviceChange { site: Some(site.into()), ..DeviceChange::default() };
        devices::update(&fixture.store, device, change).await.unwrap();
    }
    let id = devices::get(&fixture.store, "d0003").await.unwrap().id;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (target, taken) in [
        (TargetSelection::Tags(words(&["spine", "paris"])), "d0002 d0003"),
        (TargetSelection::AllTags(words(&["spine", "paris", "spine"])), "d0003"),
        (TargetSelection::AllTags(words(&["spine"])), "d0002 d0003"),
        (TargetSelection::Sites(words(&["attic", "cellar"])), "d0001 d0004"),
        (TargetSelection::Sites(words(&["cellar"])), "d0004"),
        (TargetSelection::Devices(vec![id, id]), "d0003"),
        (TargetSelection::All, "d0001 d0002 d0003 d0004"),
    ] {
        let run = fixture.run(target.clone()).await.run;
        let results = jobs::run_results(&fixture.store, run).await.unwrap();
        let names: Vec<_> = results.into_iter().map(|row| row.hostname).collect();
        assert_eq!(names.join(" "), taken, "{target:?}");
    }
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.jobs").await, 4);
}

#[tokio::test]
async fn a_run_of_tags_sites_or_devices_that_do_not_exist_is_refused() {
    let Some(fixture) = fixture().await else { return };
    let create = async |target| jobs::create_run(&fixture.store, &backup_of(target)).await;
    assert!(is_missing(create(TargetSelection::Tags(vec![tags::DEFAULT.into(), "cor".into()])).await, "tag"));
    assert!(is_missing(create(TargetSelection::AllTags(vec!["cor".into()])).await, "tag"));
    assert!(is_missing(create(TargetSelection::Sites(vec!["nowhere".into()])).await, "site"));
    assert!(is_missing(create(TargetSelection::Devices(vec![DeviceId(77)])).await, "device"));
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.runs").await, 0);
    let empty = create(TargetSelection::All).await.unwrap();
    assert_eq!((empty.jobs, empty.shared), (0, 0));
    assert_eq!(jobs::run_progress(&fixture.store, empty.run).await.unwrap(), Progress::default());
    assert!(jobs::run_results(&fixture.store, empty.run).await.unwrap().is_empty());
}

#[tokio::test]
async fn disabled_devices_are_never_taken() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let change = DeviceChange { enabled: Some(false), ..DeviceChange::default() };
    let disabled = devices::update(&fixture.store, "d0001", change).await.unwrap();
    assert_eq!(fixture.run(TargetSelection::All).await.jobs, 1);
    assert_eq!(fixture.run(TargetSelection::Devices(vec![disabled.id])).await.jobs, 0);
}

#[tokio::test]
async fn runs_that_overlap_share_the_active_job_and_both_see_its_result() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let first = fixture.run(TargetSelection::All).await;
    let d1 = devices::get(&fixture.store, "d0001").await.unwrap().id;
    let urgent = NewRun { priority: 1, ..backup_of(TargetSelection::Devices(vec![d1])) };
    let second = jobs::create_run(&fixture.store, &urgent).await.unwrap();
    assert_eq!(second, RunCreated { run: second.run, jobs: 0, shared: 1, skipped: 0 });
    let other_kind =
        NewRun { kind: JobKind::CredentialCheck, ..backup_of(TargetSelection::Devices(vec![d1])) };
    assert_eq!(jobs::create_run(&fixture.store, &other_kind).await.unwrap().jobs, 1);

    // The shared job is as urgent as the more urgent run.
    let claimed = fixture.claim(1).await.remove(0);
    assert_eq!((claimed.device, claimed.run), (d1, Some(first.run)));
    fixture.finish_one(finished(&claimed, changed("x\n"))).await;
    for run in [first.run, second.run] {
        assert_eq!(jobs::run_progress(&fixture.store, run).await.unwrap().changed, 1);
    }
}

#[tokio::test]
async fn a_run_that_shares_a_waiting_retry_brings_it_forward() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    fixture.finish_one(finished(&job, failed(ErrorCode::Timeout, Some(MINUTE * 60)))).await;
    assert!(fixture.claim(1).await.is_empty());
    assert_eq!(fixture.run(TargetSelection::All).await.shared, 1);
    assert_eq!(fixture.claim(1).await[0].job, job.job);
}

#[tokio::test]
async fn progress_counts_every_state_and_why_jobs_failed() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(8).await;
    let run = fixture.run(TargetSelection::All).await.run;
    let claimed = fixture.claim(7).await;
    let results = [
        changed("x\n"),
        unchanged(),
        failed(ErrorCode::Timeout, None),
        failed(ErrorCode::AuthFailed, None),
        failed(ErrorCode::Timeout, None),
        failed(ErrorCode::Timeout, Some(MINUTE)),
    ];
    let batch: Vec<_> = claimed.iter().zip(results).map(|(job, result)| finished(job, result)).collect();
    fixture.finish(&batch).await;
    let expected = Progress {
        queued: 2,
        running: 1,
        changed: 1,
        unchanged: 1,
        failed: 3,
        failures: vec![(ErrorCode::Timeout, 2), (ErrorCode::AuthFailed, 1)],
        total: 8,
        ..Progress::default()
    };
    let progress = jobs::run_progress(&fixture.store, run).await.unwrap();
    assert_eq!(progress, expected);
    assert_eq!(progress.active(), 3);
    assert!(is_missing(jobs::run_progress(&fixture.store, RunId(99)).await, "run"));
    assert!(is_missing(jobs::run_results(&fixture.store, RunId(99)).await, "run"));
}

#[tokio::test]
async fn results_tell_of_each_device_what_came_of_it() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    let run = fixture.run(TargetSelection::All).await.run;
    let claimed = fixture.claim(2).await;
    let batch =
        [finished(&claimed[0], changed("abc\n")), finished(&claimed[1], failed(ErrorCode::Refused, None))];
    fixture.finish(&batch).await;
    let results = jobs::run_results(&fixture.store, run).await.unwrap();
    let [one, two, three] = &results[..] else { panic!("{results:?}") };
    assert_eq!(
        (one.hostname.as_str(), one.outcome, one.seq, one.bytes),
        ("d0001", Some(Outcome::Changed), Some(1), Some(4))
    );
    assert_eq!(one.duration_ms, Some(250));
    assert_eq!((two.outcome, two.error_code), (Some(Outcome::Failed), Some(ErrorCode::Refused)));
    assert_eq!(two.message.as_deref(), Some("it did not answer"));
    assert_eq!((three.status, three.outcome, three.duration_ms), (JobStatus::Queued, None, None));
}

#[tokio::test]
async fn a_cancelled_run_ends_what_waits_and_marks_what_runs() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    let run = fixture.run(TargetSelection::All).await.run;
    let running = fixture.claim(1).await.remove(0);
    assert!(jobs::cancelled_among(&fixture.store, &[running.job]).await.unwrap().is_empty());
    assert_eq!(jobs::cancel_run(&fixture.store, run).await.unwrap(), 3);
    assert_eq!(jobs::cancel_run(&fixture.store, run).await.unwrap(), 0);
    assert_eq!(jobs::cancelled_among(&fixture.store, &[running.job]).await.unwrap(), [running.job]);
    assert!(fixture.claim(10).await.is_empty());
    let progress = jobs::run_progress(&fixture.store, run).await.unwrap();
    assert_eq!((progress.cancelled, progress.running), (2, 1));
    assert!(jobs::runs_list(&fixture.store, 1, None).await.unwrap()[0].cancelled_at.is_some());
    assert!(is_missing(jobs::cancel_run(&fixture.store, RunId(99)).await, "run"));
}

#[tokio::test]
async fn a_job_that_another_run_wants_outlives_the_cancellation_of_one() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let first = fixture.run(TargetSelection::All).await.run;
    let second = fixture.run(TargetSelection::All).await.run;
    assert_eq!(jobs::cancel_run(&fixture.store, first).await.unwrap(), 0);
    assert_eq!(jobs::cancel_run(&fixture.store, second).await.unwrap(), 1);
}

#[tokio::test]
async fn a_new_run_withdraws_the_cancellation_of_a_job_under_way() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let run = fixture.run(TargetSelection::All).await.run;
    let job = fixture.claim(1).await.remove(0);
    jobs::cancel_run(&fixture.store, run).await.unwrap();
    let second = fixture.run(TargetSelection::All).await;
    assert_eq!(second.shared, 1);
    // The worker had closed the session already: the job starts again.
    let recorded = fixture.finish_one(finished(&job, FinishedResult::Cancelled)).await;
    assert!(recorded.retry_planned);
    let again = fixture.claim(1).await.remove(0);
    assert_eq!((again.job, again.attempt), (job.job, 2));
}

#[tokio::test]
async fn runs_and_jobs_are_listed_newest_first() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    let first = fixture.run(TargetSelection::All).await.run;
    let job = fixture.claim(1).await.remove(0);
    fixture.finish_one(finished(&job, failed(ErrorCode::Refused, None))).await;
    let second = fixture.run(TargetSelection::All).await;
    assert_eq!((second.jobs, second.shared), (1, 1));

    let runs = jobs::runs_list(&fixture.store, 10, None).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| (run.id, run.jobs, run.active, run.failed)).collect::<Vec<_>>(),
        [(second.run, 2, 2, 0), (first, 2, 1, 1)]
    );
    assert_eq!((runs[0].origin.as_str(), runs[0].requested_by.as_str()), ("person", "tester"));
    assert_eq!((&runs[0].target, runs[0].schedule), (&TargetSelection::All, None));
    assert_eq!(jobs::runs_list(&fixture.store, 1, None).await.unwrap().len(), 1);

    let list = async |filter| -> Vec<JobId> {
        jobs::list(&fixture.store, &filter).await.unwrap().into_iter().map(|job| job.id).collect()
    };
    let all = list(JobFilter::default()).await;
    assert!(all.len() == 3 && all.is_sorted_by(|a, b| a > b));
    assert_eq!(list(JobFilter { run: Some(second.run), ..JobFilter::default() }).await.len(), 2);
    assert_eq!(list(JobFilter { device: Some(job.device), ..JobFilter::default() }).await.len(), 2);
    assert_eq!(list(JobFilter { status: Some(JobStatus::Queued), ..JobFilter::default() }).await.len(), 2);
    assert_eq!(list(JobFilter { outcome: Some(Outcome::Failed), ..JobFilter::default() }).await, [job.job]);
    assert_eq!(
        list(JobFilter { before: Some(all[0]), limit: Some(1), ..JobFilter::default() }).await,
        [all[1]]
    );
    assert!(is_missing(jobs::get(&fixture.store, JobId(99)).await, "job"));
}
