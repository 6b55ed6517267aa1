mod always;

use crate::support::{Fixture, fixture_as, is_invalid, is_missing, new_device};
use netraven_model::{DeviceName, TagRuleId};
use netraven_store::access::Role;
use netraven_store::devices::{self, DeviceChange, NewDevice, OnExisting};
use netraven_store::tag_rules::{self, Effect, NewTagRule, TagRule};
use netraven_store::{Store, StoreError, tags};

fn rule(tag: &str) -> NewTagRule {
    NewTagRule { tag: tag.to_owned(), ..NewTagRule::default() }
}

fn by_name(tag: &str, pattern: &str) -> NewTagRule {
    NewTagRule { hostname_pattern: Some(pattern.to_owned()), ..rule(tag) }
}

fn by_site(tag: &str, site: &str) -> NewTagRule {
    NewTagRule { site: Some(site.to_owned()), ..rule(tag) }
}

async fn add(store: &Store, new: &NewTagRule) -> TagRule {
    tag_rules::add(store, new).await.unwrap().0
}

async fn tags_of(fixture: &Fixture, device: &str) -> Vec<String> {
    let mut tags = devices::get(&fixture.store, device).await.unwrap().tags;
    tags.retain(|tag| tag != tags::DEFAULT);
    tags
}

async fn is_tag(fixture: &Fixture, name: &str) -> bool {
    tags::list(&fixture.store).await.unwrap().iter().any(|tag| tag.name == name)
}

async fn change(fixture: &Fixture, device: &str, change: DeviceChange) {
    devices::update(&fixture.store, device, change).await.unwrap();
}

#[tokio::test]
async fn a_rule_gives_its_tag_to_devices_that_fit_all_it_names_now_and_later() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    let site = |name: &str, site: &str| NewDevice { site: Some(site.into()), ..new_device(name) };
    for new in [site("core-1", "paris"), site("core-2", "rome"), site("edge-1", "paris")] {
        devices::add(&fixture.store, new).await.unwrap();
    }
    let new = NewTagRule { description: Some("the middle".into()), ..by_name("middle", "core-*") };
    let new = NewTagRule { site: Some("paris".into()), ..new };
    assert_eq!(tag_rules::try_out(&fixture.store, &new).await.unwrap(), Effect { fitting: 1, gained: 1 });
    assert!(tag_rules::list(&fixture.store).await.unwrap().is_empty());
    assert!(!is_tag(&fixture, "middle").await, "trying makes no tag");

    let (made, effect) = tag_rules::add(&fixture.store, &new).await.unwrap();
    assert_eq!(effect, Effect { fitting: 1, gained: 1 });
    assert_eq!((made.devices, made.condition().as_str()), (1, "hostname core-*, site paris"));
    assert_eq!(made.description.as_deref(), Some("the middle"));
    assert_eq!(tag_rules::list(&fixture.store).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(tags_of(&fixture, "core-1").await, ["middle"]);

    devices::add(&fixture.store, site("core-3", "paris")).await.unwrap();
    assert_eq!(devices::get(&fixture.store, "core-3").await.unwrap().tags, [tags::DEFAULT, "middle"]);
    change(&fixture, "core-1", DeviceChange { site: Some("rome".into()), ..DeviceChange::default() }).await;
    change(&fixture, "core-2", DeviceChange { site: Some("paris".into()), ..DeviceChange::default() }).await;
    let renamed = DeviceName::parse("core-9").unwrap();
    change(&fixture, "edge-1", DeviceChange { hostname: Some(renamed), ..DeviceChange::default() }).await;
    for (device, expected) in [("core-1", 0), ("core-2", 1), ("core-3", 1), ("core-9", 1)] {
        assert_eq!(tags_of(&fixture, device).await.len(), expected, "{device}");
    }
    assert_eq!(tag_rules::remove(&fixture.store, made.id).await.unwrap(), 3);
    assert!(tags_of(&fixture, "core-9").await.is_empty());
    assert!(is_missing(tag_rules::remove(&fixture.store, made.id).await, "tag rule"));
}

#[tokio::test]
async fn patterns_know_two_wildcards_and_nothing_else_is_special() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    for name in ["core-1", "Core_2", "corex2", "edge.1", "e"] {
        fixture.add_device(name).await;
    }
    for (pattern, expected) in [
        ("core*", &["Core_2", "core-1", "corex2"][..]),
        ("CORE_2", &["Core_2"]),
        ("core?2", &["Core_2", "corex2"]),
        ("*", &["Core_2", "core-1", "corex2", "e", "edge.1"]),
        ("?", &["e"]),
        ("*1", &["core-1", "edge.1"]),
        ("edge.1", &["edge.1"]),
        ("e%", &[]),
        (r"e*\", &[]),
        (r"\e", &[]),
        ("[ce]*", &[]),
        ("core", &[]),
        (".*", &[]),
    ] {
        let made = add(&fixture.store, &by_name("found", pattern)).await;
        let filter = devices::DeviceFilter { tags: vec!["found".into()], ..Default::default() };
        let found = devices::list(&fixture.store, &filter).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|device| device.hostname).collect();
        found.sort();
        assert_eq!(found, expected, "{pattern}");
        tag_rules::remove(&fixture.store, made.id).await.unwrap();
    }
}

