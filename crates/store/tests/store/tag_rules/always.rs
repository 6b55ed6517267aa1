//! Whatever is done, the rules' tags are those that a simple computation in Rust gives.

use super::rule;
use crate::support::{Fixture, fixture_as, new_device};
use netraven_model::{DeviceName, TagRuleId};
use netraven_store::access::Role;
use netraven_store::devices::{self, DeviceChange, NewDevice, OnExisting};
use netraven_store::tag_rules::{self, NewTagRule};
use netraven_store::{StoreError, tags};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const NAMES: &[&str] = &["core-1", "Core_2", "corex2", "edge.1", "e"];
const PATTERNS: &[&str] = &["core*", "CORE_2", "c?re?2", "*", "*1", "%", "core_", "e", "e?*", "*o*e*"];
const ADDRESSES: &[&str] = &["10.1.2.3", "10.2.0.1", "2001:db8::1", "fe80::1%eth0", "r1.example.net"];
const NETWORKS: &[&str] = &["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "::/0", "10.2.0.1/32"];
const PLATFORMS: &[&str] = &["frr", "cisco_ios"];
const SITES: &[&str] = &["paris", "Paris"];
const TAGS: &[&str] = &["t1", "t2", "t3"];

#[derive(Clone, Debug)]
struct Fields {
    address: &'static str,
    platform: &'static str,
    site: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Conditions {
    pattern: Option<&'static str>,
    platform: Option<&'static str>,
    site: Option<&'static str>,
    network: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Step {
    Import(BTreeMap<&'static str, (Fields, BTreeSet<&'static str>)>, bool),
    Update(&'static str, Fields, Option<&'static str>, Option<BTreeSet<&'static str>>),
    RemoveDevice(&'static str),
    AddRule(&'static str, Conditions),
    RemoveRule(usize),
    Attach(&'static str, &'static str),
    Detach(&'static str, &'static str),
}

fn fields() -> impl Strategy<Value = Fields> {
    (select(ADDRESSES), select(PLATFORMS), option::of(select(SITES)))
        .prop_map(|(address, platform, site)| Fields { address, platform, site })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let some = |words: &'static [&'static str]| option::weighted(0.35, select(words));
    (some(PATTERNS), some(PLATFORMS), some(SITES), some(NETWORKS))
        .prop_map(|(pattern, platform, site, network)| Conditions { pattern, platform, site, network })
        .prop_filter("a rule names something", |c| {
            c.pattern.is_some() || c.platform.is_some() || c.site.is_some() || c.network.is_some()
        })
}

fn step() -> impl Strategy<Value = Step> {
    let (names, tags) = (|| select(NAMES), || btree_set(select(TAGS), 0..3));
    let rows = proptest::collection::btree_map(names(), (fields(), tags()), 1..4);
    prop_oneof![
        3 => (rows, any::<bool>()).prop_map(|(rows, update)| Step::Import(rows, update)),
        3 => (names(), fields(), option::of(names()), option::of(tags()))
            .prop_map(|(name, fields, renamed, tags)| Step::Update(name, fields, renamed, tags)),
        1 => names().prop_map(Step::RemoveDevice),
        4 => (select(TAGS), conditions()).prop_map(|(tag, conditions)| Step::AddRule(tag, conditions)),
        2 => (0..8usize).prop_map(Step::RemoveRule),
        2 => (names(), select(TAGS)).prop_map(|(name, tag)| Step::Attach(name, tag)),
        2 => (names(), select(TAGS)).prop_map(|(name, tag)| Step::Detach(name, tag)),
    ]
}

/// What should be there: devices with the tags that persons gave them, and rules.
#[derive(Default)]
struct Model {
    devices: BTreeMap<String, (Fields, BTreeSet<&'static str>)>,
    rules: BTreeMap<i64, (&'static str, Conditions)>,
}

impl Model {
    /// The oldest rule that gives a device a tag.
    fn rule_for(&self, name: &str, tag: &str) -> Option<i64> {
        let (fields, _) = &self.devices[name];
        let fits = |(of, conditions): &(&str, Conditions)| *of == tag && conditions.fit(name, fields);
        self.rules.iter().find(|(_, rule)| fits(rule)).map(|(id, _)| *id)
    }

    /// Device, tag and the rule that gives it, if none of it comes from a person.
    fn tags(&self) -> BTreeSet<(String, String, Option<i64>)> {
        let mut all = BTreeSet::new();
        for (name, (_, by_hand)) in &self.devices {
            for tag in TAGS.iter().copied().chain([tags::DEFAULT]) {
                let rule = self.rule_for(name, tag);
                if by_hand.contains(tag) {
                    all.insert((name.clone(), tag.to_owned(), None));
                } else if rule.is_some() {
                    all.insert((name.clone(), tag.to_owned(), rule));
                }
            }
        }
        all
    }
}

impl Conditions {
    fn fit(&self, name: &str, fields: &Fields) -> bool {
        let (name, pattern) = (name.to_lowercase(), self.pattern.map(str::to_lowercase));
        pattern.is_none_or(|pattern| glob(pattern.as_bytes(), name.as_bytes()))
            && self.platform.is_none_or(|platform| platform == fields.platform)
            && self.site.is_none_or(|site| Some(site) == fields.site)
            && self.network.is_none_or(|network| holds(network, fields.address))
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

fn holds(network: &str, address: &str) -> bool {
    let (first, length) = network.split_once('/').unwrap();
    let length: usize = length.parse().unwrap();
    let bits = |text: &str| match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => format!("{:032b}", address.to_bits()),
        Ok(IpAddr::V6(address)) => format!("{:0128b}", address.to_bits()),
        Err(_) => String::new(),
    };
    let (first, address) = (bits(first), bits(address));
    first.len() == address.len() && first[..length] == address[..length]
}

fn owned(tags: &BTreeSet<&str>) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

async fn take(fixture: &Fixture, model: &mut Model, step: Step) {
    let store = &fixture.store;
    match step {
        Step::Import(rows, update) => {
            let new = rows.iter().map(|(name, (fields, tags))| NewDevice {
                address: fields.address.to_owned(),
                device_type: fields.platform.to_owned(),
                site: fields.site.map(str::to_owned),
                tags: owned(tags),
                ..new_device(name)
            });
            let existing = if update { OnExisting::Update } else { OnExisting::Skip };
            devices::add_many(store, new.collect(), existing).await.unwrap();
            for (name, (fields, tags)) in rows {
                match model.devices.get_mut(name) {
                    Some(_) if !update => {}
                    Some((known, by_hand)) => {
                        // What the file leaves empty keeps its value.
                        *known = Fields { site: fields.site.or(known.site), ..fields };
                        if !tags.is_empty() {
                            *by_hand = tags;
                        }
                    }
                    None => {
                        let tags = if tags.is_empty() { [tags::DEFAULT].into() } else { tags };
                        model.devices.insert(name.to_owned(), (fields, tags));
                    }
                }
            }
        }
        Step::Update(name, fields, renamed, tags) => {
            let change = DeviceChange {
                hostname: renamed.map(|name| DeviceName::parse(name).unwrap()),
                address: Some(fields.address.to_owned()),
                device_type: Some(fields.platform.to_owned()),
                site: Some(fields.site.unwrap_or_default().to_owned()),
                tags: tags.as_ref().map(owned),
                ..DeviceChange::default()
            };
            let new_name = renamed.unwrap_or(name);
            match devices::update(store, name, change).await {
                Ok(_) => {
                    let (_, by_hand) = model.devices.remove(name).unwrap();
                    model.devices.insert(new_name.to_owned(), (fields, tags.unwrap_or(by_hand)));
                }
                Err(StoreError::NotFound { .. }) => assert!(!model.devices.contains_key(name)),
                Err(StoreError::Duplicate { .. }) => assert!(model.devices.contains_key(new_name)),
                Err(error) => panic!("{error}"),
            }
        }
        Step::RemoveDevice(name) => {
            assert_eq!(devices::remove(store, name).await.is_ok(), model.devices.remove(name).is_some());
        }
        Step::AddRule(tag, conditions) => {
            let new = NewTagRule {
                hostname_pattern: conditions.pattern.map(str::to_owned),
                device_type: conditions.platform.map(str::to_owned),
                site: conditions.site.map(str::to_owned),
                network: conditions.network.map(str::to_owned),
                ..rule(tag)
            };
            match tag_rules::add(store, &new).await {
                Ok((made, effect)) => {
                    let fits = |(name, (fields, _)): (&String, &(Fields, _))| conditions.fit(name, fields);
                    let fitting = model.devices.iter().filter(|device| fits(*device)).count();
                    assert_eq!(effect.fitting, i64::try_from(fitting).unwrap());
                    model.rules.insert(made.id.0, (tag, conditions));
                }
                Err(StoreError::Duplicate { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        Step::RemoveRule(at) => {
            if let Some(id) = model.rules.keys().nth(at).copied() {
                tag_rules::remove(store, TagRuleId(id)).await.unwrap();
                model.rules.remove(&id);
            }
        }
        Step::Attach(name, tag) => {
            if tags::attach_device(store, name, tag).await.is_ok() {
                model.devices.get_mut(name).unwrap().1.insert(tag);
            }
        }
        Step::Detach(name, tag) => match tags::detach_device(store, name, tag).await {
            Ok(()) => {
                assert_eq!(model.rule_for(name, tag), None);
                assert!(model.devices.get_mut(name).unwrap().1.remove(tag));
            }
            Err(StoreError::GivenByRule { rule, .. }) => {
                assert_eq!(model.rule_for(name, tag), Some(rule));
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        },
    }
}

async fn stored(fixture: &Fixture) -> BTreeSet<(String, String, Option<i64>)> {
    const TAGS: &str = "SELECT d.hostname, t.name, dt.rule_id FROM netraven.device_tags dt
        JOIN netraven.devices d ON d.id = dt.device_id JOIN netraven.tags t ON t.id = dt.tag_id";
    let rows = sqlx::query_as(TAGS).fetch_all(&mut fixture.connection().await).await.unwrap();
    rows.into_iter().collect()
}

#[test]
fn after_any_sequence_of_changes_the_rules_tags_are_those_computed_anew() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(fixture) = runtime.block_on(fixture_as(Role::Api)) else { return };
    let config = Config { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let run = TestRunner::new(config).run(&vec(step(), 1..25), |steps| {
        runtime.block_on(async {
            fixture.execute("DELETE FROM netraven.devices").await;
            fixture.execute("DELETE FROM netraven.tag_rules").await;
            let mut model = Model::default();
            for step in steps {
                let taken = format!("{step:?}");
                take(&fixture, &mut model, step).await;
                prop_assert_eq!(stored(&fixture).await, model.tags(), "after {}", taken);
            }
            Ok(())
        })
    });
    run.unwrap();
    runtime.block_on(async { drop(fixture) });
}
