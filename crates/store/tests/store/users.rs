use crate::support::{Fixture, fixture_as, is_duplicate, is_invalid, is_missing};
use netraven_store::access::Role;
use netraven_store::users::{self, NewUser, UserRole};
use netraven_store::{Store, StoreError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";
const OTHER_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$b3RoZXJoYXNo";

/// A database without any user.
async fn nobody() -> Option<Fixture> {
    let fixture = fixture_as(Role::Api).await?;
    fixture.execute("DELETE FROM netraven.users").await;
    Some(fixture)
}

fn new_user(name: &str, role: UserRole) -> NewUser {
    NewUser {
        username: name.to_owned(),
        full_name: None,
        email: None,
        role,
        password_hash: Some(HASH.to_owned()),
        must_change_password: false,
    }
}

async fn add(store: &Store, name: &str, role: UserRole) {
    users::add(store, new_user(name, role)).await.unwrap();
}

async fn hash_of(fixture: &Fixture, name: &str) -> Option<String> {
    fixture.value(&format!("SELECT password_hash FROM netraven.users WHERE username = '{name}'")).await
}

fn is_last_admin<T: std::fmt::Debug>(result: Result<T, StoreError>, name: &str) -> bool {
    matches!(result.unwrap_err(), StoreError::LastAdmin { name: found } if found == name)
}

#[tokio::test]
async fn a_user_is_entered_listed_and_removed() {
    let Some(fixture) = nobody().await else { return };
    let store = &fixture.store;
    add(store, "root.1", UserRole::Admin).await;
    let new = NewUser {
        full_name: Some("Ann\0 Lee".into()),
        email: Some("ann@example.net".into()),
        password_hash: None,
        must_change_password: true,
        ..new_user("ann", UserRole::Operator)
    };
    let ann = users::add(store, new).await.unwrap();
    assert_eq!(
        (ann.full_name.as_deref(), ann.email.as_deref()),
        (Some("Ann\u{fffd} Lee"), Some("ann@example.net"))
    );
    assert_eq!((ann.role, ann.is_active, ann.has_password), (UserRole::Operator, true, false));
    assert!(ann.must_change_password && ann.last_login.is_none());
    assert_eq!(users::get(store, "ann").await.unwrap(), ann);
    let listed: Vec<_> = users::list(store).await.unwrap().into_iter().map(|user| user.username).collect();
    assert_eq!(listed, ["ann", "root.1"]);
    assert!(is_duplicate(users::add(store, new_user("ann", UserRole::Viewer)).await, "ann"));

    users::remove(store, "ann").await.unwrap();
    for result in
        [users::remove(store, "ann").await, users::set_password_hash(store, "ann", HASH, false).await]
    {
        assert!(is_missing(result, "user"));
    }
    for result in
        [users::set_active(store, "a\0", false).await, users::set_role(store, "ann", UserRole::Viewer).await]
    {
        assert!(is_missing(result, "user"));
    }
    assert!(is_missing(users::get(store, "ANN\0").await, "user"));
}

#[tokio::test]
async fn names_that_could_be_taken_for_each_other_and_hashes_that_are_none_are_refused() {
    let Some(fixture) = nobody().await else { return };
    let long = "a".repeat(users::MAX_USERNAME + 1);
    for name in ["", "Ann", "a b", "änn", "a\0", "a/b", &long] {
        assert!(is_invalid(users::add(&fixture.store, new_user(name, UserRole::Viewer)).await), "{name:?}");
    }
    add(&fixture.store, &long[1..], UserRole::Viewer).await;
    for hash in
        ["canary-password", "", "$argon2id$", "$argon2i$v=19$m=1$c2E$aGE", "$argon2id$v=19$m=1$c2E$can ary"]
    {
        let new = NewUser { password_hash: Some(hash.into()), ..new_user("ann", UserRole::Viewer) };
        assert!(!format!("{new:?}").contains("canary"));
        let error = users::add(&fixture.store, new).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Invalid { .. }) && !error.to_string().contains("canary"),
            "{error}"
        );
        assert!(is_invalid(users::set_password_hash(&fixture.store, &long[1..], hash, false).await));
        assert!(is_invalid(users::ensure_first_admin(&fixture.store, Some(hash)).await));
    }
    assert!(is_missing(users::get(&fixture.store, "ann").await, "user"));
}

#[tokio::test]
async fn a_new_password_replaces_the_hash_and_ends_a_lock() {
    let Some(fixture) = nobody().await else { return };
    add(&fixture.store, "ann", UserRole::Viewer).await;
    fixture
        .execute("UPDATE netraven.users SET failed_logins = 9, locked_until = now() + interval '1 day'")
        .await;
    users::set_password_hash(&fixture.store, "ann", OTHER_HASH, true).await.unwrap();
    let ann = users::get(&fixture.store, "ann").await.unwrap();
    assert_eq!((ann.must_change_password, ann.locked_until), (true, None));
    assert_eq!(fixture.number("SELECT failed_logins FROM netraven.users").await, 0);
    assert_eq!(hash_of(&fixture, "ann").await.as_deref(), Some(OTHER_HASH));
}

