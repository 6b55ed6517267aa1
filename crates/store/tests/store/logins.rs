use crate::support::{Fixture, fixture};
use netraven_model::{CredentialId, DeviceId};
use netraven_store::audit::{self, Action, AuditFilter};
use netraven_store::credentials::{self, Change};
use netraven_store::logins::{self, Begun, Limits, LoginId, Wanted};
use netraven_store::{devices, jobs};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const LIMITS: Limits = Limits { per_device: 3, per_credential: 3 };

async fn begin(fixture: &Fixture, wanted: &Wanted) -> Begun {
    logins::begin(&fixture.store, wanted, &LIMITS).await.unwrap()
}

async fn entered(fixture: &Fixture, wanted: &Wanted) -> LoginId {
    match begin(fixture, wanted).await {
        Begun::Yes(login) => login,
        other => panic!("{other:?}"),
    }
}

/// One login that is refused; whether the credential was suspended for it.
async fn refused(fixture: &Fixture, wanted: &Wanted) -> bool {
    let login = entered(fixture, wanted).await;
    logins::refused(&fixture.store, wanted, Some(login), None, &LIMITS).await.unwrap().is_some()
}

async fn device(fixture: &Fixture, name: &str) -> DeviceId {
    fixture.add_device(name).await.id
}

fn with(device: DeviceId, credential: Option<CredentialId>) -> Wanted {
    Wanted { device, credential, job: None }
}

#[tokio::test]
async fn a_device_that_refused_enough_logins_is_left_alone_whatever_the_credential() {
    let Some(fixture) = fixture().await else { return };
    let r1 = device(&fixture, "r1").await;
    let ops = fixture.add_credential("ops", 1, &[]).await;
    for credential in [Some(ops), None, None] {
        assert!(!refused(&fixture, &with(r1, credential)).await);
    }
    let Begun::Blocked { refused, until } = begin(&fixture, &with(r1, None)).await else { panic!() };
    let minutes = (until - chrono::Utc::now()).num_minutes();
    assert!(refused == 3 && (58..=60).contains(&minutes), "{until}");
    let seen = logins::refused_by(&fixture.store, r1).await.unwrap();
    assert_eq!(seen.blocked_until(&LIMITS), Some(until));
    // The claim tells it, so that no job needs to ask.
    assert_eq!(fixture.claim_new().await.refused, seen);

    fixture.execute("UPDATE netraven.login_attempts SET at = at - interval '61 minutes'").await;
    entered(&fixture, &with(r1, Some(ops))).await;
}

#[tokio::test]
async fn a_success_forgives_the_device_what_it_refused() {
    let Some(fixture) = fixture().await else { return };
    let r1 = device(&fixture, "r1").await;
    refused(&fixture, &with(r1, None)).await;
    refused(&fixture, &with(r1, None)).await;
    let good = with(r1, None);
    let login = entered(&fixture, &good).await;
    // Together with those refused it is as many as may be refused.
    assert_eq!(begin(&fixture, &good).await, Begun::Later);
    logins::accepted(&fixture.store, &good, Some(login)).await.unwrap();
    assert!(logins::refused_by(&fixture.store, r1).await.unwrap().at.is_empty());
    let again = entered(&fixture, &good).await;
    logins::abandon(&fixture.store, again).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.login_attempts").await, 2, "the refused ones");
}

#[tokio::test]
async fn a_login_whose_process_died_stops_to_count_by_itself() {
    let Some(fixture) = fixture().await else { return };
    let r1 = device(&fixture, "r1").await;
    for _ in 0..3 {
        entered(&fixture, &with(r1, None)).await;
    }
    assert_eq!(begin(&fixture, &with(r1, None)).await, Begun::Later);
    fixture.execute("UPDATE netraven.login_attempts SET open_until = now() - interval '1 second'").await;
    entered(&fixture, &with(r1, None)).await;
}