#[tokio::test]
async fn networks_hold_addresses_of_their_family_and_no_names() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    for (name, address) in
        [("v4", "10.1.2.3"), ("v6", "2001:db8::7"), ("zone", "fe80::1%eth0"), ("name", "r1.example.net")]
    {
        let new = NewDevice { address: address.into(), ..new_device(name) };
        devices::add(&fixture.store, new).await.unwrap();
    }
    for (network, stored, expected) in [
        ("10.0.0.0/8", "10.0.0.0/8", 1),
        ("10.1.2.3", "10.1.2.3/32", 1),
        ("10.1.2.4/32", "10.1.2.4/32", 0),
        ("0.0.0.0/0", "0.0.0.0/0", 1),
        ("2001:DB8::/32", "2001:db8::/32", 1),
        ("::/0", "::/0", 1),
    ] {
        let new = NewTagRule { network: Some(network.into()), ..rule("net") };
        let (made, effect) = tag_rules::add(&fixture.store, &new).await.unwrap();
        assert_eq!((made.network.as_deref(), effect.fitting), (Some(stored), expected), "{network}");
        tag_rules::remove(&fixture.store, made.id).await.unwrap();
    }
    let new = NewTagRule { network: Some("10.1.2.3/8".into()), ..rule("net") };
    let error = tag_rules::add(&fixture.store, &new).await.unwrap_err().to_string();
    assert!(error.contains("did you mean 10.0.0.0/8?"), "{error}");
}

#[tokio::test]
async fn a_rule_that_is_there_or_says_nothing_is_refused_and_makes_no_tag() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    let full = NewTagRule {
        device_type: Some("frr".into()),
        site: Some("paris".into()),
        network: Some("10.0.0.0/8".into()),
        ..by_name("core", "core-*")
    };
    add(&fixture.store, &full).await;
    let again = NewTagRule { description: Some("again".into()), ..full.clone() };
    for result in [
        tag_rules::add(&fixture.store, &again).await.map(drop),
        tag_rules::try_out(&fixture.store, &again).await.map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::Duplicate { name, .. }) if name == "core"));
    }
    add(&fixture.store, &NewTagRule { tag: "other".into(), ..full.clone() }).await;
    add(&fixture.store, &NewTagRule { site: None, ..full.clone() }).await;
    let wrong = [
        rule("new"),
        by_name("new", ""),
        by_name("new", "a\0"),
        by_name("new", &"a".repeat(256)),
        by_site("new", ""),
        by_site("a b", "paris"),
        NewTagRule { device_type: Some("a\nb".into()), ..rule("new") },
        NewTagRule { network: Some("ten".into()), ..rule("new") },
    ];
    for new in wrong {
        assert!(is_invalid(tag_rules::add(&fixture.store, &new).await), "{new:?}");
    }
    assert_eq!(tag_rules::list(&fixture.store).await.unwrap().len(), 3);
    assert!(is_tag(&fixture, "other").await && !is_tag(&fixture, "new").await);
}

#[tokio::test]
async fn what_a_person_attached_stays_and_what_a_rule_gives_is_not_taken_by_hand() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    let store = &fixture.store;
    fixture.add_device("r1").await;
    fixture.add_device("r2").await;
    tags::add(store, "ours", "role").await.unwrap();
    tags::attach_device(store, "r1", "ours").await.unwrap();
    let made = add(store, &by_name("ours", "r*")).await;
    assert_eq!(made.devices, 1, "r1 has it from a person");
    for device in ["r1", "r2"] {
        let error = tags::detach_device(store, device, "ours").await.unwrap_err();
        assert!(matches!(&error, StoreError::GivenByRule { rule, .. } if *rule == made.id.0), "{error}");
        assert!(error.to_string().contains("(hostname r*)"), "{error}");
    }
    let error = tags::remove(store, "ours").await.unwrap_err();
    assert!(matches!(&error, StoreError::InUse { by, .. } if by.contains("tag rule")), "{error}");

    tags::attach_device(store, "r2", "ours").await.unwrap();
    assert_eq!(tag_rules::list(store).await.unwrap()[0].devices, 0, "both are persons' now");
    assert_eq!(tag_rules::remove(store, made.id).await.unwrap(), 0);
    for device in ["r1", "r2"] {
        assert_eq!(tags_of(&fixture, device).await, ["ours"]);
        tags::detach_device(store, device, "ours").await.unwrap();
        assert!(tags_of(&fixture, device).await.is_empty());
    }
    tags::remove(store, "ours").await.unwrap();
}

