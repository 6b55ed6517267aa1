use crate::support::{changed, failed, finished, fixture, is_duplicate, is_invalid, is_missing};
use netraven_model::{CredentialId, ErrorCode};
use netraven_store::access::Role;
use netraven_store::credentials::{self, CredentialUse, NewCredential};
use netraven_store::jobs::{self, ClaimedJob};
use netraven_store::{devices, tags};

#[tokio::test]
async fn a_credential_is_stored_under_the_id_its_ciphertexts_are_bound_to() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    let id = credentials::next_id(store).await.unwrap();
    let new = NewCredential {
        name: "ops".into(),
        username: "ops".into(),
        password: Some(vec![1]),
        private_key: Some(vec![2]),
        description: Some("for all".into()),
        ..NewCredential::default()
    };
    let info = credentials::insert(store, id, new.clone()).await.unwrap();
    assert_eq!(
        (info.id, info.priority, info.tags.as_slice()),
        (id, credentials::DEFAULT_PRIORITY, &[tags::DEFAULT.to_owned()][..])
    );
    assert_eq!((info.has_password, info.has_enable_secret, info.has_private_key), (true, false, true));
    assert_eq!((info.last_used, info.success_rate, info.successes), (None, 0.5, 0));
    assert_eq!(credentials::get_info(store, "ops").await.unwrap(), info);

    let next = credentials::next_id(store).await.unwrap();
    assert_ne!(next, id);
    assert!(is_duplicate(credentials::insert(store, next, new.clone()).await, "ops"));
    let nameless = NewCredential { name: " ".into(), ..new };
    assert!(is_invalid(credentials::insert(store, next, nameless).await));
}

#[tokio::test]
async fn a_removed_credential_is_gone() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_credential("ops", 1, &[]).await;
    credentials::remove(&fixture.store, "ops").await.unwrap();
    assert!(is_missing(credentials::remove(&fixture.store, "ops").await, "credential"));
    assert!(is_missing(credentials::get_info(&fixture.store, "ops").await, "credential"));
    assert!(credentials::list(&fixture.store).await.unwrap().is_empty());
}

#[test]
fn debug_output_has_no_ciphertext() {
    let new =
        NewCredential { name: "ops".into(), password: Some(b"canary".to_vec()), ..NewCredential::default() };
    assert_eq!(format!("{new:?}"), "NewCredential('ops')");
}

fn names(job: &ClaimedJob) -> Vec<&str> {
    job.credentials.iter().map(|credential| credential.name.as_str()).collect()
}

#[tokio::test]
async fn candidates_share_a_tag_and_come_with_their_ciphertexts_by_priority() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    tags::add(&fixture.store, "spine", "role").await.unwrap();
    tags::attach_device(&fixture.store, "r1", "spine").await.unwrap();
    fixture.add_credential("late", 20, &["spine"]).await;
    // Shares two tags, and is a candidate once.
    fixture.add_credential("early", 10, &["spine", tags::DEFAULT]).await;
    fixture.add_credential("elsewhere", 1, &["edge"]).await;
    let job = fixture.claim_new().await;
    assert_eq!(names(&job), ["early", "late"]);
    let early = &job.credentials[0];
    assert_eq!(
        (early.username.as_str(), early.password.as_deref()),
        ("user-of-early", Some(&b"ciphertext-of-early"[..]))
    );
    assert!(!format!("{job:?}").contains("ciphertext"));
    assert_eq!(format!("{early:?}"), format!("StoredCredential({} 'early')", early.id));
}

#[tokio::test]
async fn candidates_of_one_priority_come_by_success_rate_unless_the_device_itself_knows_better() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let few = fixture.add_credential("few", 10, &[]).await;
    let many = fixture.add_credential("many", 10, &[]).await;
    fixture.execute("UPDATE netraven.credentials SET success_rate = 0.9 WHERE name = 'many'").await;
    let job = fixture.claim_new().await;
    assert_eq!(names(&job), ["many", "few"]);

    let mut result = finished(&job, changed("x\n"));
    result.credentials_refused = vec![many];
    result.credential_used = Some(few);
    fixture.finish_one(result).await;
    assert_eq!(names(&fixture.claim_new().await), ["few", "many"]);
}

#[tokio::test]
async fn of_equal_candidates_the_one_that_worked_here_last_comes_first() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    let a = fixture.add_credential("a", 10, &[]).await;
    let b = fixture.add_credential("b", 10, &[]).await;
    for (credential, age) in [(a, 2), (b, 1)] {
        fixture
            .execute(&format!(
                "INSERT INTO netraven.credential_device_stats (device_id, credential_id, last_used, last_success, success_rate)
                 VALUES ({}, {credential}, now(), now() - interval '{age} days', 1)",
                device.id
            ))
            .await;
    }
    assert_eq!(names(&fixture.claim_new().await), ["b", "a"]);
}