#[tokio::test]
async fn a_credential_that_several_devices_refuse_in_a_row_is_suspended_once_until_somebody_resumes_it() {
    let Some(fixture) = fixture().await else { return };
    let stale = fixture.add_credential("stale", 1, &[]).await;
    let (r1, r2, r3) =
        (device(&fixture, "r1").await, device(&fixture, "r2").await, device(&fixture, "r3").await);
    assert!(!refused(&fixture, &with(r1, Some(stale))).await);
    assert!(!refused(&fixture, &with(r1, Some(stale))).await, "one device is one device");
    let half = entered(&fixture, &with(r3, Some(stale))).await;
    assert!(!refused(&fixture, &with(r2, Some(stale))).await);
    let late = with(r3, Some(stale));
    let suspension =
        logins::refused(&fixture.store, &late, Some(half), None, &LIMITS).await.unwrap().unwrap();
    assert_eq!((suspension.name.as_str(), suspension.devices), ("stale", 3));
    assert!(
        logins::refused(&fixture.store, &late, None, None, &LIMITS).await.unwrap().is_none(),
        "told once"
    );
    assert!(matches!(begin(&fixture, &with(r2, Some(stale))).await, Begun::Suspended { .. }));
    assert!(credentials::get_info(&fixture.store, "stale").await.unwrap().suspended_at.is_some());

    let job = fixture.claim_new().await;
    assert!(job.credentials.is_empty());
    assert!(job.left_out[0].to_string().starts_with("credential 'stale' is suspended since 20"));
    assert!(credentials::resume(&fixture.store, "stale").await.unwrap());
    assert!(!credentials::resume(&fixture.store, "stale").await.unwrap());
    assert!(!refused(&fixture, &with(r2, Some(stale))).await, "what was before counts no longer");
    assert_eq!(events(&fixture, Action::CredentialSuspended).await, 1);
    assert_eq!(events(&fixture, Action::CredentialResumed).await, 1);
}

async fn events(fixture: &Fixture, action: Action) -> usize {
    let all = audit::list(&fixture.store, &AuditFilter::default()).await.unwrap();
    all.iter().filter(|row| row.action == action.as_str() && row.target.as_deref() == Some("stale")).count()
}

#[tokio::test]
async fn another_password_lifts_a_suspension_and_another_priority_does_not() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_credential("stale", 1, &[]).await;
    fixture.execute("UPDATE netraven.credentials SET suspended_at = now()").await;
    let priority = Change { priority: Some(5), ..Change::default() };
    let info = credentials::update(&fixture.store, "stale", &priority).await.unwrap();
    assert!(info.priority == 5 && info.suspended_at.is_some());
    let change = Change {
        password: Some(b"other".to_vec()),
        allowed_networks: Some(vec!["10.0.0.0/8".into(), "2001:db8::1".into()]),
        ..Change::default()
    };
    let info = credentials::update(&fixture.store, "stale", &change).await.unwrap();
    assert_eq!(info.suspended_at, None);
    assert_eq!(info.allowed_networks, ["10.0.0.0/8", "2001:db8::1/128"]);
    let sealed = credentials::sealed(&fixture.store, "stale").await.unwrap();
    assert_eq!(
        (sealed.password.as_deref(), sealed.username.as_str()),
        (Some(&b"other"[..]), "user-of-stale")
    );
    assert_eq!(sealed.allowed_networks, info.allowed_networks);
    let wrong = Change { allowed_networks: Some(vec!["10.0.0.1/8".into()]), ..Change::default() };
    assert!(crate::support::is_invalid(credentials::update(&fixture.store, "stale", &wrong).await));
    assert!(crate::support::is_missing(
        credentials::update(&fixture.store, "x", &wrong_name()).await,
        "credential"
    ));
}

fn wrong_name() -> Change {
    Change { priority: Some(1), ..Change::default() }
}

#[tokio::test]
async fn a_success_in_between_begins_the_count_anew() {
    let Some(fixture) = fixture().await else { return };
    let ops = fixture.add_credential("ops", 1, &[]).await;
    fixture.add_devices(6).await;
    let all = devices::list(&fixture.store, &Default::default()).await.unwrap();
    let on = |at: usize| with(all[at].id, Some(ops));
    for at in [0, 1] {
        assert!(!refused(&fixture, &on(at)).await);
    }
    let login = entered(&fixture, &on(2)).await;
    logins::accepted(&fixture.store, &on(2), Some(login)).await.unwrap();
    for at in [3, 4] {
        assert!(!refused(&fixture, &on(at)).await);
    }
    assert!(refused(&fixture, &on(5)).await);
}

#[tokio::test]
async fn a_success_that_only_the_process_saw_counts_as_well() {
    let Some(fixture) = fixture().await else { return };
    let ops = fixture.add_credential("ops", 1, &[]).await;
    fixture.add_devices(6).await;
    let all = devices::list(&fixture.store, &Default::default()).await.unwrap();
    for device in &all {
        let wanted = with(device.id, Some(ops));
        let suspended =
            logins::refused(&fixture.store, &wanted, None, Some(Duration::ZERO), &LIMITS).await.unwrap();
        assert_eq!(suspended, None);
    }
}

