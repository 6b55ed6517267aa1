//! The PostgreSQL that all test processes share.

use super::place;
use crate::ConnectSettings;
use crate::access::{Logins, LoginsError, RolePrefix};
use crate::audit::Actor;
use crate::private::{PrivateCluster, PrivateError, PrivateSettings};
use crate::setup::SetupSettings;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Names of test databases begin so; a UUID of version 7 follows.
pub(super) const TEST_PREFIX: &str = "test_";

/// Stops the server when no test has used it for a while. A process of its own, because test
/// processes end without a moment to clean up, and may be killed.
const JANITOR: &str = include_str!("janitor.sh");

/// This process's use of the shared server. Held until the process ends.
pub(super) struct Shared {
    cluster: PrivateCluster,
    data_dir: PathBuf,
}

static SHARED: OnceCell<Result<Shared, PrivateError>> = OnceCell::const_new();

/// The shared server, started if need be; or why there is none.
pub(super) async fn shared() -> Result<&'static Shared, &'static PrivateError> {
    SHARED.get_or_init(Shared::open).await.as_ref()
}

impl Shared {
    async fn open() -> Result<Self, PrivateError> {
        let data_dir = place::data_dir()?;
        let settings = PrivateSettings {
            memory_mib: 256,
            start_timeout: Duration::from_secs(120),
            disposable: true,
            ..PrivateSettings::new(&data_dir)
        };
        let cluster = PrivateCluster::acquire(&settings).await?;
        let shared = Self { cluster, data_dir: data_dir.clone() };
        call_janitor(&data_dir);
        if let Err(error) = shared.drop_left_over().await {
            eprintln!("left-over test databases were not dropped: {error}");
        }
        Ok(shared)
    }

    pub(super) fn admin_url(&self) -> &str {
        self.cluster.admin_url()
    }

    /// URL of one database as NetRaven's role.
    pub(super) fn url_of(&self, database: &str) -> String {
        let url = self.cluster.url();
        let (server, query) = url.split_once('?').unwrap_or((url, ""));
        let (server, _) = server.rsplit_once('/').unwrap_or((server, ""));
        format!("{server}/{database}?{query}")
    }

    /// The logins of NetRaven's roles on the server, which the first template brought.
    pub(super) fn logins(&self) -> Result<Option<Logins>, LoginsError> {
        Logins::load(&self.logins_file())
    }

    /// How to make one of the databases NetRaven's.
    pub(super) fn setup_of(&self, database: &str) -> SetupSettings {
        let admin = ConnectSettings::new(self.admin_url());
        SetupSettings {
            admin: ConnectSettings { database: Some(database.to_owned()), ..admin },
            prefix: RolePrefix::default(),
            logins_file: self.logins_file(),
            server: Some("tests".to_owned()),
            new_passwords: false,
            wait: Duration::ZERO,
            actor: Actor::service("tests"),
        }
    }

    fn logins_file(&self) -> PathBuf {
        self.data_dir.join("roles.json")
    }

    /// Creates a database that belongs to NetRaven's role, as a copy of `template` or empty.
    pub(super) async fn create_database(
        &self,
        name: &str,
        template: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let template = template.unwrap_or("template0");
        // Copying files beats writing every page through the log when the disk is not waited for.
        let strategy = if self.cluster.version() >= 15 { "STRATEGY file_copy" } else { "" };
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER netraven {strategy}");
        execute(self.admin_url(), sql).await
    }

    /// Drops databases that are older than the running server: the tests that made them are gone.
    /// Both times are cut to whole seconds, so that one made right after the start is never older.
    async fn drop_left_over(&self) -> Result<(), sqlx::Error> {
        let mut admin = PgConnection::connect(self.admin_url()).await?;
        let started: i64 =
            sqlx::query_scalar("SELECT floor(extract(epoch FROM pg_postmaster_start_time()))::bigint")
                .fetch_one(&mut admin)
                .await?;
        let names: Vec<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database").fetch_all(&mut admin).await?;
        for name in names.iter().filter(|name| made_before(name, started)) {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
        admin.close().await
    }
}

/// Drops a test's database and cuts its connections.
pub(super) async fn drop_database(admin_url: &str, name: &str) -> Result<(), sqlx::Error> {
    execute(admin_url, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn execute(admin_url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut admin = PgConnection::connect(admin_url).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await?;
    admin.close().await
}

/// Whether this is a test database whose name says that it was made before `started` (Unix seconds).
fn made_before(name: &str, started: i64) -> bool {
    let id = name.strip_prefix(TEST_PREFIX).and_then(|id| Uuid::try_parse(id).ok());
    let made = id.and_then(|id| id.get_timestamp()).map(|timestamp| timestamp.to_unix().0);
    made.is_some_and(|made| i64::try_from(made).is_ok_and(|made| made < started))
}

/// Starts the janitor unless one is at work.
fn call_janitor(data_dir: &Path) {
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).open(data_dir.join("janitor.lock"));
    // The lock is only tried: the janitor takes it for itself.
    if lock.is_ok_and(|lock| lock.try_lock().is_err()) {
        return;
    }
    let mut janitor = Command::new("sh");
    janitor.args(["-c", JANITOR, "netraven-test-janitor"]).arg(data_dir).process_group(0).current_dir("/");
    janitor.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = janitor.spawn() {
        eprintln!("the test server will stay up, since its janitor did not start: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_databases_from_before_the_servers_start_are_left_over() {
        let name = format!("{TEST_PREFIX}{}", Uuid::now_v7().simple());
        assert!(!made_before(&name, 1_000_000_000));
        assert!(made_before(&name, 100_000_000_000));
        assert!(!made_before("test_by_hand", 100_000_000_000));
        assert!(!made_before("netraven", 100_000_000_000));
    }

    #[tokio::test]
    async fn databases_of_killed_tests_are_dropped() {
        let Ok(shared) = shared().await else { return };
        let long_ago = uuid::Timestamp::from_unix(uuid::NoContext, 1_000_000_000, 0);
        let name = format!("{TEST_PREFIX}{}", Uuid::new_v7(long_ago).simple());
        shared.create_database(&name, None).await.unwrap();
        let mut admin = PgConnection::connect(shared.admin_url()).await.unwrap();
        let gone = async {
            // Another test process may be dropping it at this moment, which makes our own try fail.
            while is_there(&mut admin, &name).await {
                drop(shared.drop_left_over().await);
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    }

    async fn is_there(admin: &mut PgConnection, name: &str) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        sqlx::query_scalar(sql).bind(name).fetch_one(admin).await.unwrap()
    }
}
