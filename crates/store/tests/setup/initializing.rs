use crate::support::{Place, initialize, initialize_telling, log_in, place, place_of};
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, AuditFilter};
use netraven_store::setup::{self, SetupError, SetupSettings};
use netraven_store::testing::{OtherServer, ServerOptions};
use netraven_store::{ConnectSettings, devices, tags};
use std::net::TcpListener;
use std::time::Duration;
use tokio::sync::mpsc;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

/// Works with what was made, as the services do.
async fn use_it(settings: &SetupSettings, done: &setup::Done) {
    for role in Role::services() {
        let store = log_in(settings, done, role).await;
        store.ready().await.unwrap();
        store.close().await;
    }
    let store = log_in(settings, done, Role::Api).await;
    assert!(devices::list(&store, &Default::default()).await.unwrap().is_empty());
    assert!(tags::list(&store).await.unwrap().iter().any(|tag| tag.name == tags::DEFAULT));
    assert!(store.validate(done.logins.prefix()).await.unwrap().is_valid());
}

#[tokio::test]
async fn an_empty_server_gets_everything_and_a_second_time_changes_nothing() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    let lines = std::sync::Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let done = setup::initialize(&settings, Some(HASH), &tell).await.unwrap();
    assert!(done.schema.before.is_none() && done.administrator && done.report.warnings.is_empty());
    use_it(&settings, &done).await;
    let told = lines.lock().unwrap().join("\n");
    for step in [
        "database 'netraven' created",
        "passwords: made, in ",
        "create the role 'netraven_gateway'",
        "create the extension pg_trgm",
        "create the schema 'netraven'",
        "schema: version 6 made",
        "rights: ",
        "first content: made",
        "validation: ",
    ] {
        assert!(told.contains(step), "{step}\n{told}");
    }
    let store = log_in(&settings, &done, Role::Api).await;
    let entries = audit::list(&store, &AuditFilter::default()).await.unwrap();
    assert!(entries.iter().any(|entry| entry.action == Action::DatabaseInitialized.as_str()));
    tags::remove(&store, "core").await.unwrap();

    let (again, lines) = initialize_telling(&settings).await;
    let again = again.unwrap();
    assert_eq!(again.schema.before, Some(again.schema.now));
    assert!(!again.administrator);
    assert!(!lines.iter().any(|line| line.contains("create")), "{lines:#?}");
    assert!(
        !tags::list(&store).await.unwrap().iter().any(|tag| tag.name == "core"),
        "what was removed stays away"
    );
    assert_eq!(place.count("netraven", "SELECT count(*) FROM netraven.users").await, 1);
    use_it(&settings, &again).await;
}

#[tokio::test]
async fn passwords_reach_the_server_as_scram_verifiers_only() {
    let Some(place) = place().await else { return };
    place.execute("postgres", "ALTER SYSTEM SET log_statement = 'all'").await;
    place.execute("postgres", "SELECT pg_reload_conf()").await;
    let done = initialize(&place.settings("netraven")).await.unwrap();
    let stored = place
        .count("postgres", "SELECT count(*) FROM pg_authid WHERE rolname LIKE 'netraven\\_%' AND rolpassword LIKE 'SCRAM-SHA-256$%'")
        .await;
    assert_eq!(stored, 9);
    let log = place.server.log();
    assert!(log.contains("CREATE ROLE netraven_gateway"), "the statements are in the log");
    for role in Role::services() {
        let (_, password) = done.logins.login(role).unwrap();
        assert!(!log.contains(password.expose_text().unwrap()), "{role}");
    }
}

#[tokio::test]
async fn a_server_that_is_still_starting_is_waited_for() {
    let Some(major) = OtherServer::system_major().await else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let settings = SetupSettings {
        admin: ConnectSettings::new(format!("postgresql://postgres@127.0.0.1:{port}/inventory")),
        wait: Duration::from_secs(120),
        ..unreachable_settings(folder.path())
    };
    let (sender, mut told) = mpsc::unbounded_channel();
    let tell = |line: &str| drop(sender.send(line.to_owned()));
    let waiting = setup::initialize(&settings, None, &tell);
    let starting = async {
        let first = told.recv().await.unwrap();
        assert!(first.starts_with("waiting for PostgreSQL, 1") && first.contains("refused"), "{first}");
        let options = ServerOptions {
            tcp: true,
            settings: vec![("port", port.to_string())],
            hba: Some("local all all trust\nhost all all 127.0.0.1/32 trust\n".to_owned()),
            ..ServerOptions::default()
        };
        OtherServer::start_with(major, options).await
    };
    let (done, _server) = tokio::join!(waiting, starting);
    assert!(done.unwrap().schema.before.is_none());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let admin = ConnectSettings::new(format!("postgresql://postgres@127.0.0.1:{port}/netraven"));
    let settings =
        SetupSettings { admin, wait: Duration::from_secs(1), ..unreachable_settings(folder.path()) };
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(error, SetupError::NotReady { seconds: 1, .. }), "{error}");
    assert!(!settings.logins_file.exists(), "no passwords for a server that is not there");
}

fn unreachable_settings(folder: &std::path::Path) -> SetupSettings {
    SetupSettings {
        admin: ConnectSettings::new(""),
        prefix: Default::default(),
        logins_file: folder.join("database.json"),
        server: None,
        new_passwords: false,
        wait: Duration::ZERO,
        actor: audit::Actor::service("test"),
    }
}

