//! Who is told of changes, in which order, and what becomes of it.

use crate::support::{Fixture, MINUTE, changed, finished, fixture, is_duplicate, is_invalid, is_missing};
use chrono::{NaiveTime, TimeDelta, Utc};
use netraven_model::{ChangeKind, ChannelKind, DeliveryId, DeliveryStatus};
use netraven_store::access::Role;
use netraven_store::audit::{self, AuditFilter};
use netraven_store::notifications::{self, Claimed, DeliveryFilter, Digest, Failed, NewChannel};
use netraven_store::secrets::{self, RetireError};
use netraven_store::{Store, StoreError, tags};
use std::convert::Infallible;
use std::time::Duration;

pub fn webhook(name: &str) -> NewChannel {
    NewChannel {
        name: name.to_owned(),
        kind: ChannelKind::Webhook,
        target: "http://127.0.0.1:1/".to_owned(),
        secret: Some(vec![2, 0, 0, 0, 1, 77]),
        events: Vec::new(),
        tags: Vec::new(),
        digest: None,
    }
}

fn daily(name: &str) -> NewChannel {
    let next = Utc::now() - TimeDelta::hours(1);
    let digest = Digest { at: NaiveTime::default(), time_zone: "UTC".to_owned(), next };
    let (kind, target) = (ChannelKind::Email, "a@example.net".to_owned());
    NewChannel { kind, target, secret: None, digest: Some(digest), ..webhook(name) }
}

async fn add(fixture: &Fixture, new: &NewChannel) -> Result<(), StoreError> {
    let id = notifications::next_id(&fixture.store).await?;
    notifications::add(&fixture.store, id, new).await
}

pub async fn add_webhook(fixture: &Fixture, name: &str) {
    add(fixture, &webhook(name)).await.unwrap();
}

/// So many changes of one device.
async fn change(fixture: &Fixture, count: usize) {
    for _ in 0..=count {
        let job = fixture.claim_new().await;
        fixture.finish_one(finished(&job, changed(&uuid::Uuid::new_v4().to_string()))).await;
    }
}

async fn claim(store: &Store) -> Vec<Claimed> {
    notifications::claim(store, 10, 2, 100, MINUTE).await.unwrap()
}

fn ids(claimed: &Claimed) -> Vec<DeliveryId> {
    claimed.deliveries.iter().map(|delivery| delivery.id).collect()
}

fn how(tries: u32) -> Failed<'static> {
    Failed { error: "refused", pause: Duration::ZERO, tries }
}

#[tokio::test]
async fn a_change_is_handed_once_to_those_that_want_it() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    tags::add(&fixture.store, "venice", "label").await.unwrap();
    add_webhook(&fixture, "everything").await;
    let events = vec![ChangeKind::DeviceFailing];
    add(&fixture, &NewChannel { events, ..webhook("failures") }).await.unwrap();
    let tagged = |name: &str, tag: &str| NewChannel { tags: vec![tag.to_owned()], ..webhook(name) };
    add(&fixture, &tagged("venice", "venice")).await.unwrap();
    add(&fixture, &tagged("default", tags::DEFAULT)).await.unwrap();
    add_webhook(&fixture, "silent").await;
    notifications::enable(&fixture.store, "silent", false).await.unwrap();
    change(&fixture, 30).await;
    let (one, two) =
        (fixture.database.store_as(Role::Notifier).await, fixture.database.store_as(Role::Notifier).await);
    let route = async |store: &Store| {
        let mut routed = 0;
        loop {
            match notifications::route(store, 4).await.unwrap().changes {
                0 => return routed,
                some => routed += some,
            }
        }
    };
    let (first, second) = tokio::join!(route(&one), route(&two));
    assert_eq!(first + second, 30);
    let of = async |name: &str| notifications::get(&fixture.store, name).await.unwrap().waiting;
    let waiting = (
        of("everything").await,
        of("failures").await,
        of("venice").await,
        of("default").await,
        of("silent").await,
    );
    assert_eq!(waiting, (30, 0, 0, 30, 0));
}

