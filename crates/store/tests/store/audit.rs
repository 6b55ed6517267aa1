use crate::support::{Fixture, fixture_as, is_duplicate, is_missing, new_device};
use netraven_model::UserId;
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, Actor, ActorKind, AuditFilter, AuditRow, Details, Entry};
use netraven_store::credentials::{self, NewCredential};
use netraven_store::tag_rules::{self, NewTagRule};
use netraven_store::users::{self, NewUser, UserRole};
use netraven_store::{Store, StoreError, devices, settings};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

/// A trail that holds what the test does: a new database already tells how it came to be.
async fn fixture() -> Option<(Fixture, i64)> {
    let fixture = fixture_as(Role::Api).await?;
    fixture.execute("DELETE FROM netraven.users").await;
    let newest = all(&fixture.store, 0).await.first().map_or(0, |row| row.id);
    Some((fixture, newest))
}

/// All entries behind this one, newest first.
async fn all(store: &Store, behind: i64) -> Vec<AuditRow> {
    let mut rows = audit::list(store, &AuditFilter::default()).await.unwrap();
    rows.retain(|row| row.id > behind);
    rows
}

/// Action, target and details of all entries behind this one, oldest first.
async fn told(store: &Store, behind: i64) -> Vec<(String, String, Value)> {
    let rows = all(store, behind).await.into_iter().rev();
    rows.map(|row| (row.action, row.target.unwrap(), row.details.unwrap_or_default())).collect()
}

fn expected(entries: &[(Action, &str, Value)]) -> Vec<(String, String, Value)> {
    let owned = entries
        .iter()
        .map(|(action, target, details)| (action.as_str().to_owned(), (*target).to_owned(), details.clone()));
    owned.collect()
}

#[tokio::test]
async fn every_change_of_users_leaves_its_entry_and_refused_ones_leave_none() {
    let Some((fixture, start)) = fixture().await else { return };
    let store = &fixture.store;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$canarysalt$canaryhash";
    let new = |name: &str| NewUser {
        username: name.into(),
        full_name: None,
        email: None,
        role: UserRole::Viewer,
        password_hash: Some(hash.into()),
        must_change_password: false,
    };
    users::ensure_first_admin(store, Some(hash)).await.unwrap();
    users::add(store, new("ann")).await.unwrap();
    assert!(is_duplicate(users::add(store, new("ann")).await, "ann"));
    users::set_password_hash(store, "ann", hash, true).await.unwrap();
    users::set_role(store, "ann", UserRole::Operator).await.unwrap();
    users::set_role(store, "ann", UserRole::Operator).await.unwrap();
    users::set_active(store, "ann", false).await.unwrap();
    users::set_active(store, "ann", false).await.unwrap();
    users::set_active(store, "ann", true).await.unwrap();
    assert!(users::set_active(store, "admin", false).await.is_err());
    assert!(users::remove(store, "admin").await.is_err());
    users::remove(store, "ann").await.unwrap();
    let entries = [
        (Action::UserAdded, "admin", json!({"role": "admin"})),
        (Action::UserAdded, "ann", json!({"role": "viewer"})),
        (Action::UserPasswordChanged, "ann", json!({"must_change": true})),
        (Action::UserRoleChanged, "ann", json!({"from": "viewer", "to": "operator"})),
        (Action::UserDisabled, "ann", Value::Null),
        (Action::UserEnabled, "ann", Value::Null),
        (Action::UserRemoved, "ann", json!({"role": "operator"})),
    ];
    assert_eq!(told(store, start).await, expected(&entries));
    assert!(!format!("{:?}", all(store, start).await).contains("canary"));
}

