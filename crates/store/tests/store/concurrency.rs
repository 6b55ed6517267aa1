use crate::support::{MINUTE, backup_of, changed, failed, finished, fixture, record};
use netraven_model::{DeviceId, ErrorCode, JobId, JobKind};
use netraven_store::Store;
use netraven_store::jobs::{self, Finished, NewRun, TargetSelection};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// Which devices have a session right now, as the workers see it.
#[derive(Default)]
struct Seen {
    jobs: Vec<JobId>,
    sessions: HashSet<DeviceId>,
}

/// Claims and finishes until nothing is left.
async fn work(store: Store, name: String, limit: u32, seen: Arc<Mutex<Seen>>) {
    loop {
        let claimed = jobs::claim(&store, &name, limit, MINUTE).await.unwrap();
        if claimed.is_empty() {
            if jobs::list(
                &store,
                &jobs::JobFilter { status: Some(netraven_model::JobStatus::Queued), ..Default::default() },
            )
            .await
            .unwrap()
            .is_empty()
            {
                return;
            }
            tokio::task::yield_now().await;
            continue;
        }
        {
            let mut seen = seen.lock().unwrap();
            for job in &claimed {
                seen.jobs.push(job.job);
                assert!(seen.sessions.insert(job.device), "device {} has two sessions", job.device);
            }
        }
        tokio::task::yield_now().await;
        let mut batch: Vec<Finished> = claimed
            .iter()
            .map(|job| match job.job.0 % 3 {
                0 => finished(job, failed(ErrorCode::Refused, None)),
                _ => finished(job, changed(&format!("{}\n", job.job))),
            })
            .collect();
        for (result, job) in batch.iter_mut().zip(&claimed) {
            result.credential_used = job.credentials.first().map(|credential| credential.id);
        }
        batch.reverse();
        for job in &claimed {
            seen.lock().unwrap().sessions.remove(&job.device);
        }
        for answer in record(&store, &name, &batch).await {
            answer.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_claim_each_job_once_and_no_device_twice_at_a_time() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(250).await;
    fixture.add_credential("a", 1, &[]).await;
    fixture.add_credential("b", 1, &[]).await;
    fixture.run(TargetSelection::All).await;
    let command = NewRun { kind: JobKind::CredentialCheck, ..backup_of(TargetSelection::All) };
    jobs::create_run(&fixture.store, &command).await.unwrap();

    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut workers = tokio::task::JoinSet::new();
    for n in 0..6 {
        let store = fixture.another_store().await;
        workers.spawn(work(store, format!("w{n}"), 7 + 5 * n, seen.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.jobs.len(), 500);
    assert_eq!(seen.jobs.iter().collect::<HashSet<_>>().len(), 500);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.jobs WHERE status = 'done'").await, 500);
    assert_eq!(
        fixture.number("SELECT count(*) FROM netraven.devices WHERE session_job IS NOT NULL").await,
        0
    );
    assert_eq!(fixture.number("SELECT sum(session_token) FROM netraven.devices").await, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_cancellations_and_removals_do_not_block_workers_for_good() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(60).await;
    let workers = async |n: usize| {
        let store = fixture.another_store().await;
        let name = format!("w{n}");
        for _ in 0..15 {
            let claimed = jobs::claim(&store, &name, 20, MINUTE).await.unwrap();
            let ids: Vec<_> = claimed.iter().map(|job| job.job).collect();
            jobs::extend_leases(&store, &name, &ids, MINUTE).await.unwrap();
            let batch: Vec<_> = claimed.iter().rev().map(|job| finished(job, changed("x\n"))).collect();
            let (given_back, recorded) = batch.split_at(batch.len() / 4);
            jobs::finish(&store, &name, recorded).await.unwrap();
            let given_back: Vec<_> = given_back.iter().map(|result| result.job).collect();
            jobs::release(&store, &name, &given_back).await.unwrap();
        }
    };
    let people = async {
        let store = fixture.another_store().await;
        for n in 0..10 {
            let run = jobs::create_run(&store, &backup_of(TargetSelection::All)).await.unwrap();
            netraven_store::devices::remove(&store, &format!("d{:04}", 60 - n)).await.unwrap();
            if n % 3 == 0 {
                jobs::cancel_run(&store, run.run).await.unwrap();
            }
            jobs::requeue_expired(&store).await.unwrap();
        }
    };
    tokio::join!(workers(1), workers(2), workers(3), people);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.devices").await, 50);
    let half_claimed = "SELECT count(*) FROM netraven.devices d WHERE session_job IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM netraven.jobs j WHERE j.id = d.session_job AND j.status = 'running')";
    assert_eq!(fixture.number(half_claimed).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_started_at_once_make_one_job_for_each_device() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(100).await;
    let (all, other) = (backup_of(TargetSelection::All), fixture.another_store().await);
    let (a, b) = tokio::join!(jobs::create_run(&fixture.store, &all), jobs::create_run(&other, &all));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.jobs + b.jobs, 100);
    assert_eq!(a.shared + b.shared, 100);
    assert_eq!(jobs::run_progress(&fixture.store, a.run).await.unwrap().queued, 100);
    assert_eq!(jobs::run_progress(&fixture.store, b.run).await.unwrap().queued, 100);
}