#[tokio::test]
async fn a_channel_is_told_in_order_by_one_notifier_at_a_time() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    add_webhook(&fixture, "a").await;
    add_webhook(&fixture, "b").await;
    change(&fixture, 3).await;
    let notifier = fixture.database.store_as(Role::Notifier).await;
    notifications::route(&notifier, 10).await.unwrap();
    let first = claim(&notifier).await;
    assert_eq!(first.iter().map(|claimed| claimed.deliveries.len()).collect::<Vec<_>>(), [2, 2]);
    let device = first[0].deliveries[0].device.as_ref().unwrap();
    assert_eq!((device.address.as_str(), device.platform.as_str()), ("192.0.2.1", "cisco_ios"));
    assert_eq!(first[0].secret.as_deref(), Some(&[2, 0, 0, 0, 1, 77][..]));
    assert!(claim(&notifier).await.is_empty(), "the third waits for the first two");

    let (a, b) = (&first[0], &first[1]);
    assert_eq!(notifications::sent(&notifier, a, &ids(a), None).await.unwrap(), 2);
    assert_eq!(notifications::sent(&notifier, a, &ids(a), None).await.unwrap(), 0, "recorded before");
    let pause = Failed { pause: MINUTE, ..how(3) };
    notifications::failed(&notifier, b, &ids(b)[..1], &pause).await.unwrap();
    notifications::release(&notifier, b, &ids(b)[1..]).await.unwrap();
    let second = claim(&notifier).await;
    assert_eq!(second.len(), 1, "a goes on, b waits with all that it has");
    assert_eq!((second[0].channel.name.as_str(), second[0].deliveries.len()), ("a", 1));
}

#[tokio::test]
async fn what_was_tried_often_enough_is_dead_until_somebody_wants_it_again() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    add_webhook(&fixture, "hook").await;
    change(&fixture, 1).await;
    notifications::route(&fixture.store, 10).await.unwrap();
    for attempt in 0..2 {
        let claimed = claim(&fixture.store).await.pop().unwrap();
        assert_eq!(claimed.deliveries[0].attempts, attempt);
        notifications::failed(&fixture.store, &claimed, &ids(&claimed), &how(2)).await.unwrap();
    }
    assert!(claim(&fixture.store).await.is_empty());
    let dead = DeliveryFilter { status: Some(DeliveryStatus::Dead), ..DeliveryFilter::default() };
    let rows = notifications::deliveries(&fixture.store, &dead).await.unwrap();
    assert_eq!((rows.len(), rows[0].attempts, rows[0].last_error.as_deref()), (1, 2, Some("refused")));
    assert_eq!((rows[0].channel.as_str(), rows[0].hostname.as_str()), ("hook", "r1"));
    notifications::retry(&fixture.store, rows[0].id).await.unwrap();
    let again = notifications::retry(&fixture.store, rows[0].id).await;
    assert!(is_missing(again, "dead notification"));
    assert_eq!(claim(&fixture.store).await[0].deliveries[0].attempts, 0);
    assert_eq!(notifications::retry_all_dead(&fixture.store).await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_dead_notifier_had_comes_back_and_its_late_word_does_not_count() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    add_webhook(&fixture, "hook").await;
    change(&fixture, 1).await;
    notifications::route(&fixture.store, 10).await.unwrap();
    let lost = claim(&fixture.store).await.pop().unwrap();
    fixture.execute("UPDATE netraven.notification_deliveries SET lease_until = now() - interval '1 s'").await;
    let again = claim(&fixture.store).await.pop().unwrap();
    assert_eq!(ids(&lost), ids(&again));
    assert_eq!(notifications::sent(&fixture.store, &lost, &ids(&lost), None).await.unwrap(), 0);
    assert_eq!(notifications::sent(&fixture.store, &again, &ids(&again), None).await.unwrap(), 1);
}

#[tokio::test]
async fn a_daily_message_takes_all_that_waits_when_it_is_due_and_an_empty_one_is_left_out() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    add(&fixture, &daily("daily")).await.unwrap();
    let next = Utc::now() + TimeDelta::hours(23);
    let empty = notifications::empty_digests(&fixture.store).await.unwrap();
    assert_eq!(empty.len(), 1);
    change(&fixture, 5).await;
    let notifier = fixture.database.store_as(Role::Notifier).await;
    notifications::route(&notifier, 10).await.unwrap();
    assert!(notifications::empty_digests(&notifier).await.unwrap().is_empty());
    let due = claim(&notifier).await.pop().unwrap();
    assert_eq!(due.deliveries.len(), 5);
    notifications::sent(&notifier, &due, &ids(&due), Some(next)).await.unwrap();
    change(&fixture, 1).await;
    notifications::route(&notifier, 10).await.unwrap();
    assert!(claim(&notifier).await.is_empty(), "not before the next day");
    fixture.execute("DELETE FROM netraven.device_events").await;
    fixture
        .execute("UPDATE netraven.notification_channels SET next_digest = now() - interval '3 days'")
        .await;
    let empty = notifications::empty_digests(&notifier).await.unwrap().pop().unwrap();
    notifications::finish_empty_digest(&notifier, &empty, next).await.unwrap();
    assert!(notifications::empty_digests(&notifier).await.unwrap().is_empty());
}