#[tokio::test]
async fn changes_of_the_inventory_and_of_settings_leave_entries_without_any_secret() {
    let Some((fixture, start)) = fixture().await else { return };
    let store = &fixture.store;
    let device = fixture.add_device("r1").await;
    let id = credentials::next_id(store).await.unwrap();
    let new = NewCredential {
        name: "ops".into(),
        username: "canary".into(),
        password: Some(b"canary".to_vec()),
        private_key: Some(b"canary".to_vec()),
        ..NewCredential::default()
    };
    credentials::insert(store, id, new.clone()).await.unwrap();
    let next = credentials::next_id(store).await.unwrap();
    assert!(is_duplicate(credentials::insert(store, next, new).await, "ops"));
    credentials::remove(store, "ops").await.unwrap();
    assert!(is_missing(credentials::remove(store, "ops").await, "credential"));
    settings::set(store, "retry.attempts", json!(3)).await.unwrap();
    settings::set(store, "retry.attempts", json!(5)).await.unwrap();
    settings::set(store, "some.text", json!("canary")).await.unwrap();
    settings::remove(store, "retry.attempts").await.unwrap();
    assert!(is_missing(settings::remove(store, "retry.attempts").await, "setting"));
    let rule = NewTagRule { tag: "core".into(), site: Some("paris".into()), ..NewTagRule::default() };
    let (rule, _) = tag_rules::add(store, &rule).await.unwrap();
    tag_rules::remove(store, rule.id).await.unwrap();
    devices::accept_host_key(store, &device.uuid.to_string()).await.unwrap();
    devices::remove(store, "r1").await.unwrap();
    assert!(is_missing(devices::remove(store, "r1").await, "device"));

    let of_rule = json!({"rule": rule.id, "condition": "site paris", "devices": 0});
    let of_device = json!({"uuid": device.uuid, "versions": 0, "jobs": 0});
    let key = "retry.attempts";
    let holds = json!({"has_password": true, "has_enable_secret": false, "has_private_key": true});
    let entries = [
        (Action::CredentialAdded, "ops", holds),
        (Action::CredentialRemoved, "ops", Value::Null),
        (Action::SettingChanged, key, json!({"from": null, "to": 3})),
        (Action::SettingChanged, key, json!({"from": 3, "to": 5})),
        (Action::SettingChanged, "some.text", json!({"from": null, "to": "(not kept)"})),
        (Action::SettingRemoved, key, json!({"from": 5, "to": null})),
        (Action::TagRuleAdded, "core", of_rule.clone()),
        (Action::TagRuleRemoved, "core", of_rule),
        (Action::DeviceHostKeyAccepted, "r1", json!({"forgotten": 0})),
        (Action::DeviceRemoved, "r1", of_device),
    ];
    assert_eq!(told(store, start).await, expected(&entries));
    assert!(!format!("{:?}", all(store, start).await).contains("canary"));
}

#[tokio::test]
async fn an_entry_says_who_did_it_and_from_where() {
    let Some((fixture, start)) = fixture().await else { return };
    let actor = Actor {
        kind: ActorKind::Token,
        name: "ann\0".into(),
        user: Some(UserId(7)),
        source_address: Some("2001:db8::7".parse().unwrap()),
        account: Some("netraven".into()),
    };
    settings::set(&fixture.store, "a.a", json!(1)).await.unwrap();
    let store = fixture.store.clone().with_actor(actor);
    settings::set(&store, "a.b", json!(true)).await.unwrap();
    let failed = Entry::new(Action::DatabaseRestored, "netraven").failed();
    let failed = failed.with(Details::Dump { file: "a.dump".into(), bytes: 9 });
    audit::record(&store, &failed).await.unwrap();

    let rows = all(&store, start).await;
    let [restored, by_ann, by_service] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((restored.target_kind.as_deref(), restored.success), (Some("database"), false));
    assert_eq!(restored.details, Some(json!({"file": "a.dump", "bytes": 9, "account": "netraven"})));
    assert_eq!((by_ann.actor.as_str(), by_ann.actor_kind.as_str()), ("ann\u{fffd}", "token"));
    assert_eq!((by_ann.user_id, by_ann.source_address.as_deref()), (Some(UserId(7)), Some("2001:db8::7")));
    assert_eq!((by_service.actor.as_str(), by_service.actor_kind.as_str()), ("netraven", "service"));
    assert!(by_service.success && by_service.timestamp <= by_ann.timestamp);
}

