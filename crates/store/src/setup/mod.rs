//! Making a database NetRaven's: server, roles, schema, rights, first content, and a look at the result.
//!
//! [`initialize`] does it all and may be repeated: each step looks first and does what is missing. Of two that do
//! it at once the second waits. `docs/schema_initialization.md` describes it for those who run it.

mod defaults;
mod error;
mod grants;
mod needs;
mod passwords;
mod server;

pub use error::SetupError;
pub use server::{database_name, label as server_label};

use crate::access::{self, Logins, Role, RolePrefix};
use crate::audit::{self, Action, Actor, Entry};
use crate::connect::connect_alone;
use crate::schema::{self, Initialized};
use crate::validate::{self, Report};
use crate::{ConnectSettings, StoreError};
use needs::Need;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::PathBuf;
use std::time::Duration;

/// Where one line for each step goes.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Any constant will do that no other program uses on the same database: "netraven" in ASCII.
const LOCK: i64 = 0x6e65_7472_6176_656e;

/// How a database is made NetRaven's.
#[derive(Clone, Debug)]
pub struct SetupSettings {
    /// Login of an administrator: a superuser, or a user who may create roles and owns the database.
    pub admin: ConnectSettings,
    /// What the roles' names begin with.
    pub prefix: RolePrefix,
    /// The file with the roles' passwords; made if there is none.
    pub logins_file: PathBuf,
    /// The server that stands in the file; `None` takes host, port and database from the URL.
    pub server: Option<String>,
    /// Whether all roles get new passwords.
    pub new_passwords: bool,
    /// How long to wait for a server that does not answer yet.
    pub wait: Duration,
    /// In whose name the audit trail tells of it.
    pub actor: Actor,
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// Schema version before and now.
    pub schema: Initialized,
    /// The roles' logins.
    pub logins: Logins,
    /// Whether the first administrator was made.
    pub administrator: bool,
    /// What the look at the result found: remarks only, since errors end the setup.
    pub report: Report,
}

/// Does everything. `administrator` is the password hash of the first administrator; without one that account is made,
/// but nobody can log in with it until it gets a password.
///
/// # Errors
/// Every [`SetupError`].
pub async fn initialize(
    settings: &SetupSettings,
    administrator: Option<&str>,
    progress: Progress<'_>,
) -> Result<Done, SetupError> {
    let mut setup = Setup::begin(settings, progress).await?;
    let logins = setup.prepare().await?;
    let schema = setup.migrate().await?;
    let administrator = setup.give_defaults(administrator).await?;
    let report = setup.validate().await?;
    setup.finish().await;
    Ok(Done { schema, logins, administrator, report })
}

/// The SQL that only an administrator may run, for a user who is none; empty where nothing is missing. The passwords
/// are made and stored if need be, so that the roles can log in afterwards.
///
/// # Errors
/// Every [`SetupError`] but those of missing rights.
pub async fn administrators_script(
    settings: &SetupSettings,
    progress: Progress<'_>,
) -> Result<String, SetupError> {
    let mut setup = Setup::begin_existing(settings, progress).await?;
    let (logins, needs) = setup.needs().await?;
    if settings.new_passwords {
        passwords::replace(settings, &logins, progress)?;
    }
    let database = setup.database.clone();
    setup.finish().await;
    Ok(if needs.is_empty() { String::new() } else { needs::script(&needs, &database) })
}

/// Everything that decides what a fresh database becomes: another text, another database.
pub(crate) fn ingredients() -> impl Iterator<Item = &'static str> {
    let fixed = [
        access::MATRIX,
        access::COLUMNS,
        include_str!("defaults.rs"),
        include_str!("needs.rs"),
        include_str!("grants.rs"),
    ];
    schema::migrations().chain(fixed)
}

/// A setup under way: a connection of an administrator that holds the lock.
pub struct Setup<'a> {
    connection: PgConnection,
    settings: &'a SetupSettings,
    user: String,
    database: String,
    progress: Progress<'a>,
}

impl<'a> Setup<'a> {
    /// Connects, creating the database if there is none, sees that the server will do, and waits until nobody else is
    /// setting up.
    pub async fn begin(settings: &'a SetupSettings, progress: Progress<'a>) -> Result<Self, SetupError> {
        let connection = server::connect(&settings.admin, settings.wait, progress).await?;
        Self::lock(connection, settings, progress).await
    }

    /// As [`Setup::begin`]; a database that is not there is an error.
    pub async fn begin_existing(
        settings: &'a SetupSettings,
        progress: Progress<'a>,
    ) -> Result<Self, SetupError> {
        let connection = server::connect_patiently(&settings.admin, settings.wait, progress).await?;
        Self::lock(connection, settings, progress).await
    }

