//! Values of secrets that were taken out of configurations, and the keys that open them.

use crate::support::{Fixture, changed_parts, finished, fixture, new_device, part};
use netraven_model::{Outcome, Span};
use netraven_seal::{Fingerprint, FingerprintKey, PublicKey, Sealing, WrappedKey, mask};
use netraven_store::access::Role;
use netraven_store::credentials::{self, NewCredential};
use netraven_store::jobs::{FinishError, FinishedResult, TargetSelection};
use netraven_store::secrets::{self, KeyUse, RetireError, SealedPlace};
use netraven_store::{StoreError, devices};
use std::convert::Infallible;
use uuid::Uuid;

fn key() -> FingerprintKey {
    FingerprintKey::from_bytes([7; 32])
}

/// A configuration in which the words are secrets, sealed to the key of that number.
pub fn config(words: &[&str], number: u32) -> FinishedResult {
    let mut text = Vec::new();
    let mut spans = Vec::new();
    for word in words {
        text.extend_from_slice(b"key ");
        spans.push(Span { start: text.len(), end: text.len() + word.len() });
        text.extend_from_slice(word.as_bytes());
        text.push(b'\n');
    }
    let mut raw = part("running-config", &text, Vec::new());
    raw.secrets = spans;
    let public = PublicKey { number, bytes: [9; 32] };
    let site = Some(FingerprintKey::from_bytes([8; 32]));
    let sealing = Sealing { device: Uuid::nil(), public, site };
    let sealed = mask(vec![raw], &key()).unwrap().seal(Some(&sealing)).unwrap();
    let FinishedResult::Changed { platform_digest, flags, rules_only, facts, .. } = changed_parts(Vec::new())
    else {
        panic!("made as changed")
    };
    FinishedResult::Changed { config: Box::new(sealed), platform_digest, flags, rules_only, facts }
}

async fn back_up(fixture: &Fixture, words: &[&str], number: u32) {
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, config(words, number))).await;
    assert_eq!(recorded.outcome, Some(Outcome::Changed));
}

fn fingerprints(words: &[&str]) -> Vec<Fingerprint> {
    words.iter().map(|word| key().fingerprint(word.as_bytes())).collect()
}

async fn add_sealed_credential(fixture: &Fixture, name: &str, ciphertext: &[u8]) -> Result<i64, StoreError> {
    let id = credentials::next_id(&fixture.store).await.unwrap();
    let (name, password) = (name.to_owned(), Some(ciphertext.to_vec()));
    let new = NewCredential { name, password, ..NewCredential::default() };
    credentials::insert(&fixture.store, id, new).await.map(|info| info.id.0)
}