#[tokio::test]
async fn a_half_initialised_database_is_completed() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    for half in [
        "CREATE SCHEMA netraven",
        "CREATE SCHEMA IF NOT EXISTS netraven; CREATE TABLE netraven._sqlx_migrations (version bigint PRIMARY KEY,
            description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL,
            checksum bytea NOT NULL, execution_time bigint NOT NULL)",
    ] {
        place.execute("postgres", "CREATE DATABASE netraven").await;
        place.execute("netraven", half).await;
        let done = initialize(&settings).await.unwrap();
        use_it(&settings, &done).await;
        place.execute("postgres", "DROP DATABASE netraven WITH (FORCE)").await;
    }
    // What a setup that was killed between its steps left behind.
    let done = initialize(&settings).await.unwrap();
    place.execute("netraven", "REVOKE ALL ON ALL TABLES IN SCHEMA netraven FROM netraven_gateway").await;
    place.execute("netraven", "DELETE FROM netraven.installation").await;
    place.execute("netraven", "DROP OWNED BY netraven_readonly; DROP ROLE netraven_readonly").await;
    let again = initialize(&settings).await.unwrap();
    use_it(&settings, &again).await;
    assert!(done.schema.before.is_none() && again.schema.before.is_some());
}

#[tokio::test]
async fn several_at_once_wait_for_each_other() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    let (a, b, c) = tokio::join!(initialize(&settings), initialize(&settings), initialize(&settings));
    let made = [&a, &b, &c].map(|done| done.as_ref().unwrap().schema.before.is_none());
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    use_it(&settings, &a.unwrap()).await;
}

#[tokio::test]
async fn two_databases_of_one_server_at_once_need_two_prefixes_and_two_files() {
    let Some(place) = place().await else { return };
    let first = place.settings("one");
    let second = SetupSettings {
        prefix: netraven_store::access::RolePrefix::new("two").unwrap(),
        logins_file: place.folder.path().join("two.json"),
        ..place.settings("two")
    };
    let (a, b) = tokio::join!(initialize(&first), initialize(&second));
    use_it(&first, &a.unwrap()).await;
    use_it(&second, &b.unwrap()).await;
    let third =
        SetupSettings { logins_file: place.folder.path().join("three.json"), ..place.settings("three") };
    let error = initialize(&third).await.unwrap_err();
    assert!(matches!(error, SetupError::RolesWithoutPasswords { .. }), "{error}");
    assert!(error.to_string().contains("netraven_gateway"), "{error}");
}

#[tokio::test]
async fn new_passwords_replace_lost_ones() {
    let Some(place) = place().await else { return };
    let settings = place.settings("netraven");
    let old = initialize(&settings).await.unwrap();
    std::fs::remove_file(&settings.logins_file).unwrap();
    let error = initialize(&settings).await.unwrap_err();
    assert!(
        matches!(error, SetupError::RolesWithoutPasswords { .. }) && error.needs_new_passwords(),
        "{error}"
    );
    let renewed = SetupSettings { new_passwords: true, ..settings.clone() };
    let new = initialize(&renewed).await.unwrap();
    use_it(&settings, &new).await;
    let login = old.logins.login(Role::Api).map(|(user, password)| (user, password.clone()));
    let refused = netraven_store::Store::connect(&ConnectSettings { login, ..settings.admin.clone() }).await;
    assert!(matches!(refused, Err(netraven_store::StoreError::AuthRejected { .. })));
    use_it(&settings, &initialize(&settings).await.unwrap()).await;
}

#[tokio::test]
async fn the_oldest_and_the_newest_postgresql_will_do() {
    for major in [14, 18] {
        let Some(place) = place_of(major).await else { continue };
        let settings = place.settings("netraven");
        let done = initialize(&settings).await.unwrap();
        assert_eq!(done.report.warnings, []);
        use_it(&settings, &done).await;
    }
}

#[tokio::test]
async fn an_owner_without_superuser_rights_can_do_it_all_if_he_may_create_roles() {
    for major in [14, 18] {
        let Some(place) = place_of(major).await else { continue };
        make_owner(&place, "CREATEROLE").await;
        let settings = place.settings_as("raven", "pw", "inventory");
        let done = initialize(&settings).await.unwrap();
        use_it(&settings, &done).await;
        use_it(&settings, &initialize(&settings).await.unwrap()).await;
    }
}

#[tokio::test]
async fn an_administrator_can_do_his_part_beforehand() {
    let Some(place) = place().await else { return };
    make_owner(&place, "").await;
    let settings = place.settings_as("raven", "pw", "inventory");
    let error = initialize(&settings).await.unwrap_err();
    assert!(matches!(&error, SetupError::NotAllowed { user, .. } if user == "raven"), "{error}");
    assert!(error.to_string().contains("netraven db init --sql"), "{error}");
    let script = setup::administrators_script(&settings, &|_| {}).await.unwrap();
    place.execute("inventory", &script).await;
    assert_eq!(setup::administrators_script(&settings, &|_| {}).await.unwrap(), "");
    let done = initialize(&settings).await.unwrap();
    use_it(&settings, &done).await;
}

/// A database that belongs to a user without more rights than these.
async fn make_owner(place: &Place, rights: &str) {
    place.execute("postgres", &format!("CREATE ROLE raven LOGIN {rights} PASSWORD 'pw'")).await;
    place.execute("postgres", "CREATE DATABASE inventory OWNER raven").await;
}