    async fn lock(
        mut connection: PgConnection,
        settings: &'a SetupSettings,
        progress: Progress<'a>,
    ) -> Result<Self, SetupError> {
        // A migration takes longer than a service's statement may, and while a dump is loaded this connection is idle.
        const LIMITS: &str = "SELECT set_config('statement_timeout', '1h', false), \
             set_config('lock_timeout', '10min', false), set_config('search_path', 'netraven', false), \
             set_config('idle_in_transaction_session_timeout', '1h', false), \
             set_config('idle_session_timeout', '0', false), current_user::text, current_database()::text";
        server::check(&mut connection).await?;
        let failed = StoreError::query("prepare the database");
        let (_, _, _, _, _, user, database): (String, String, String, String, String, String, String) =
            sqlx::query_as(LIMITS).fetch_one(&mut connection).await.map_err(&failed)?;
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await
            .map_err(&failed)?;
        if !free {
            progress("waiting for another `netraven db` command on this database");
            let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK);
            lock.execute(&mut connection).await.map_err(&failed)?;
        }
        Ok(Self { connection, settings, user, database, progress })
    }

    /// Version of the schema; `None` where there is none yet.
    pub async fn schema_version(&mut self) -> Result<Option<i64>, SetupError> {
        Ok(schema::version(&mut self.connection).await?)
    }

    /// Makes the roles with their logins, the extension and the empty schema.
    pub async fn prepare(&mut self) -> Result<Logins, SetupError> {
        let (logins, needs) = self.needs().await?;
        let failed = StoreError::query("prepare the database");
        // All or nothing: a role without its settings would not be noticed by the next call.
        let mut tx = self.connection.begin().await.map_err(&failed)?;
        needs::meet(&mut tx, &self.user, &needs).await?;
        if self.settings.new_passwords {
            // Not before the server took them: who may not set passwords must not lose the old ones.
            passwords::replace(self.settings, &logins, self.progress)?;
        }
        tx.commit().await.map_err(&failed)?;
        for need in &needs {
            (self.progress)(&format!("done: {}", need.what));
        }
        self.try_logins(&logins).await?;
        (self.progress)(&format!("roles {}_*: ready", self.settings.prefix.as_str()));
        Ok(logins)
    }

    /// Brings the tables to this release's and grants the roles their rights.
    pub async fn migrate(&mut self) -> Result<Initialized, SetupError> {
        self.refuse_foreign_objects().await?;
        self.act_as(Some(Role::Owner)).await?;
        let done = schema::migrate(&mut self.connection).await?;
        if done.before.is_some_and(|before| before != done.now) {
            self.remember(Action::DatabaseMigrated).await?;
        }
        if self.settings.new_passwords {
            self.remember(Action::DatabaseLoginsChanged).await?;
        }
        grants::apply(&mut self.connection, &self.settings.prefix).await?;
        self.act_as(None).await?;
        (self.progress)(&match done.before {
            Some(before) if before == done.now => format!("schema: version {} already", done.now),
            Some(before) => format!("schema: version {before} -> {}", done.now),
            None => format!("schema: version {} made", done.now),
        });
        (self.progress)("rights: as this release wants them");
        Ok(done)
    }

    /// Gives a new installation its first content. Answers whether the first administrator was made.
    pub async fn give_defaults(&mut self, administrator: Option<&str>) -> Result<bool, SetupError> {
        self.act_as(Some(Role::Owner)).await?;
        let given =
            defaults::give(&mut self.connection, &self.settings.actor, &self.database, administrator).await?;
        self.act_as(None).await?;
        (self.progress)(if given.first_time {
            "first content: made"
        } else {
            "first content: there already"
        });
        Ok(given.administrator)
    }

    /// Compares everything with what this release ships.
    ///
    /// # Errors
    /// [`SetupError::Differs`] where something is missing or different.
    pub async fn validate(&mut self) -> Result<Report, SetupError> {
        let report = validate::compare(&mut self.connection, &self.settings.prefix).await?;
        if !report.is_valid() {
            return Err(SetupError::Differs(report));
        }
        (self.progress)(&format!("validation: {} objects as they should be", report.checked));
        Ok(report)
    }

    /// Gives the lock back.
    pub async fn finish(self) {
        // The lock goes with the connection, however that ends.
        drop(self.connection.close().await);
    }

    /// The connection, for steps between the others.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    async fn needs(&mut self) -> Result<(Logins, Vec<Need>), SetupError> {
        let settings = self.settings;
        // First of all: tables of somebody else's that are named like ours must not change hands.
        match self.refuse_foreign_objects().await {
            // Who may not even look is told below what he lacks.
            Err(SetupError::Store(error)) if error.is_denied() => {}
            looked => looked?,
        }
        let existing = needs::existing_roles(&mut self.connection, &settings.prefix).await?;
        let (logins, new) = passwords::choose(settings, &existing, self.progress)?;
        let mut needs = needs::roles(&logins, &existing, new)?;
        needs.extend(needs::database(&mut self.connection, &settings.prefix, &self.user).await?);
        Ok((logins, needs))
    }

    /// Logs in as each role, so that a service does not find out at night.
    async fn try_logins(&self, logins: &Logins) -> Result<(), SetupError> {
        for role in Role::services() {
            let Some((name, password)) = logins.login(role) else { continue };
            let login = Some((name.clone(), password.clone()));
            let settings = ConnectSettings { login, ..self.settings.admin.clone() };
            match connect_alone(&settings).await {
                Ok(connection) => drop(connection.close().await),
                Err(reason) => return Err(SetupError::LoginRefused { role: name, reason }),
            }
        }
        Ok(())
    }

    async fn refuse_foreign_objects(&mut self) -> Result<(), SetupError> {
        let objects = schema::foreign_objects(&mut self.connection).await?;
        if objects.is_empty() { Ok(()) } else { Err(SetupError::ForeignObjects { objects }) }
    }

    async fn remember(&mut self, action: Action) -> Result<(), StoreError> {
        let entry = Entry::new(action, self.database.clone());
        audit::write(&mut self.connection, &self.settings.actor, &entry).await
    }

    async fn act_as(&mut self, role: Option<Role>) -> Result<(), SetupError> {
        let sql = match role {
            Some(role) => format!("SET ROLE {}", self.settings.prefix.role_name(role)),
            None => "RESET ROLE".to_owned(),
        };
        let acting = sqlx::query(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        acting.map(drop).map_err(|error| StoreError::query("act as the owner")(error).into())
    }
}