#[tokio::test]
async fn the_last_active_admin_stays_one() {
    let Some(fixture) = nobody().await else { return };
    let store = &fixture.store;
    add(store, "ann", UserRole::Admin).await;
    add(store, "bob", UserRole::Admin).await;
    add(store, "cy", UserRole::Operator).await;
    assert!(users::set_active(store, "bob", false).await.unwrap());
    assert!(!users::set_active(store, "bob", false).await.unwrap(), "it is no change");
    for result in [
        users::remove(store, "ann").await.map(|()| true),
        users::set_active(store, "ann", false).await,
        users::set_role(store, "ann", UserRole::Operator).await,
    ] {
        assert!(is_last_admin(result, "ann"));
    }
    // Who is no active administrator may go, and who becomes one relieves the last one.
    users::remove(store, "bob").await.unwrap();
    assert!(!users::set_role(store, "ann", UserRole::Admin).await.unwrap(), "it is no change");
    assert!(users::set_role(store, "cy", UserRole::Admin).await.unwrap());
    assert!(users::set_role(store, "ann", UserRole::Viewer).await.unwrap());
    assert!(is_last_admin(users::remove(store, "cy").await, "cy"));
}

#[tokio::test]
async fn two_who_take_each_other_away_leave_one_admin() {
    let Some(fixture) = nobody().await else { return };
    for round in 0..10 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        fixture.execute("DELETE FROM netraven.users").await;
        add(&fixture.store, &a, UserRole::Admin).await;
        add(&fixture.store, &b, UserRole::Admin).await;
        let (one, other) = match round % 3 {
            0 => tokio::join!(users::remove(&fixture.store, &a), users::remove(&fixture.store, &b)),
            1 => tokio::join!(
                async { users::set_active(&fixture.store, &a, false).await.map(drop) },
                users::remove(&fixture.store, &b)
            ),
            _ => tokio::join!(
                async { users::set_role(&fixture.store, &b, UserRole::Viewer).await.map(drop) },
                async { users::set_active(&fixture.store, &a, false).await.map(drop) }
            ),
        };
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        let refused = if one.is_ok() { other } else { one };
        assert!(matches!(refused, Err(StoreError::LastAdmin { .. })), "{refused:?}");
        let left = "SELECT count(*) FROM netraven.users WHERE role = 'admin' AND is_active";
        assert_eq!(fixture.number(left).await, 1);
    }
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_only_where_there_is_no_user() {
    let Some(fixture) = nobody().await else { return };
    let other = fixture.another_store().await;
    let (one, two) = tokio::join!(
        users::ensure_first_admin(&fixture.store, Some(HASH)),
        users::ensure_first_admin(&other, Some(OTHER_HASH))
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one != two, "{one} {two}");
    let admin = users::get(&fixture.store, "admin").await.unwrap();
    assert_eq!((admin.role, admin.must_change_password, admin.is_active), (UserRole::Admin, true, true));
    let expected = if one { HASH } else { OTHER_HASH };
    assert_eq!(hash_of(&fixture, "admin").await.as_deref(), Some(expected));

    add(&fixture.store, "ann", UserRole::Admin).await;
    users::remove(&fixture.store, "admin").await.unwrap();
    assert!(!users::ensure_first_admin(&fixture.store, None).await.unwrap());
    fixture.execute("DELETE FROM netraven.users").await;
    assert!(users::ensure_first_admin(&fixture.store, None).await.unwrap());
    assert!(!users::get(&fixture.store, "admin").await.unwrap().has_password);
}

#[tokio::test]
async fn the_words_of_roles_are_those_the_table_takes() {
    let Some(fixture) = nobody().await else { return };
    for (at, role) in UserRole::ALL.into_iter().enumerate() {
        let name = format!("user{at}");
        add(&fixture.store, &name, role).await;
        assert_eq!(users::get(&fixture.store, &name).await.unwrap().role, role);
        assert_eq!(UserRole::from_name(role.as_str()), Some(role));
    }
    assert_eq!(UserRole::from_name("root"), None);
}

#[tokio::test]
async fn reports_name_users_and_read_no_hash_of_a_password_or_a_token() {
    let Some(fixture) = nobody().await else { return };
    add(&fixture.store, "ann", UserRole::Viewer).await;
    let (user, password) = fixture.database.login(Role::Readonly).await;
    let options: PgConnectOptions = fixture.database.url().parse().unwrap();
    let options = options.username(&user).password(password.expose_text().unwrap());
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    for readable in ["SELECT username, role FROM netraven.users", "SELECT prefix FROM netraven.api_tokens"] {
        sqlx::query(AssertSqlSafe(readable)).fetch_all(&mut connection).await.unwrap();
    }
    for secret in [
        "SELECT password_hash FROM netraven.users",
        "SELECT 1 FROM netraven.users WHERE password_hash LIKE '$argon2id$v=19$%'",
        "SELECT * FROM netraven.users",
        "SELECT users FROM netraven.users",
        "SELECT token_hash FROM netraven.api_tokens",
        "SELECT * FROM netraven.api_tokens",
        "TABLE netraven.audit_log",
        "COPY netraven.users (password_hash) TO STDOUT",
    ] {
        let refused = sqlx::query(AssertSqlSafe(secret)).fetch_all(&mut connection).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().unwrap().code().as_deref(),
            Some("42501"),
            "{secret}: {refused}"
        );
    }
}