#[tokio::test]
async fn entries_are_listed_newest_first_in_pages_by_actor_and_by_action() {
    let Some((fixture, _)) = fixture().await else { return };
    let stores = ["ann", "bob"].map(|name| fixture.store.clone().with_actor(Actor::service(name)));
    for round in 0..6 {
        settings::set(&stores[round % 2], &format!("s.{round}"), json!(round)).await.unwrap();
        settings::remove(&stores[round % 2], &format!("s.{round}")).await.unwrap();
    }
    let targets = async |filter: AuditFilter| -> Vec<String> {
        let rows = audit::list(&fixture.store, &filter).await.unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.action, row.target.unwrap())).collect()
    };
    let of_bob = AuditFilter { actor: Some("bob".into()), ..AuditFilter::default() };
    let set_by_bob = AuditFilter { action: Some(Action::SettingChanged), ..of_bob.clone() };
    assert_eq!(
        targets(set_by_bob).await,
        ["setting.changed s.5", "setting.changed s.3", "setting.changed s.1"]
    );
    let removed =
        AuditFilter { action: Some(Action::SettingRemoved), limit: Some(2), ..AuditFilter::default() };
    assert_eq!(targets(removed).await, ["setting.removed s.5", "setting.removed s.4"]);

    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let filter = AuditFilter { limit: Some(4), before, ..of_bob.clone() };
        let page = audit::list(&fixture.store, &filter).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        pages.extend(page);
    }
    assert_eq!(pages, audit::list(&fixture.store, &of_bob).await.unwrap());
    assert_eq!(pages.len(), 6);
}

#[tokio::test]
async fn nobody_changes_the_past_not_even_the_owner() {
    let Some((fixture, start)) = fixture().await else { return };
    settings::set(&fixture.store, "a.b", json!(1)).await.unwrap();
    let before = all(&fixture.store, start).await;
    for statement in [
        "UPDATE netraven.audit_log SET actor = 'nobody'",
        "UPDATE netraven.audit_log SET actor = 'nobody' WHERE false",
        "DELETE FROM netraven.audit_log",
        "TRUNCATE netraven.audit_log",
        "TRUNCATE netraven.users, netraven.audit_log CASCADE",
        "INSERT INTO netraven.audit_log (id, actor, actor_kind, action) OVERRIDING SYSTEM VALUE
         SELECT id, 'nobody', 'shell', action FROM netraven.audit_log
         ON CONFLICT (id) DO UPDATE SET actor = EXCLUDED.actor",
    ] {
        let mut connection = fixture.connection().await;
        let refused = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.code().as_deref(), Some("42501"), "{statement}: {refused}");
        assert!(refused.message().starts_with("the audit log only grows: "), "{statement}: {refused}");
    }
    assert_eq!(all(&fixture.store, start).await, before);
}

#[tokio::test]
async fn a_change_whose_entry_cannot_be_written_does_not_happen() {
    let Some((fixture, _)) = fixture().await else { return };
    fixture.add_device("r1").await;
    let nameless = fixture.store.clone().with_actor(Actor::service(""));
    assert!(matches!(devices::remove(&nameless, "r1").await, Err(StoreError::Query { .. })));
    assert!(settings::set(&nameless, "a.b", json!(1)).await.is_err());
    assert!(users::ensure_first_admin(&nameless, None).await.is_err());
    devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!(settings::get(&fixture.store, "a.b").await.unwrap(), None);
    assert!(users::list(&fixture.store).await.unwrap().is_empty());
    devices::add(&nameless, new_device("r2")).await.unwrap();
}

/// What lists the entries must walk an index however long the trail is.
#[tokio::test]
async fn a_long_trail_is_listed_from_an_index() {
    let Some((fixture, _)) = fixture().await else { return };
    write_many(&fixture).await;
    for condition in ["actor = 'a7'", "action = 'device.removed'", "id < 15000", "true"] {
        let explain =
            format!("EXPLAIN SELECT * FROM netraven.audit_log WHERE {condition} ORDER BY id DESC LIMIT 100");
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_all(&mut fixture.connection().await)
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{condition}: {plan}");
    }
}

async fn write_many(fixture: &Fixture) {
    fixture
        .execute(
            "INSERT INTO netraven.audit_log (actor, actor_kind, action)
             SELECT 'a' || n % 1000, 'user',
                CASE WHEN n % 5000 = 0 THEN 'device.removed' ELSE 'setting.changed' END
             FROM generate_series(1, 30000) n",
        )
        .await;
    fixture.execute("ANALYZE netraven.audit_log").await;
}
