//! What changed with devices is recorded once for each change.

use crate::secrets::config;
use crate::support::{Fixture, MINUTE, changed, failed, finished, fixture, is_missing, record, unchanged};
use netraven_model::{ChangeKind, ErrorCode};
use netraven_store::access::Role;
use netraven_store::changes::{self, ChangeFilter, ChangeRow};
use netraven_store::jobs::{self, FinishedResult};
use netraven_store::{devices, notifications};

async fn all(fixture: &Fixture) -> Vec<ChangeRow> {
    let mut rows = changes::list(&fixture.store, &ChangeFilter::default()).await.unwrap();
    rows.reverse();
    rows
}

async fn kinds(fixture: &Fixture) -> Vec<ChangeKind> {
    all(fixture).await.into_iter().map(|row| row.event).collect()
}

async fn run_job(fixture: &Fixture, result: FinishedResult) {
    let job = fixture.claim_new().await;
    fixture.finish_one(finished(&job, result)).await;
}

#[tokio::test]
async fn a_device_that_fails_five_times_begins_to_fail_once_and_recovers_once() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    for _ in 0..5 {
        run_job(&fixture, failed(ErrorCode::Timeout, None)).await;
    }
    let found = all(&fixture).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].device, found[0].hostname.as_str()), (device.id, "r1"));
    assert_eq!((found[0].event, found[0].error_code), (ChangeKind::DeviceFailing, Some(ErrorCode::Timeout)));
    assert_eq!(found[0].message.as_deref(), Some("it did not answer"));
    assert!(found[0].job.is_some());
    run_job(&fixture, changed("one")).await;
    run_job(&fixture, unchanged()).await;
    assert_eq!(kinds(&fixture).await, [ChangeKind::DeviceFailing, ChangeKind::DeviceRecovered]);
    run_job(&fixture, failed(ErrorCode::Refused, None)).await;
    assert_eq!(kinds(&fixture).await.len(), 3, "the next failure is another one");
}

#[tokio::test]
async fn a_failure_that_is_tried_again_is_no_change_yet() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    run_job(&fixture, failed(ErrorCode::Timeout, Some(MINUTE))).await;
    assert_eq!(kinds(&fixture).await, []);
    fixture.execute("UPDATE netraven.jobs SET scheduled_for = now()").await;
    let job = fixture.claim(1).await.pop().unwrap();
    fixture.finish_one(finished(&job, failed(ErrorCode::Timeout, None))).await;
    assert_eq!(kinds(&fixture).await, [ChangeKind::DeviceFailing]);
}

#[tokio::test]
async fn a_new_configuration_is_a_change_and_the_first_one_and_one_of_other_rules_are_none() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    run_job(&fixture, changed("one")).await;
    let mut rules = changed("one, read otherwise");
    if let FinishedResult::Changed { rules_only, .. } = &mut rules {
        *rules_only = true;
    }
    run_job(&fixture, rules).await;
    assert_eq!(kinds(&fixture).await, []);
    run_job(&fixture, changed("two")).await;
    run_job(&fixture, changed("two")).await;
    let found = all(&fixture).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].event, found[0].seq), (ChangeKind::ConfigurationChanged, Some(3)));
    assert!(found[0].version.is_some() && found[0].error_code.is_none());
}

#[tokio::test]
async fn a_result_that_is_recorded_twice_changes_something_once() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    run_job(&fixture, changed("one")).await;
    let job = fixture.claim_new().await;
    let result = [finished(&job, changed("two"))];
    for _ in 0..2 {
        assert!(record(&fixture.store, "w1", &result).await[0].is_ok());
    }
    assert_eq!(kinds(&fixture).await, [ChangeKind::ConfigurationChanged]);
}

#[tokio::test]
async fn a_secret_that_the_device_did_not_have_is_counted_and_never_shown() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    run_job(&fixture, config(&["one", "two"], 1)).await;
    assert_eq!(kinds(&fixture).await, [], "with the first version all are new");
    run_job(&fixture, config(&["one"], 1)).await;
    assert_eq!(kinds(&fixture).await, [ChangeKind::ConfigurationChanged], "one less is no new one");
    run_job(&fixture, config(&["one", "canary-a", "canary-b"], 1)).await;
    let found = all(&fixture).await;
    let secret = found.last().unwrap();
    assert_eq!((found.len(), secret.event), (3, ChangeKind::SecretChanged));
    assert_eq!(secret.message.as_deref(), Some("2 secrets are new in the configuration"));
    assert_eq!(secret.seq, Some(3));
    run_job(&fixture, config(&["two"], 1)).await;
    assert_eq!(kinds(&fixture).await.len(), 4, "it had that one before");
}