#[tokio::test]
async fn devices_that_refused_the_credential_the_last_time_as_well_say_nothing_new() {
    let Some(fixture) = fixture().await else { return };
    let ops = fixture.add_credential("ops", 1, &[]).await;
    fixture.add_devices(6).await;
    let all = devices::list(&fixture.store, &Default::default()).await.unwrap();
    let at = chrono::Utc::now();
    let used = |device, accepted| credentials::CredentialUse { device, credential: ops, accepted, at };
    let before: Vec<_> = (0..6).map(|n| used(all[n].id, n >= 4)).collect();
    credentials::count_uses(&fixture.store, &before).await.unwrap();
    let mut suspended = Vec::new();
    for device in &all[..] {
        suspended.push(refused(&fixture, &with(device.id, Some(ops))).await);
    }
    assert_eq!(suspended, [false; 6], "only two of them had accepted it");
    assert!(refused(&fixture, &with(device(&fixture, "new").await, Some(ops))).await);
}

#[tokio::test]
async fn two_hundred_logins_with_a_stale_password_at_the_same_time_are_refused_three_times() {
    let Some(fixture) = fixture().await else { return };
    let stale = fixture.add_credential("stale", 1, &[]).await;
    fixture.add_devices(200).await;
    let fixture = Arc::new(fixture);
    let (mut logins, mut shown, mut events) = (JoinSet::new(), 0, 0);
    for device in devices::list(&fixture.store, &Default::default()).await.unwrap() {
        let (fixture, wanted) = (fixture.clone(), with(device.id, Some(stale)));
        logins.spawn(async move {
            loop {
                match begin(&fixture, &wanted).await {
                    Begun::Later => tokio::time::sleep(Duration::from_millis(50)).await,
                    Begun::Suspended { .. } => return None,
                    Begun::Blocked { .. } => panic!("the device refused nothing"),
                    Begun::Yes(login) => {
                        return Some(
                            logins::refused(&fixture.store, &wanted, Some(login), None, &LIMITS)
                                .await
                                .unwrap(),
                        );
                    }
                }
            }
        });
    }
    while let Some(ended) = logins.join_next().await {
        if let Some(suspension) = ended.unwrap() {
            shown += 1;
            events += usize::from(suspension.is_some());
        }
    }
    assert_eq!((shown, events), (3, 1));
}

#[tokio::test]
async fn a_proven_credential_is_held_back_by_nothing_until_it_is_refused() {
    let Some(fixture) = fixture().await else { return };
    let ops = fixture.add_credential("ops", 1, &[]).await;
    fixture.add_devices(8).await;
    let all = devices::list(&fixture.store, &Default::default()).await.unwrap();
    let on = |at: usize| with(all[at].id, Some(ops));
    let first = entered(&fixture, &on(0)).await;
    entered(&fixture, &on(1)).await;
    entered(&fixture, &on(2)).await;
    assert_eq!(begin(&fixture, &on(3)).await, Begun::Later);
    logins::accepted(&fixture.store, &on(0), Some(first)).await.unwrap();
    for at in 3..6 {
        entered(&fixture, &on(at)).await;
    }
    logins::refused(&fixture.store, &on(6), None, None, &LIMITS).await.unwrap();
    assert_eq!(begin(&fixture, &on(7)).await, Begun::Later);
}

#[tokio::test]
async fn what_a_job_saw_refused_is_not_shown_again_although_its_worker_died() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let wrong = fixture.add_credential("wrong", 1, &[]).await;
    fixture.add_credential("right", 2, &[]).await;
    let job = fixture.claim_new().await;
    assert_eq!(job.credentials[0].name, "wrong");
    let wanted = Wanted { device: job.device, credential: Some(wrong), job: Some(job.job) };
    refused(&fixture, &wanted).await;
    fixture.execute("UPDATE netraven.jobs SET lease_until = now() - interval '1 second'").await;
    assert_eq!(fixture.requeue_expired().await, 1);
    fixture.execute("UPDATE netraven.jobs SET scheduled_for = now()").await;
    let again = fixture.claim(1).await.pop().unwrap();
    assert_eq!((again.job, again.credentials[0].name.as_str()), (job.job, "right"));
    assert_eq!(again.left_out, [jobs::LeftOut::Refused { name: "wrong".into() }]);
}

#[tokio::test]
async fn what_counts_no_longer_is_forgotten() {
    let Some(fixture) = fixture().await else { return };
    let r1 = device(&fixture, "r1").await;
    refused(&fixture, &with(r1, None)).await;
    assert_eq!(logins::sweep(&fixture.store).await.unwrap(), 0);
    fixture.execute("UPDATE netraven.login_attempts SET at = at - interval '25 hours'").await;
    assert_eq!(logins::sweep(&fixture.store).await.unwrap(), 1);
}
