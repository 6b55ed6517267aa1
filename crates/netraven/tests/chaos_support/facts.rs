//! What must hold when a run is over.

use netraven_lab::Lab;
use netraven_model::{JobStatus, Outcome, RunId};
use netraven_store::jobs::{self, JobFilter};
use netraven_store::{Store, versions};

/// Every device has one version and one job that is done, no device was in two sessions at once, and the log tells it.
pub async fn check(store: &Store, lab: &Lab, run: RunId, devices: u32) {
    let progress = jobs::run_progress(store, run).await.unwrap();
    assert_eq!(progress.total, i64::from(devices), "{progress:?}");
    assert_eq!(progress.cancelled + progress.skipped, 0, "{progress:?}");
    // A job whose workers died three times is given up, and says so; anything else has no reason to fail.
    assert!(progress.failures.iter().all(|(code, _)| code.as_str() == "lease_lost"), "{progress:?}");
    println!("{} changed, {} unchanged, {} failed", progress.changed, progress.unchanged, progress.failed);
    let filter = JobFilter { run: Some(run), limit: Some(devices + 1), ..JobFilter::default() };
    let all = jobs::list(store, &filter).await.unwrap();
    assert_eq!(all.len(), devices as usize);
    for job in all {
        assert_eq!(job.status, JobStatus::Done, "{}", job.hostname);
        let detail = jobs::get(store, job.id).await.unwrap();
        let events: Vec<&str> = detail.events.iter().map(|event| event.event.as_str()).collect();
        let count = |name| events.iter().filter(|event| **event == name).count();
        let stored = versions::list(store, &job.hostname, 10, None).await.unwrap().len();
        match job.outcome {
            Some(Outcome::Changed) => {
                assert_eq!(stored, 1, "{}: {events:?}", job.hostname);
                // The line that the store adds may be missing where the worker died right behind the commit.
                assert!(count("version_stored") <= 1, "{}: {events:?}", job.hostname);
                assert!(count("started") >= 1 && count("logged_in") >= 1, "{}: {events:?}", job.hostname);
                assert!(count("command_output") >= 1, "{}: {events:?}", job.hostname);
            }
            Some(Outcome::Failed) => assert_eq!(stored, 0, "{}: {events:?}", job.hostname),
            outcome => panic!("{}: {outcome:?}: {events:?}", job.hostname),
        }
    }
    for device in lab.devices() {
        let counters = lab.counters(device.index).unwrap();
        assert!(counters.max_parallel <= 1, "{} was in two sessions at once: {counters:?}", device.hostname);
    }
}