#[tokio::test]
async fn what_worked_here_the_last_time_comes_first_as_long_as_it_works() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let first = fixture.add_credential("first", 1, &[]).await;
    let second = fixture.add_credential("second", 2, &[]).await;
    let job = fixture.claim_new().await;
    assert_eq!(names(&job), ["first", "second"]);
    let mut result = finished(&job, changed("x\n"));
    (result.credentials_refused, result.credential_used) = (vec![first], Some(second));
    fixture.finish_one(result).await;
    let job = fixture.claim_new().await;
    assert_eq!(names(&job), ["second", "first"], "whatever the priorities say");

    let mut result = finished(&job, changed("y\n"));
    (result.credentials_refused, result.credential_used) = (vec![second], Some(first));
    fixture.finish_one(result).await;
    let job = fixture.claim_new().await;
    assert_eq!(names(&job), ["first", "second"]);

    let explained = credentials::explain(&fixture.store, job.device).await.unwrap();
    let why: Vec<_> = explained.iter().map(|one| (one.name.as_str(), one.works_here)).collect();
    assert_eq!(why, [("first", true), ("second", false)]);
    assert_eq!(explained[0].shared_tags, [tags::DEFAULT]);
    assert!(explained[1].rate_here > 0.4 && explained[1].last_success_here < explained[1].last_used_here);
}

#[tokio::test]
async fn a_rate_fades_with_time() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    let old = fixture.add_credential("old", 10, &[]).await;
    let unknown = fixture.add_credential("unknown", 10, &[]).await;
    let used = |credential, days, accepted| CredentialUse {
        device: device.id,
        credential,
        accepted,
        at: chrono::Utc::now() - chrono::TimeDelta::days(days),
    };
    credentials::count_uses(&fixture.store, &[used(old, 180, false)]).await.unwrap();
    let rate = async |name: &str| {
        let explained = credentials::explain(&fixture.store, device.id).await.unwrap();
        explained.into_iter().find(|one| one.name == name).unwrap().rate_here
    };
    // Six half-lives: 0 has come as near to 0.5.
    assert!((rate("old").await - (0.5 - 0.5 / 64.0)).abs() < 1e-3, "{}", rate("old").await);
    assert_eq!(rate("unknown").await, 0.5);
    // A failure of yesterday counts, one of half a year ago and two successes since do not outweigh each other.
    credentials::count_uses(&fixture.store, &[used(unknown, 1, false)]).await.unwrap();
    assert!(rate("unknown").await < 0.1 && rate("old").await > 0.4);
    credentials::count_uses(&fixture.store, &[used(old, 0, true)]).await.unwrap();
    let overall = credentials::get_info(&fixture.store, "old").await.unwrap().success_rate;
    assert!(overall > 0.54, "{overall}");
    assert_eq!(names(&fixture.claim_new().await), ["old", "unknown"]);
}

#[tokio::test]
async fn uses_are_counted_overall_and_on_the_device() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(3).await;
    let good = fixture.add_credential("good", 10, &[]).await;
    let bad = fixture.add_credential("bad", 20, &[]).await;
    fixture.run(netraven_store::jobs::TargetSelection::All).await;
    let mut batch = Vec::new();
    for job in fixture.claim(3).await {
        let mut result = finished(&job, failed(ErrorCode::Truncated, None));
        result.credentials_refused = vec![bad, bad, good];
        result.credential_used = Some(good);
        batch.push(result);
    }
    fixture.finish(&batch).await;
    let info = async |name| credentials::get_info(&fixture.store, name).await.unwrap();
    let good = info("good").await;
    // What was refused first and accepted then, was accepted.
    assert_eq!((good.successes, good.failures), (3, 0));
    assert!((good.success_rate - (1.0 - 0.5 * 0.9_f32.powi(3))).abs() < 1e-5, "{}", good.success_rate);
    assert!(good.last_used == good.last_success && good.last_used.is_some());
    let bad = info("bad").await;
    assert_eq!((bad.successes, bad.failures, bad.last_success), (0, 6, None));
    let per_device = "SELECT count(*) FROM netraven.credential_device_stats WHERE success_rate IN (0, 1)";
    assert_eq!(fixture.number(per_device).await, 6);
}

#[tokio::test]
async fn a_credential_that_was_removed_while_it_was_used_costs_no_result() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let gone = fixture.add_credential("gone", 10, &[]).await;
    let job = fixture.claim_new().await;
    credentials::remove(&fixture.store, "gone").await.unwrap();
    let mut result = finished(&job, changed("x\n"));
    result.credential_used = Some(gone);
    result.credentials_refused = vec![CredentialId(424_242)];
    fixture.finish_one(result).await;
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().versions, 1);
    let attempt = jobs::get(&fixture.store, job.job).await.unwrap().attempts.remove(0);
    assert_eq!(attempt.credential, Some(gone), "what happened stays true");
}

#[tokio::test]
async fn uses_on_a_device_that_was_removed_cost_the_others_nothing() {
    let Some(fixture) = fixture().await else { return };
    let (here, gone) = (fixture.add_device("here").await.id, fixture.add_device("gone").await.id);
    let credential = fixture.add_credential("ops", 10, &[]).await;
    devices::remove(&fixture.store, "gone").await.unwrap();
    let used = |device| CredentialUse { device, credential, accepted: true, at: chrono::Utc::now() };
    credentials::count_uses(&fixture.store, &[used(gone), used(here)]).await.unwrap();
    assert_eq!(credentials::get_info(&fixture.store, "ops").await.unwrap().successes, 2);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.credential_device_stats").await, 1);
}

#[tokio::test]
async fn credentials_are_shown_to_those_who_may_not_read_their_ciphertexts() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_credential("ops", 10, &[]).await;
    let api = fixture.database.store_as(Role::Api).await;
    let listed = credentials::list(&api).await.unwrap();
    assert_eq!((listed.len(), listed[0].has_password, listed[0].has_private_key), (1, true, false));
}
