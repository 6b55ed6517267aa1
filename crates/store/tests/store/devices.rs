use crate::support::{
    changed, dialogue, finished, fixture, is_duplicate, is_invalid, is_missing, new_device,
};
use chrono::Utc;
use netraven_model::{DeviceId, DeviceName, Event, HostKey, JobEvent};
use netraven_store::devices::{self, DeviceChange, DeviceFilter, Imported, NewDevice, OnExisting, Removed};
use netraven_store::{StoreError, tags};

#[tokio::test]
async fn a_new_device_has_the_default_tag_and_is_found_by_name_uuid_and_number() {
    let Some(fixture) = fixture().await else { return };
    let added = fixture.add_device("r1").await;
    assert_eq!((added.status.as_str(), added.source.as_str(), added.versions), ("new", "manual", 0));
    assert_eq!(added.tags, [tags::DEFAULT]);
    for name in ["r1".to_owned(), added.uuid.to_string(), added.id.to_string()] {
        assert_eq!(devices::get(&fixture.store, &name).await.unwrap(), added);
    }
    for unknown in ["r2", "", "99999", "r1\0"] {
        assert!(is_missing(devices::get(&fixture.store, unknown).await, "device"), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_a_number_comes_before_a_row_with_that_number() {
    let Some(fixture) = fixture().await else { return };
    let first = fixture.add_device("r1").await;
    let named = fixture.add_device(&first.id.to_string()).await;
    assert_eq!(devices::get(&fixture.store, &first.id.to_string()).await.unwrap().id, named.id);
}

#[tokio::test]
async fn a_name_that_is_taken_and_values_that_mean_nothing_are_refused() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    assert!(is_duplicate(devices::add(&fixture.store, new_device("r1")).await, "r1"));
    let wrong = [
        NewDevice { address: " ".into(), ..new_device("r2") },
        NewDevice { device_type: String::new(), ..new_device("r2") },
        NewDevice { port: Some(0), ..new_device("r2") },
        NewDevice { tags: vec!["a b".into()], ..new_device("r2") },
        NewDevice { tags: vec![String::new()], ..new_device("r2") },
    ];
    for new in wrong {
        assert!(is_invalid(devices::add(&fixture.store, new).await));
    }
    assert!(is_missing(devices::get(&fixture.store, "r2").await, "device"));
}

#[tokio::test]
async fn text_with_nul_is_stored_without_it() {
    let Some(fixture) = fixture().await else { return };
    let new = NewDevice { description: Some("a\0b".into()), ..new_device("r1") };
    let added = devices::add(&fixture.store, new).await.unwrap();
    assert_eq!(added.description.as_deref(), Some("a\u{fffd}b"));
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r2").await;
    let rows = || ["r1", "r2", "r3"].map(new_device).to_vec();
    assert!(is_duplicate(devices::add_many(&fixture.store, rows(), OnExisting::Fail).await, "r2"));
    assert!(is_missing(devices::get(&fixture.store, "r1").await, "device"));

    let twice = vec![new_device("r5"), new_device("r6"), new_device("r5")];
    let error = devices::add_many(&fixture.store, twice, OnExisting::Skip).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid { reason, .. } if reason.contains("r5")), "{error}");
    assert!(is_missing(devices::get(&fixture.store, "r6").await, "device"));
    assert_eq!(
        devices::add_many(&fixture.store, Vec::new(), OnExisting::Fail).await.unwrap(),
        Imported::default()
    );
}

#[tokio::test]
async fn an_import_skips_or_updates_what_is_there() {
    let Some(fixture) = fixture().await else { return };
    let old = NewDevice { site: Some("north".into()), port: Some(2222), ..new_device("r2") };
    devices::add(&fixture.store, old).await.unwrap();
    let rows = || {
        let tagged = NewDevice { tags: vec!["edge".into(), "edge".into()], ..new_device("r1") };
        let moved = NewDevice { address: "192.0.2.99".into(), device_type: "frr".into(), ..new_device("r2") };
        vec![tagged, moved]
    };
    let skipped = devices::add_many(&fixture.store, rows(), OnExisting::Skip).await.unwrap();
    assert_eq!(skipped, Imported { added: 1, updated: 0, skipped: 1 });
    assert_eq!(devices::get(&fixture.store, "r2").await.unwrap().ip_address, "192.0.2.1");
    let r1 = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((r1.tags, r1.source.as_str()), (vec!["edge".to_owned()], "import"));

    let updated = devices::add_many(&fixture.store, rows(), OnExisting::Update).await.unwrap();
    assert_eq!(updated, Imported { added: 0, updated: 2, skipped: 0 });
    let r2 = devices::get(&fixture.store, "r2").await.unwrap();
    assert_eq!((r2.ip_address.as_str(), r2.device_type.as_str()), ("192.0.2.99", "frr"));
    // What the file leaves empty keeps its value.
    assert_eq!(
        (r2.site.as_deref(), r2.port, r2.tags),
        (Some("north"), Some(2222), vec![tags::DEFAULT.to_owned()])
    );
}