#[tokio::test]
async fn a_value_is_kept_once_and_a_capture_that_brings_none_leaves_no_key() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    back_up(&fixture, &["one", "two"], 1).await;
    back_up(&fixture, &["one"], 1).await;
    back_up(&fixture, &["one", "three"], 1).await;
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.sealed_values").await, 3);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.sealed_keys").await, 2);
    let revealer = fixture.database.store_as(Role::Revealer).await;
    let wanted = fingerprints(&["one", "two", "three", "never seen"]);
    let (uuid, kept) = secrets::kept(&revealer, device.id, &wanted).await.unwrap();
    assert_eq!((uuid, kept.len()), (device.uuid, 3));
    assert_eq!(kept[&wanted[0]].key, kept[&wanted[1]].key, "one data key for each capture");
    assert_ne!(kept[&wanted[0]].key, kept[&wanted[2]].key);
    assert!(kept.values().all(|secret| !secret.salted && secret.key.number == 1));
    let site = kept[&wanted[0]].site_fingerprint.unwrap();
    let sightings = secrets::sightings(&revealer, site).await.unwrap();
    assert_eq!((sightings.len(), sightings[0].hostname.as_str()), (1, "r1"));
    assert!(secrets::sightings(&revealer, wanted[0]).await.unwrap().is_empty());
    devices::remove(&fixture.store, "r1").await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.sealed_keys").await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.sealed_values").await, 0);
    assert!(matches!(secrets::kept(&revealer, device.id, &wanted).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn what_each_key_is_needed_for_is_counted_and_exchanged_only_where_nothing_changed_meanwhile() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    back_up(&fixture, &["one"], 1).await;
    let id = add_sealed_credential(&fixture, "ops", &[2, 0, 0, 0, 1, 77]).await.unwrap();
    crate::notifications::add_webhook(&fixture, "hook").await;
    let rotator = fixture.database.store_as(Role::Rotator).await;
    let uses = secrets::key_uses(&rotator).await.unwrap();
    assert_eq!((uses.len(), uses[0]), (1, KeyUse { number: 1, credentials: 1, channels: 1, captures: 1 }));

    let column = SealedPlace::Password;
    let old = secrets::secrets_below(&rotator, column, 2, 0, 10).await.unwrap();
    assert_eq!((old.len(), old[0].id, &old[0].ciphertext[..]), (1, id, &[2, 0, 0, 0, 1, 77][..]));
    assert!(secrets::secrets_below(&rotator, column, 1, 0, 10).await.unwrap().is_empty());
    assert!(secrets::secrets_below(&rotator, column, 2, id, 10).await.unwrap().is_empty());
    fixture.execute("UPDATE netraven.credentials SET password = '\\x0200000001ff'").await;
    let renewed = [(old[0].clone(), vec![2, 0, 0, 0, 2, 77])];
    assert_eq!(secrets::renew_secrets(&rotator, column, &renewed).await.unwrap(), 0);
    for column in SealedPlace::ALL {
        let found = secrets::secrets_below(&rotator, column, 2, 0, 10).await.unwrap();
        let expected = matches!(column, SealedPlace::Password | SealedPlace::ChannelSecret);
        assert_eq!(found.len(), usize::from(expected), "{column:?}");
        let renewed: Vec<_> = found.into_iter().map(|old| (old, vec![2, 0, 0, 0, 2, 1])).collect();
        let exchanged = secrets::renew_secrets(&rotator, column, &renewed).await.unwrap();
        assert_eq!(exchanged, renewed.len() as u64);
    }

    let keys =
        secrets::data_keys_below(&rotator, 2, (netraven_model::DeviceId(0), Uuid::nil()), 10).await.unwrap();
    assert_eq!((keys.len(), keys[0].device, keys[0].uuid), (1, device.id, device.uuid));
    let new = WrappedKey { number: 2, wrapped: vec![5; 80], ..keys[0].key.clone() };
    assert_eq!(secrets::renew_data_keys(&rotator, &[(keys[0].clone(), new.clone())]).await.unwrap(), 1);
    assert_eq!(
        secrets::renew_data_keys(&rotator, &[(keys[0].clone(), new)]).await.unwrap(),
        0,
        "done before"
    );
    let uses = secrets::key_uses(&rotator).await.unwrap();
    assert_eq!((uses.len(), uses[0]), (1, KeyUse { number: 2, credentials: 1, channels: 1, captures: 1 }));
}

#[tokio::test]
async fn a_key_that_is_needed_stays_and_one_that_was_taken_away_encrypts_no_more() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    devices::add(&fixture.store, new_device("r2")).await.unwrap();
    back_up(&fixture, &["one"], 1).await;
    let rotator = fixture.database.store_as(Role::Rotator).await;
    let needed = secrets::retire_key(&rotator, 1, || Ok::<_, Infallible>(())).await.unwrap_err();
    assert!(matches!(needed, RetireError::Needed(uses) if uses.captures == 1), "{needed}");
    let failing = secrets::retire_key(&rotator, 3, || Err::<(), _>("the file cannot be written")).await;
    assert!(matches!(failing, Err(RetireError::Removal("the file cannot be written"))));
    assert!(
        add_sealed_credential(&fixture, "kept", &[2, 0, 0, 0, 3, 0]).await.is_ok(),
        "nothing was retired"
    );
    fixture.execute("DELETE FROM netraven.credentials").await;
    secrets::retire_key(&rotator, 3, || Ok::<_, Infallible>(())).await.unwrap();
    secrets::retire_key(&rotator, 3, || Ok::<_, Infallible>(())).await.unwrap();

    let refused = add_sealed_credential(&fixture, "ops", &[2, 0, 0, 0, 3, 0]).await.unwrap_err();
    assert!(refused.to_string().contains("encryption key 3 was removed"), "{refused}");
    assert!(add_sealed_credential(&fixture, "ops", &[2, 0, 0, 0, 2, 0]).await.is_ok());
    fixture.run(TargetSelection::All).await;
    let jobs = fixture.claim(2).await;
    let batch = [finished(&jobs[0], config(&["two"], 3)), finished(&jobs[1], config(&["two"], 2))];
    let answers = fixture.finish(&batch).await;
    assert!(matches!(&answers[0], Err(FinishError::Unstorable { reason, .. }) if reason.contains("key 3")));
    assert_eq!(answers[1].as_ref().unwrap().outcome, Some(Outcome::Changed), "the others have theirs");
}

#[tokio::test]
async fn whoever_retires_a_key_waits_for_those_who_are_writing_with_it() {
    let Some(fixture) = fixture().await else { return };
    let mut writing = fixture.connection().await;
    add_sealed_credential(&fixture, "ops", &[2, 0, 0, 0, 1, 0]).await.unwrap();
    sqlx::raw_sql("BEGIN; UPDATE netraven.credentials SET password = '\\x020000000500'")
        .execute(&mut writing)
        .await
        .unwrap();
    let rotator = fixture.database.store_as(Role::Rotator).await;
    let retire =
        tokio::spawn(async move { secrets::retire_key(&rotator, 5, || Ok::<_, Infallible>(())).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while fixture.number(waiting).await == 0 {
        assert!(!retire.is_finished(), "it does not wait");
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut writing).await.unwrap();
    let refused = retire.await.unwrap().unwrap_err();
    assert!(matches!(refused, RetireError::Needed(uses) if uses.credentials == 1), "{refused}");
}

#[tokio::test]
async fn the_number_of_a_key_is_read_as_the_vault_writes_it() {
    let Some(fixture) = fixture().await else { return };
    for (bytes, number) in
        [("\\x0200000001aa", "1"), ("\\x01000001ff", "511"), ("\\x02ffffffff00", "4294967295")]
    {
        let read = fixture.value(&format!("SELECT netraven.key_number('{bytes}')")).await;
        assert_eq!(read.as_deref(), Some(number));
    }
    assert_eq!(fixture.value("SELECT netraven.key_number('\\x02000000')").await, None);
}
