//! What keeps accounts from being locked: a worker, real SSH, credentials that are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{Lab, LabSettings};
use netraven_model::ErrorCode;
use netraven_service::Worker;
use netraven_store::audit::{self, Action, AuditFilter};
use netraven_store::credentials::{self, Change, CredentialInfo};
use netraven_store::devices;
use netraven_store::jobs::{self, JobFilter, JobRow};
use netraven_store::logins::{Limits, refused_by};
use std::time::Duration;
use support::House;

const LIMITS: Limits = Limits { per_device: 3, per_credential: 3 };

fn lab(count: u32) -> LabSettings {
    LabSettings { count, platforms: vec!["frr".into()], ..LabSettings::default() }
}

/// A house whose devices refuse the only credential there is.
async fn stale(count: u32) -> Option<(House, Lab)> {
    let house = House::new().await?;
    let lab = Lab::start(lab(count)).unwrap();
    house.add_devices(&lab.devices()).await;
    house.add_credential("stale", &lab.devices()[0], Some("of-last-year"), 1).await;
    Some((house, lab))
}

fn worker(house: &House) -> Worker {
    house.worker(|settings| {
        settings.parallel_sessions = 200;
        settings.logins = LIMITS;
    })
}

async fn info(house: &House, name: &str) -> CredentialInfo {
    credentials::get_info(&house.store, name).await.unwrap()
}

async fn all_jobs(house: &House) -> Vec<JobRow> {
    jobs::list(&house.store, &JobFilter { limit: Some(1000), ..JobFilter::default() }).await.unwrap()
}

fn refusals(lab: &Lab) -> u64 {
    lab.devices().iter().map(|device| lab.counters(device.index).unwrap().refused_logins as u64).sum()
}

async fn end(worker: Worker, lab: Lab) {
    worker.stop(Duration::from_secs(5)).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_password_is_shown_to_a_few_of_two_hundred_devices_and_suspended_with_one_event() {
    let Some((house, lab)) = stale(200).await else { return };
    let worker = worker(&house);
    let progress = house.back_up().await;
    assert_eq!(progress.failed, 200, "{progress:?}");
    assert_eq!(refusals(&lab), 3);
    assert!(info(&house, "stale").await.suspended_at.is_some());
    let jobs = all_jobs(&house).await;
    let count = |code: ErrorCode| jobs.iter().filter(|job| job.error_code == Some(code)).count();
    assert_eq!((count(ErrorCode::AuthFailed), count(ErrorCode::NoCredential)), (3, 197), "{jobs:?}");
    let told = jobs.iter().find(|job| job.error_code == Some(ErrorCode::NoCredential)).unwrap();
    assert!(
        told.error.as_ref().unwrap().contains("credential 'stale': the credential is suspended"),
        "{told:?}"
    );
    let filter = AuditFilter { action: Some(Action::CredentialSuspended), ..AuditFilter::default() };
    assert_eq!(audit::list(&house.store, &filter).await.unwrap().len(), 1);
    assert_eq!(events(&house, "credential_suspended").await, 1);

    // The next run contacts nobody.
    let connected = connections(&lab);
    let progress = house.back_up().await;
    assert_eq!((progress.failed, connections(&lab)), (200, connected));
    end(worker, lab).await;
}

fn connections(lab: &Lab) -> u64 {
    lab.devices().iter().map(|device| lab.counters(device.index).unwrap().connections as u64).sum()
}

async fn events(house: &House, name: &str) -> usize {
    let mut found = 0;
    for job in all_jobs(house).await {
        let log = netraven_store::logs::job_events(&house.store, job.id).await.unwrap();
        found += log.iter().filter(|row| row.event == name).count();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_credential_behind_a_stale_one_takes_over_and_is_the_first_choice() {
    let Some((house, lab)) = stale(12).await else { return };
    house.add_credential("good", &lab.devices()[0], None, 100).await;
    let worker = worker(&house);
    assert_eq!(house.back_up().await.changed, 12);
    assert!(refusals(&lab) <= 3, "{}", refusals(&lab));
    let refused = refusals(&lab);
    // A new password for the stale one makes it a candidate, but what works goes first.
    let change = Change { username: Some("renamed".into()), ..Change::default() };
    assert_eq!(credentials::update(&house.store, "stale", &change).await.unwrap().suspended_at, None);
    let progress = house.back_up().await;
    assert_eq!((progress.unchanged, refusals(&lab)), (12, refused), "{progress:?}");
    end(worker, lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_refused_too_many_logins_is_not_contacted_until_the_hour_is_over() {
    let Some((house, lab)) = stale(1).await else { return };
    for n in 0..3 {
        house.add_credential(&format!("wrong-{n}"), &lab.devices()[0], Some("wrong"), 10 + n).await;
    }
    let worker = worker(&house);
    assert_eq!(house.back_up().await.failed, 1);
    assert_eq!(refusals(&lab), 3, "three of four credentials");
    let job = all_jobs(&house).await.remove(0);
    assert_eq!(job.error_code, Some(ErrorCode::LockoutGuard), "{job:?}");
    assert!(job.error.unwrap().contains("the next may be tried at 2"));
    let connected = connections(&lab);
    assert_eq!(house.back_up().await.failed, 1);
    assert_eq!((refusals(&lab), connections(&lab)), (3, connected));

    let device = devices::get(&house.store, &lab.devices()[0].hostname).await.unwrap();
    assert_eq!(refused_by(&house.store, device.id).await.unwrap().at.len(), 3);
    end(worker, lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_shown_only_within_its_networks() {
    let Some((house, lab)) = House::with_lab(lab(2)).await else { return };
    let limit = async |networks: &[&str]| {
        let networks = networks.iter().map(|text| (*text).to_owned()).collect();
        let change = Change { allowed_networks: Some(networks), ..Change::default() };
        credentials::update(&house.store, "lab", &change).await.unwrap();
    };
    limit(&["192.0.2.0/24", "2001:db8::/32"]).await;
    let worker = worker(&house);
    assert_eq!(house.back_up().await.failed, 2);
    assert_eq!(connections(&lab), 0);
    let job = all_jobs(&house).await.remove(0);
    assert_eq!(job.error_code, Some(ErrorCode::NoCredential));
    let error = job.error.unwrap();
    assert!(
        error.contains("credential 'lab': the credential is limited to 192.0.2.0/24, 2001:db8::/32"),
        "{error}"
    );
    assert_eq!((info(&house, "lab").await.failures, info(&house, "lab").await.last_used), (0, None));
    limit(&["127.0.0.0/8"]).await;
    assert_eq!(house.back_up().await.changed, 2);
    end(worker, lab).await;
}
