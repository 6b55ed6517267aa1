//! What most tests begin with.

use netraven_store::ConnectSettings;
use netraven_store::access::{Role, RolePrefix};
use netraven_store::audit::Actor;
use netraven_store::setup::{self, Done, SetupError, SetupSettings};
use netraven_store::testing::OtherServer;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Mutex;
use std::time::Duration;

/// A server of the test's own, since roles belong to a whole server, and a folder for the passwords.
pub struct Place {
    pub server: OtherServer,
    pub folder: tempfile::TempDir,
}

pub async fn place() -> Option<Place> {
    place_of(OtherServer::system_major().await?).await
}

pub async fn place_of(major: u32) -> Option<Place> {
    Some(Place { server: OtherServer::start(major).await?, folder: tempfile::tempdir().unwrap() })
}

impl Place {
    /// How to set up a database as the superuser.
    pub fn settings(&self, database: &str) -> SetupSettings {
        self.settings_as("postgres", self.server.password(), database)
    }

    /// How to set up a database as somebody else.
    pub fn settings_as(&self, user: &str, password: &str, database: &str) -> SetupSettings {
        let url = self.server.url_as(user, password, database);
        SetupSettings {
            admin: ConnectSettings::new(url.expose_text().unwrap()),
            prefix: RolePrefix::default(),
            logins_file: self.folder.path().join("database.json"),
            server: None,
            new_passwords: false,
            wait: Duration::ZERO,
            actor: Actor::service("test"),
        }
    }

    pub async fn connection(&self, database: &str) -> PgConnection {
        let url = self.server.url_as("postgres", self.server.password(), database);
        PgConnection::connect(url.expose_text().unwrap()).await.unwrap()
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, database: &str, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.connection(database).await).await.unwrap();
    }

    pub async fn count(&self, database: &str, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.connection(database).await).await.unwrap()
    }
}

pub async fn initialize(settings: &SetupSettings) -> Result<Done, SetupError> {
    setup::initialize(settings, None, &|_| {}).await
}

/// As [`initialize`], with the lines that were told.
pub async fn initialize_telling(settings: &SetupSettings) -> (Result<Done, SetupError>, Vec<String>) {
    let lines = Mutex::new(Vec::new());
    let done = setup::initialize(settings, None, &|line| lines.lock().unwrap().push(line.to_owned())).await;
    (done, lines.into_inner().unwrap())
}

/// Connects as a role with the password that the setup made.
pub async fn log_in(settings: &SetupSettings, done: &Done, role: Role) -> netraven_store::Store {
    let login = done.logins.login(role).map(|(user, password)| (user, password.clone()));
    netraven_store::Store::connect(&ConnectSettings { login, ..settings.admin.clone() }).await.unwrap()
}