#[tokio::test]
async fn of_two_rules_for_one_tag_either_is_enough() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    let new = NewDevice { site: Some("paris".into()), ..new_device("core-1") };
    devices::add(&fixture.store, new).await.unwrap();
    let (first, second) = (
        add(&fixture.store, &by_name("core", "core-*")).await,
        add(&fixture.store, &by_site("core", "paris")).await,
    );
    assert_eq!((first.devices, second.devices), (1, 0));
    assert_eq!(tag_rules::remove(&fixture.store, first.id).await.unwrap(), 0);
    assert_eq!(tags_of(&fixture, "core-1").await, ["core"]);
    assert_eq!(tag_rules::list(&fixture.store).await.unwrap()[0].devices, 1);
    assert_eq!(tag_rules::remove(&fixture.store, second.id).await.unwrap(), 1);
    assert!(tags_of(&fixture, "core-1").await.is_empty());
}

#[tokio::test]
async fn replacing_all_tags_keeps_the_rules_and_makes_a_named_one_the_persons() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    fixture.add_device("r1").await;
    let (ours, named) = (
        add(&fixture.store, &by_name("ours", "r*")).await,
        add(&fixture.store, &by_name("named", "r*")).await,
    );
    let tags = Some(vec!["named".to_owned(), "extra".to_owned()]);
    change(&fixture, "r1", DeviceChange { tags, ..DeviceChange::default() }).await;
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().tags, ["extra", "named", "ours"]);
    for id in [ours.id, named.id] {
        tag_rules::remove(&fixture.store, id).await.unwrap();
    }
    assert_eq!(tags_of(&fixture, "r1").await, ["extra", "named"]);

    add(&fixture.store, &by_name("extra", "r*")).await;
    change(&fixture, "r1", DeviceChange { tags: Some(Vec::new()), ..DeviceChange::default() }).await;
    assert_eq!(tags_of(&fixture, "r1").await, ["extra"], "a person's before, the rule's now");
}

#[tokio::test]
async fn changes_of_rules_and_of_devices_at_once_miss_nothing() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    let store = &fixture.store;
    for round in 0..10 {
        let import = |half: usize| {
            let names = (0..40).map(move |n| format!("d{}", (n * (half * 2 + 1)) % 40));
            let mut names: Vec<String> = names.collect();
            names.dedup();
            let tags = vec![format!("t{half}"), format!("t{}", 1 - half)];
            names.into_iter().map(|name| NewDevice { tags: tags.clone(), ..new_device(&name) }).collect()
        };
        let first = add(store, &by_name("a", &format!("d{round}*"))).await;
        let (new, attach) = (by_name("a", "d*"), format!("d{round}"));
        fixture.add_device(&format!("x{round}")).await;
        let renamed = DeviceName::parse(&format!("d-{round}")).unwrap();
        let change = DeviceChange { hostname: Some(renamed), ..DeviceChange::default() };
        let changed = format!("x{round}");
        let (one, two, rule, gone, _, device, removed) = tokio::join!(
            devices::add_many(store, import(0), OnExisting::Update),
            devices::add_many(store, import(1), OnExisting::Update),
            tag_rules::add(store, &new),
            tag_rules::remove(store, first.id),
            tags::attach_device(store, &attach, "a"),
            devices::update(store, &changed, change),
            tags::remove(store, "t0")
        );
        one.unwrap();
        two.unwrap();
        gone.unwrap();
        device.unwrap();
        assert!(matches!(removed, Ok(()) | Err(StoreError::NotFound { .. })), "{removed:?}");
        let rule = rule.unwrap().0;
        let without = "SELECT count(*) FROM netraven.devices d WHERE hostname LIKE 'd%' AND NOT EXISTS (
            SELECT FROM netraven.device_tags dt JOIN netraven.tags t ON t.id = dt.tag_id
            WHERE dt.device_id = d.id AND t.name = 'a')";
        assert_eq!(fixture.number(without).await, 0);
        tag_rules::remove(store, rule.id).await.unwrap();
        fixture.execute("DELETE FROM netraven.devices").await;
    }
}

#[tokio::test]
async fn an_import_of_many_devices_applies_many_rules() {
    let Some(fixture) = fixture_as(Role::Api).await else { return };
    for n in 0..50 {
        add(&fixture.store, &by_name(&format!("t{n}"), &format!("d*{n:02}"))).await;
    }
    let new = NewTagRule { network: Some("192.0.2.0/24".into()), ..rule("all") };
    add(&fixture.store, &new).await;
    fixture.add_devices(5_000).await;
    let given = "SELECT count(*) FROM netraven.device_tags WHERE rule_id IS NOT NULL";
    assert_eq!(fixture.number(given).await, 5_000 + 50 * 50);
    assert!(is_missing(tag_rules::remove(&fixture.store, TagRuleId(99_999)).await, "tag rule"));
}