#[tokio::test]
async fn an_import_with_tags_replaces_those_of_a_device() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let row = NewDevice { tags: vec!["core".into()], ..new_device("r1") };
    devices::add_many(&fixture.store, vec![row], OnExisting::Update).await.unwrap();
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().tags, ["core"]);
}

#[tokio::test]
async fn imports_that_overlap_do_not_block_each_other_for_good() {
    let Some(fixture) = fixture().await else { return };
    let rows = |tags: [&str; 2]| -> Vec<NewDevice> {
        let tags: Vec<String> = tags.map(str::to_owned).to_vec();
        (0..100).map(|n| NewDevice { tags: tags.clone(), ..new_device(&format!("r{n}")) }).collect()
    };
    let mut reversed = rows(["b", "a"]);
    reversed.reverse();
    let (a, b) = tokio::join!(
        devices::add_many(&fixture.store, rows(["a", "b"]), OnExisting::Update),
        devices::add_many(&fixture.store, reversed, OnExisting::Update)
    );
    assert_eq!(a.unwrap().added + b.unwrap().added, 100);
}

async fn names(fixture: &crate::support::Fixture, filter: DeviceFilter) -> Vec<String> {
    let found = devices::list(&fixture.store, &filter).await.unwrap();
    found.into_iter().map(|device| device.hostname).collect()
}

#[tokio::test]
async fn lists_are_filtered_and_go_on_where_they_ended() {
    let Some(fixture) = fixture().await else { return };
    let rows = vec![
        NewDevice { tags: vec!["core".into(), "north".into()], site: Some("ams".into()), ..new_device("a1") },
        NewDevice { tags: vec!["edge".into()], description: Some("100% Uplink".into()), ..new_device("b1") },
        NewDevice { device_type: "frr".into(), address: "2001:db8::7".into(), ..new_device("c1") },
    ];
    devices::add_many(&fixture.store, rows, OnExisting::Fail).await.unwrap();
    let change = DeviceChange { enabled: Some(false), ..DeviceChange::default() };
    devices::update(&fixture.store, "b1", change).await.unwrap();

    let filter = DeviceFilter::default;
    assert_eq!(names(&fixture, filter()).await, ["a1", "b1", "c1"]);
    let tags = vec!["north".to_owned(), "core".to_owned(), "edge".to_owned()];
    assert_eq!(names(&fixture, DeviceFilter { tags, ..filter() }).await, ["a1", "b1"]);
    assert!(names(&fixture, DeviceFilter { tags: vec!["nowhere".into()], ..filter() }).await.is_empty());
    assert_eq!(names(&fixture, DeviceFilter { platform: Some("frr".into()), ..filter() }).await, ["c1"]);
    assert_eq!(names(&fixture, DeviceFilter { site: Some("ams".into()), ..filter() }).await, ["a1"]);
    assert_eq!(names(&fixture, DeviceFilter { status: Some("disabled".into()), ..filter() }).await, ["b1"]);
    for (text, found) in
        [("DB8::", vec!["c1"]), ("uplink", vec!["b1"]), ("0%", vec!["b1"]), ("_", vec![]), ("A1", vec!["a1"])]
    {
        assert_eq!(
            names(&fixture, DeviceFilter { text: Some(text.into()), ..filter() }).await,
            found,
            "{text}"
        );
    }
    let page = DeviceFilter { limit: Some(1), after: Some("a1".into()), ..filter() };
    assert_eq!(names(&fixture, page).await, ["b1"]);
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let Some(fixture) = fixture().await else { return };
    let before = fixture.add_device("r1").await;
    let change = DeviceChange {
        hostname: Some(DeviceName::parse("r9").unwrap()),
        port: Some(Some(2222)),
        site: Some("ams".into()),
        tags: Some(vec!["core".into()]),
        ..DeviceChange::default()
    };
    let after = devices::update(&fixture.store, "r1", change).await.unwrap();
    assert_eq!((after.hostname.as_str(), after.port, after.site.as_deref()), ("r9", Some(2222), Some("ams")));
    assert_eq!((after.uuid, after.id, &after.ip_address), (before.uuid, before.id, &before.ip_address));
    assert_eq!(after.tags, ["core"]);
    let change = DeviceChange { port: Some(None), site: Some(String::new()), ..DeviceChange::default() };
    let cleared = devices::update(&fixture.store, "r9", change).await.unwrap();
    assert_eq!((cleared.port, cleared.site), (None, None));
}