#[tokio::test]
async fn another_host_key_is_told_once_until_something_else_happens() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    run_job(&fixture, changed("one")).await;
    for _ in 0..3 {
        run_job(&fixture, failed(ErrorCode::HostKeyChanged, None)).await;
    }
    assert_eq!(kinds(&fixture).await, [ChangeKind::DeviceFailing, ChangeKind::HostKeyChanged]);
    run_job(&fixture, failed(ErrorCode::Timeout, None)).await;
    run_job(&fixture, failed(ErrorCode::HostKeyChanged, None)).await;
    let last = kinds(&fixture).await;
    assert_eq!(last[2..], [ChangeKind::HostKeyChanged], "it still fails, and shows the other key again");
}

#[tokio::test]
async fn a_job_whose_workers_keep_dying_makes_its_device_fail_once() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for _ in 0..2 {
        let scheduler = fixture.database.store_as(Role::Scheduler).await;
        fixture.claim_new().await;
        for attempt in 1..=jobs::LEASE_ATTEMPTS {
            fixture.execute("UPDATE netraven.jobs SET lease_until = now() - interval '1 second' WHERE status = 'running'").await;
            assert_eq!(jobs::requeue_expired(&scheduler).await.unwrap().len(), 1);
            fixture.make_due().await;
            let again = fixture.claim(1).await.len();
            assert_eq!(again, usize::from(attempt < jobs::LEASE_ATTEMPTS));
        }
    }
    let found = all(&fixture).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].error_code, Some(ErrorCode::LeaseLost));
}

#[tokio::test]
async fn the_gateways_role_records_changes_and_a_disabled_device_begins_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let gateway = fixture.database.store_as(Role::Gateway).await;
    let job = fixture.claim_new().await;
    fixture.execute("UPDATE netraven.devices SET status = 'disabled'").await;
    let result = [finished(&job, failed(ErrorCode::Timeout, None))];
    assert!(jobs::finish(&gateway, "w1", &result).await.unwrap()[0].is_ok());
    assert_eq!(kinds(&fixture).await, []);
    fixture.execute("UPDATE netraven.devices SET status = 'ok'").await;
    let job = fixture.claim_new().await;
    let result = [finished(&job, failed(ErrorCode::Timeout, None))];
    assert!(jobs::finish(&gateway, "w1", &result).await.unwrap()[0].is_ok());
    assert_eq!(kinds(&fixture).await, [ChangeKind::DeviceFailing]);
}

#[tokio::test]
async fn changes_are_listed_page_by_page_and_of_devices_that_are_gone_too() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    for text in ["1", "2", "3", "4"] {
        run_job(&fixture, changed(text)).await;
    }
    let list = async |filter: ChangeFilter| changes::list(&fixture.store, &filter).await.unwrap();
    let first = list(ChangeFilter { limit: Some(2), ..ChangeFilter::default() }).await;
    assert_eq!(first.iter().map(|row| row.seq).collect::<Vec<_>>(), [Some(4), Some(3)]);
    let second = list(ChangeFilter { before: Some(first[1].id), ..ChangeFilter::default() }).await;
    assert_eq!(second.iter().map(|row| row.seq).collect::<Vec<_>>(), [Some(2)]);
    let since = list(ChangeFilter { since: Some(first[0].at), ..ChangeFilter::default() }).await;
    assert_eq!(since.len(), 1);
    let failing =
        list(ChangeFilter { event: Some(ChangeKind::DeviceFailing), ..ChangeFilter::default() }).await;
    assert!(failing.is_empty());
    devices::remove(&fixture.store, "r1").await.unwrap();
    let of = |name: &str| ChangeFilter { device: Some(name.to_owned()), ..ChangeFilter::default() };
    let gone = list(of("r1")).await;
    assert_eq!((gone.len(), gone[0].device), (3, device.id));
    assert!(is_missing(changes::list(&fixture.store, &of("r2")).await, "device"));
}

#[tokio::test]
async fn old_changes_are_deleted_in_batches_with_their_deliveries() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for text in ["1", "2", "3", "4"] {
        run_job(&fixture, changed(text)).await;
    }
    crate::notifications::add_webhook(&fixture, "hook").await;
    assert_eq!(notifications::route(&fixture.store, 10).await.unwrap().deliveries, 3);
    let notifier = fixture.database.store_as(Role::Notifier).await;
    let newest = all(&fixture).await[2].at;
    assert_eq!(changes::sweep(&notifier, newest, 1).await.unwrap(), 1);
    assert_eq!(changes::sweep(&notifier, newest, 10).await.unwrap(), 1);
    assert_eq!(changes::sweep(&notifier, newest, 10).await.unwrap(), 0);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.notification_deliveries").await, 1);
}