#[tokio::test]
async fn channels_are_entered_as_people_and_leave_their_entries_in_the_audit_trail() {
    let Some(fixture) = fixture().await else { return };
    let api = fixture.database.store_as(Role::Api).await;
    let id = notifications::next_id(&api).await.unwrap();
    notifications::add(&api, id, &webhook("hook")).await.unwrap();
    assert!(is_duplicate(add(&fixture, &webhook("hook")).await, "hook"));
    for wrong in [
        NewChannel { name: " ".to_owned(), ..webhook("x") },
        NewChannel { name: "a\nb".to_owned(), ..webhook("x") },
        NewChannel { target: String::new(), ..webhook("x") },
        NewChannel { secret: None, ..webhook("x") },
        NewChannel { kind: ChannelKind::Webhook, secret: Some(vec![1]), ..daily("x") },
    ] {
        assert!(is_invalid(add(&fixture, &wrong).await), "{wrong:?}");
    }
    let unknown = NewChannel { tags: vec!["nowhere".to_owned()], ..webhook("x") };
    assert!(is_missing(add(&fixture, &unknown).await, "tag"));
    notifications::enable(&api, "hook", false).await.unwrap();
    notifications::enable(&api, "hook", true).await.unwrap();
    notifications::replace_secret(&api, "hook", &[2, 0, 0, 0, 1, 78]).await.unwrap();
    assert!(notifications::sealed(&api, id).await.unwrap_err().is_denied(), "people do not read it");
    let notifier = fixture.database.store_as(Role::Notifier).await;
    assert_eq!(notifications::sealed(&notifier, id).await.unwrap(), Some(vec![2, 0, 0, 0, 1, 78]));
    assert!(notifications::get(&api, "hook").await.unwrap().channel.enabled);
    notifications::remove(&api, "hook").await.unwrap();
    assert!(is_missing(notifications::remove(&api, "hook").await, "notification channel"));
    let entries = audit::list(&fixture.store, &AuditFilter::default()).await.unwrap();
    let mut actions: Vec<_> =
        entries.iter().filter(|entry| entry.target.as_deref() == Some("hook")).collect();
    actions.reverse();
    let actions: Vec<_> = actions.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "notification.added",
            "notification.disabled",
            "notification.enabled",
            "notification.secret_changed",
            "notification.removed"
        ]
    );
}

#[tokio::test]
async fn a_tag_that_a_channel_wants_is_not_removed() {
    let Some(fixture) = fixture().await else { return };
    tags::add(&fixture.store, "venice", "label").await.unwrap();
    add(&fixture, &NewChannel { tags: vec!["venice".to_owned()], ..webhook("hook") }).await.unwrap();
    let used = tags::remove(&fixture.store, "venice").await.unwrap_err();
    assert!(used.to_string().contains("notification channel 'hook'"), "{used}");
    notifications::remove(&fixture.store, "hook").await.unwrap();
    tags::remove(&fixture.store, "venice").await.unwrap();
}

#[tokio::test]
async fn a_key_that_signs_webhooks_is_needed_and_one_that_was_taken_away_seals_none() {
    let Some(fixture) = fixture().await else { return };
    add_webhook(&fixture, "hook").await;
    let rotator = fixture.database.store_as(Role::Rotator).await;
    let needed = secrets::retire_key(&rotator, 1, || Ok::<_, Infallible>(())).await.unwrap_err();
    assert!(matches!(needed, RetireError::Needed(uses) if uses.channels == 1), "{needed}");
    secrets::retire_key(&rotator, 7, || Ok::<_, Infallible>(())).await.unwrap();
    let refused = notifications::replace_secret(&fixture.store, "hook", &[2, 0, 0, 0, 7, 0]).await;
    assert!(refused.unwrap_err().to_string().contains("encryption key 7 was removed"));
    let sealed = Some(vec![2, 0, 0, 0, 7, 0]);
    let refused = add(&fixture, &NewChannel { secret: sealed, ..webhook("other") }).await.unwrap_err();
    assert!(refused.to_string().contains("encryption key 7 was removed"), "{refused}");
}