#[tokio::test]
async fn changes_that_cannot_be_are_refused() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.add_device("r2").await;
    let rename =
        || DeviceChange { hostname: Some(DeviceName::parse("r2").unwrap()), ..DeviceChange::default() };
    assert!(is_duplicate(devices::update(&fixture.store, "r1", rename()).await, "r2"));
    assert!(is_missing(devices::update(&fixture.store, "r3", rename()).await, "device"));
    for wrong in [
        DeviceChange { address: Some(String::new()), ..DeviceChange::default() },
        DeviceChange { device_type: Some(" ".into()), ..DeviceChange::default() },
        DeviceChange { port: Some(Some(0)), ..DeviceChange::default() },
        DeviceChange { tags: Some(vec!["a,b".into()]), ..DeviceChange::default() },
    ] {
        assert!(is_invalid(devices::update(&fixture.store, "r1", wrong).await));
    }
}

#[tokio::test]
async fn a_device_that_is_enabled_again_starts_as_new() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for (enabled, status) in [(true, "new"), (false, "disabled"), (false, "disabled"), (true, "new")] {
        let change = DeviceChange { enabled: Some(enabled), ..DeviceChange::default() };
        assert_eq!(devices::update(&fixture.store, "r1", change).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn a_removed_device_takes_its_versions_jobs_and_logs_along_and_no_others() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(netraven_store::jobs::TargetSelection::All).await;
    for job in fixture.claim(2).await {
        let event = JobEvent::new(Some(job.job), Some(job.device), Utc::now(), Event::Started { attempt: 1 });
        let mut result = finished(&job, changed("hostname r\n"));
        result.events.push(event);
        result.dialogue = dialogue(&result, "> show");
        result.host_key = Some(HostKey { algorithm: "a".into(), key: "k".into(), fingerprint: "f".into() });
        fixture.finish_one(result).await;
    }
    let removed = devices::remove(&fixture.store, "d0001").await.unwrap();
    assert_eq!(removed, Removed { versions: 1, jobs: 1 });
    for (table, left) in [
        ("devices", 1),
        ("device_configurations", 1),
        ("configuration_parts", 1),
        ("configuration_blobs", 1),
        ("jobs", 1),
        ("job_attempts", 1),
        ("run_jobs", 1),
        ("host_keys", 1),
        ("device_tags", 1),
        ("job_logs", 2),
        ("connection_logs", 1),
    ] {
        assert_eq!(fixture.number(&format!("SELECT count(*) FROM netraven.{table}")).await, left, "{table}");
    }
    assert!(is_missing(devices::remove(&fixture.store, "d0001").await, "device"));
}

#[tokio::test]
async fn host_keys_from_a_file_go_to_devices_that_have_none() {
    let Some(fixture) = fixture().await else { return };
    let (known, new) = (fixture.add_device("r1").await, fixture.add_device("r2").await);
    let key = |key: &str| HostKey { algorithm: "ssh-rsa".into(), key: key.into(), fingerprint: key.into() };
    let first = [(known.id, key("old"))];
    let imported = devices::import_host_keys(&fixture.store, &first, "known_hosts").await.unwrap();
    assert_eq!((imported.devices, imported.keys), (1, 1));
    assert_eq!(devices::without_host_keys(&fixture.store).await.unwrap(), [new.id].into());

    let gone = DeviceId(new.id.0 + 1000);
    let more = [(known.id, key("a")), (new.id, key("b")), (new.id, key("c")), (gone, key("d"))];
    let imported = devices::import_host_keys(&fixture.store, &more, "known_hosts").await.unwrap();
    assert_eq!((imported.devices, imported.keys), (1, 2));
    assert_eq!(devices::host_keys(&fixture.store, known.id).await.unwrap(), [key("old")]);
    assert_eq!(devices::host_keys(&fixture.store, new.id).await.unwrap().len(), 2);
    let again = devices::import_host_keys(&fixture.store, &more, "known_hosts").await.unwrap();
    assert_eq!((again.devices, again.keys), (0, 0));
}

#[tokio::test]
async fn accepting_a_new_host_key_forgets_the_old_ones() {
    let Some(fixture) = fixture().await else { return };
    let device = fixture.add_device("r1").await;
    fixture
        .execute(&format!(
            "INSERT INTO netraven.host_keys VALUES ({}, 'ssh-ed25519', 'f1', 'k1'), ({}, 'ssh-rsa', 'f2', 'k2')",
            device.id, device.id
        ))
        .await;
    assert_eq!(devices::accept_host_key(&fixture.store, "r1").await.unwrap(), 2);
    assert_eq!(devices::accept_host_key(&fixture.store, "r1").await.unwrap(), 0);
    assert!(is_missing(devices::accept_host_key(&fixture.store, "r2").await, "device"));
}
