//! Test databases: each test gets its own, in a moment, in one PostgreSQL that all test processes share.
//!
//! ```no_run
//! # async fn a_test() {
//! use netraven_store::testing::TestDatabase;
//!
//! let Some(database) = TestDatabase::create().await else { return };
//! let store = database.store().await;
//! # }
//! ```
//!
//! The shared server is a private cluster in memory or below the temporary directory that never waits
//! for the disk. The first test process starts it; some seconds after the last one has gone, it stops.

mod cluster;
mod other_server;
mod place;
mod template;

use crate::access::{Logins, Role, RolePrefix};
use crate::audit::Actor;
use crate::private::PrivateError;
use crate::setup::{self, SetupSettings};
use crate::{ConnectSettings, Store};
use cluster::Shared;
use netraven_model::Secret;
pub use other_server::{OtherServer, ServerOptions};
pub use place::scratch_dir;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// Limit for creating or dropping one database, on the slowest and busiest machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A database of one test's own. Dropping it removes the database and cuts its connections.
pub struct TestDatabase {
    name: String,
    url: Secret,
    admin_url: Secret,
}

impl TestDatabase {
    /// A database with this release's schema and default data, cloned from a template that is made
    /// once. `None` when PostgreSQL cannot be had here: the reason is shown (see [`skip_or_fail`]).
    pub async fn create() -> Option<Self> {
        Self::make(true).await
    }

    /// A database without anything in it. `None` as with [`TestDatabase::create`].
    pub async fn empty() -> Option<Self> {
        Self::make(false).await
    }

    /// Connection URL of the database as NetRaven's own role, which owns it. Contains a password.
    pub fn url(&self) -> &str {
        self.url.expose_text().unwrap_or_default()
    }

    /// A new store on the database that may do what the role may.
    pub async fn store_as(&self, role: Role) -> Store {
        let settings = ConnectSettings { login: Some(self.login(role).await), ..self.settings() };
        or_panic("connect to the test database", Store::connect(&settings).await)
    }

    /// User name and password of a role.
    pub async fn login(&self, role: Role) -> (String, Secret) {
        let shared = match cluster::shared().await {
            Ok(shared) => shared,
            Err(error) => fail(&format!("the test server is gone: {error}")),
        };
        let logins = or_panic("read the roles' passwords", shared.logins());
        match logins.as_ref().and_then(|logins| logins.login(role)) {
            Some((user, password)) => (user, password.clone()),
            None => fail(&format!("role {role} has no login")),
        }
    }

    /// How to make the database NetRaven's, with the roles all test databases share.
    pub async fn setup(&self) -> SetupSettings {
        match cluster::shared().await {
            Ok(shared) => shared.setup_of(&self.name),
            Err(error) => fail(&format!("the test server is gone: {error}")),
        }
    }

    /// URL of the database as the server's superuser. Contains a password.
    pub fn admin_settings(&self) -> ConnectSettings {
        let admin = self.admin_url.expose_text().unwrap_or_default();
        ConnectSettings { database: Some(self.name.clone()), ..ConnectSettings::new(admin) }
    }

    fn settings(&self) -> ConnectSettings {
        ConnectSettings { max_connections: 5, ..ConnectSettings::new(self.url()) }
    }

    /// A new store on the database.
    pub async fn store(&self) -> Store {
        or_panic("connect to the test database", Store::connect(&self.settings()).await)
    }

    async fn make(with_schema: bool) -> Option<Self> {
        let shared = match cluster::shared().await {
            Ok(shared) => shared,
            Err(reason @ PrivateError::NoBinaries { .. }) => {
                skip_or_fail(&reason.to_string());
                return None;
            }
            Err(error) => fail(&format!("the test server is not usable; its data may be removed. {error}")),
        };
        // Sortable by the time of creation, which tells left-over databases from those in use.
        let name = format!("{}{}", cluster::TEST_PREFIX, Uuid::now_v7().simple());
        let made = tokio::time::timeout(LIMIT, fill(shared, &name, with_schema)).await;
        or_panic("create a test database", or_panic("create a test database in time", made));
        Some(Self {
            url: Secret::from(shared.url_of(&name)),
            admin_url: Secret::from(shared.admin_url().to_owned()),
            name,
        })
    }
}

/// Makes a database on a server of a test's own NetRaven's; the roles' passwords go into `folder`.
pub async fn set_up(admin: ConnectSettings, folder: &Path) -> Logins {
    let settings = SetupSettings {
        admin,
        prefix: RolePrefix::default(),
        logins_file: folder.join("roles.json"),
        server: None,
        new_passwords: false,
        wait: Duration::ZERO,
        actor: Actor::service("tests"),
    };
    or_panic("set up the database", setup::initialize(&settings, None, &|_| {}).await).logins
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for TestDatabase {
    /// Works in a thread with a runtime of its own, since the test's runtime may be blocked in this
    /// very drop, or gone.
    fn drop(&mut self) {
        let admin_url = self.admin_url.clone();
        let name = std::mem::take(&mut self.name);
        let work = move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let dropping = cluster::drop_database(admin_url.expose_text().unwrap_or_default(), &name);
            runtime.block_on(async { tokio::time::timeout(LIMIT, dropping).await })??;
            Ok(())
        };
        match std::thread::spawn(work).join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("a test database was not dropped: {error}"),
            Err(_) => eprintln!("a test database was not dropped: the thread for it panicked"),
        }
    }
}

/// Says visibly that the calling test is skipped because the machine lacks something; in continuous
/// integration (the variable CI is set) this fails the test instead. Return after calling it.
///
/// Test runners hide what a passed test prints, so the line is also appended to the file named by
/// the variable `NETRAVEN_SKIP_LOG`, if that is set.
#[track_caller]
pub fn skip_or_fail(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    if in_ci {
        fail(&format!("{test} cannot be skipped in CI: {reason}"));
    }
    let line = format!("SKIPPED {test}: {reason}\n");
    eprint!("{line}");
    if let Some(log) = std::env::var_os("NETRAVEN_SKIP_LOG") {
        let append =
            || std::fs::OpenOptions::new().append(true).create(true).open(&log)?.write_all(line.as_bytes());
        or_panic("write to the file named by NETRAVEN_SKIP_LOG", append());
    }
}

async fn fill(shared: &Shared, name: &str, with_schema: bool) -> Result<(), template::TemplateError> {
    let template = if with_schema { Some(template::ensure(shared).await?) } else { None };
    shared.create_database(name, template.as_deref()).await?;
    Ok(())
}

/// A test harness reports by panicking: the test that called it is what failed.
#[track_caller]
fn or_panic<T, E: fmt::Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&format!("cannot {what}: {error}")),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "failing the calling test is this function's purpose")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}
