use crate::support::{fixture, is_duplicate, is_invalid, is_missing};
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Plan};
use netraven_store::{StoreError, tags};
use std::time::Duration;

#[tokio::test]
async fn tags_are_made_counted_and_removed() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    fixture.add_device("r1").await;
    fixture.add_credential("c1", 1, &["lab"]).await;
    tags::add(store, "ams", "location").await.unwrap();
    tags::attach_device(store, "r1", "ams").await.unwrap();
    tags::attach_device(store, "r1", "ams").await.unwrap();
    let listed = tags::list(store).await.unwrap();
    assert!(listed.is_sorted_by_key(|tag| &tag.name), "{listed:?}");
    let used = listed.iter().filter(|tag| tag.devices + tag.credentials > 0);
    let shown: Vec<_> = used.map(|t| (t.name.as_str(), t.kind.as_str(), t.devices, t.credentials)).collect();
    assert_eq!(
        shown,
        [("ams", "location", 1, 0), ("default", tags::DEFAULT_KIND, 1, 0), ("lab", tags::DEFAULT_KIND, 0, 1)]
    );
    tags::remove(store, "ams").await.unwrap();
    assert!(is_missing(tags::remove(store, "ams").await, "tag"));
}

#[tokio::test]
async fn tags_come_and_go_on_devices_and_credentials() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    fixture.add_device("r1").await;
    fixture.add_credential("c1", 1, &[]).await;
    tags::detach_device(store, "r1", tags::DEFAULT).await.unwrap();
    tags::detach_credential(store, "c1", tags::DEFAULT).await.unwrap();
    tags::attach_credential(store, "c1", tags::DEFAULT).await.unwrap();
    let mut listed = tags::list(store).await.unwrap();
    listed.retain(|tag| tag.name == tags::DEFAULT);
    let [tag] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((tag.devices, tag.credentials), (0, 1));
    // A slip of the pen must not pass for success.
    assert!(tags::detach_device(store, "r1", tags::DEFAULT).await.is_err());
    assert!(is_missing(tags::attach_device(store, "r1", "x").await, "tag"));
    assert!(is_missing(tags::attach_device(store, "r2", tags::DEFAULT).await, "device"));
    assert!(is_missing(tags::attach_credential(store, "c2", tags::DEFAULT).await, "credential"));
    assert!(is_missing(tags::detach_credential(store, "c1", "x").await, "tag"));
}

#[tokio::test]
async fn names_that_would_break_lists_and_names_that_are_taken_are_refused() {
    let Some(fixture) = fixture().await else { return };
    for wrong in ["", "a b", "a,b", "a;b", "a\n", "a\0", &"x".repeat(101)] {
        assert!(is_invalid(tags::add(&fixture.store, wrong, "label").await), "{wrong:?}");
    }
    assert!(is_duplicate(tags::add(&fixture.store, tags::DEFAULT, "label").await, tags::DEFAULT));
}

#[tokio::test]
async fn a_tag_that_a_schedule_targets_stays() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    tags::add(&fixture.store, "other", "label").await.unwrap();
    tags::attach_device(&fixture.store, "r1", "other").await.unwrap();
    let now = schedules::clock(&fixture.store).await.unwrap();
    let names = || vec!["other".to_owned(), tags::DEFAULT.to_owned()];
    for target in [TargetSelection::Tags(names()), TargetSelection::AllTags(names())] {
        let plan = Plan::backup_every("nightly", Duration::from_secs(86400), now, target);
        schedules::add(&fixture.store, &plan, now).await.unwrap();
        let error = tags::remove(&fixture.store, tags::DEFAULT).await.unwrap_err();
        assert!(matches!(&error, StoreError::InUse { by, .. } if by.contains("nightly")), "{error}");
        schedules::remove(&fixture.store, "nightly").await.unwrap();
    }
    tags::remove(&fixture.store, tags::DEFAULT).await.unwrap();
}

#[tokio::test]
async fn a_name_with_nul_is_a_name_that_does_not_exist() {
    let Some(fixture) = fixture().await else { return };
    let store = &fixture.store;
    fixture.add_device("r1").await;
    assert!(is_missing(tags::remove(store, "a\0").await, "tag"));
    assert!(is_missing(tags::attach_device(store, "r1", "a\0").await, "tag"));
    assert!(is_missing(netraven_store::credentials::remove(store, "a\0").await, "credential"));
    assert!(is_missing(schedules::remove(store, "a\0").await, "schedule"));
    assert!(is_missing(netraven_store::settings::remove(store, "a\0").await, "setting"));
}
