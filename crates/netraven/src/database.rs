//! Which database a command works on, and as whom: the one the settings name, else the private PostgreSQL.

use crate::administration::private_setup;
use crate::context::Context;
use crate::error::{CliError, Exit, Result};
use crate::logins;
use crate::output::note;
use crate::signals::StopSignals;
use netraven_service::Stores;
use netraven_store::access::{Logins, Role, RolePrefix};
use netraven_store::audit::Actor;
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::setup::{self, SetupError};
use netraven_store::validate::Report;
use netraven_store::{ConnectSettings, Store, StoreError};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Longest wait for connections that are still at work when the program ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// A database in use: what people ask for is done through `store`.
#[derive(Debug)]
pub struct Database {
    /// The store, with the rights of [`Role::Api`].
    pub store: Store,
    logins: Option<Logins>,
    logins_file: PathBuf,
    prefix: RolePrefix,
    url: String,
    stores: OnceCell<Stores>,
    private: Option<PrivateCluster>,
}

impl Database {
    /// Connects and sees that the schema is this release's. The private PostgreSQL is created, started and made
    /// ready as needed; on somebody else's server nothing is created without being asked for.
    pub async fn open(context: &Context) -> Result<Self> {
        let database = Self::connect(context).await?;
        match database.store.ready().await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await;
                Err(error.into())
            }
        }
    }

    /// Connects; somebody else's server may lack the schema.
    pub async fn connect(context: &Context) -> Result<Self> {
        match &context.settings.database.url {
            Some(url) => {
                let url = url.expose().to_owned();
                let logins = logins::load(context, &url)?;
                let store = match connect_as(context, &url, logins.as_ref(), Role::Api).await {
                    Err(error @ StoreError::AuthRejected { .. }) if logins.is_none() => {
                        return Err(CliError::from(error).hint(logins::missing(context, &url)?));
                    }
                    connected => connected?,
                };
                Ok(Self::new(context, store, logins, url, None)?)
            }
            None => {
                let private = PrivateCluster::acquire(&private_settings(context)).await?;
                match Self::connect_private(context, &private).await {
                    Ok((store, logins)) => {
                        let url = private.url().to_owned();
                        Self::new(context, store, Some(logins), url, Some(private))
                    }
                    Err(error) => {
                        release(private).await;
                        Err(error)
                    }
                }
            }
        }
    }

    fn new(
        context: &Context,
        store: Store,
        logins: Option<Logins>,
        url: String,
        private: Option<PrivateCluster>,
    ) -> Result<Self> {
        let prefix = match &logins {
            Some(logins) => logins.prefix().clone(),
            None => logins::prefix(context)?,
        };
        let store = store.with_actor(Actor::shell());
        let (logins_file, stores) = (logins::file(context), OnceCell::new());
        Ok(Self { store, logins, logins_file, prefix, url, stores, private })
    }

    /// As the API's role; what the private database lacks is made first, with new passwords where the old ones are
    /// lost: whoever may read the data directory may do that anyway.
    async fn connect_private(context: &Context, private: &PrivateCluster) -> Result<(Store, Logins)> {
        if let Ok(Some(logins)) = Logins::load(&logins::file(context)) {
            let store = connect_as(context, private.url(), Some(&logins), Role::Api).await;
            if let Ok(store) = store {
                match store.ready().await {
                    Ok(()) => return Ok((store, logins)),
                    Err(StoreError::SchemaMissing | StoreError::SchemaOutdated { .. }) => store.close().await,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let mut settings = private_setup(context, private)?;
        let mut done = setup::initialize(&settings, None, &quiet).await;
        if matches!(&done, Err(error) if error.needs_new_passwords()) {
            settings.new_passwords = true;
            done = setup::initialize(&settings, None, &quiet).await;
        }
        let done = done?;
        let store = connect_as(context, private.url(), Some(&done.logins), Role::Api).await?;
        Ok((store, done.logins))
    }

    /// A store with the rights of a role, or with all rights where the roles have no logins of their own here.
    ///
    /// # Errors
    /// Also a role whose login was withheld from this machine.
    pub async fn store_as(&self, context: &Context, role: Role) -> Result<Store> {
        if self.logins.as_ref().is_some_and(|logins| logins.login(role).is_none()) {
            let file = self.logins_file.display();
            let message = format!("{file} has no login for the database role '{}'", self.role_name(role));
            return Err(CliError { exit: Exit::Database, ..CliError::failed(message) }.hint(
                "it was withheld from this machine, or `netraven db init` has not been run since it came",
            ));
        }
        Ok(connect_as(context, &self.url, self.logins.as_ref(), role).await?)
    }

    /// What a worker needs: a store for each of its parts.
    ///
    /// # Errors
    /// Also a schema or rights that are not this release's: what then goes wrong would go wrong at night.
    pub async fn stores(&self, context: &Context) -> Result<Stores> {
        let connect = || async {
            self.fit(context).await?;
            Ok::<_, CliError>(Stores {
                scheduler: self.store_as(context, Role::Scheduler).await?,
                gateway: self.store_as(context, Role::Gateway).await?,
                joblog: self.store_as(context, Role::Joblog).await?,
            })
        };
        self.stores.get_or_try_init(connect).await.cloned()
    }

    /// Compares schema and rights with this release's. In the private PostgreSQL roles and rights are mended: a release
    /// may change them alone.
    async fn fit(&self, context: &Context) -> Result {
        let report = self.validate().await?;
        if report.is_valid() {
            return Ok(());
        }
        let Some(private) = &self.private else { return Err(SetupError::Differs(report).into()) };
        tracing::info!(found = %report, "the private database is brought to this release");
        setup::initialize(&private_setup(context, private)?, None, &quiet).await?;
        Ok(())
    }

    /// How to connect as a role.
    pub fn connect_settings(&self, context: &Context, role: Role) -> ConnectSettings {
        connect_settings(context, &self.url, self.logins.as_ref(), role)
    }

    /// Compares the schema and the rights with what this release ships.
    pub async fn validate(&self) -> Result<Report, StoreError> {
        self.store.validate(&self.prefix).await
    }

    /// Name of a role on the server.
    pub fn role_name(&self, role: Role) -> String {
        self.prefix.role_name(role)
    }

    /// Where the roles' passwords are, or would be.
    pub fn logins_file(&self) -> &PathBuf {
        &self.logins_file
    }

    /// Whether the services log in as themselves.
    pub fn has_logins(&self) -> bool {
        self.logins.is_some()
    }

    /// Resolves when the private PostgreSQL dies by itself; never for another server.
    pub fn died(&self) -> impl Future<Output = ()> + Send + 'static {
        let died = self.private.as_ref().map(PrivateCluster::died);
        async move {
            match died {
                Some(died) => died.await,
                None => std::future::pending().await,
            }
        }
    }

    /// The private PostgreSQL's major version; `None` for another server.
    pub fn private_version(&self) -> Option<u32> {
        self.private.as_ref().map(PrivateCluster::version)
    }

    /// Closes the connections, then gives the private PostgreSQL back: the last user stops it.
    pub async fn close(self) {
        // Connections to a server that died are not given back in order.
        let closing = async {
            self.store.close().await;
            if let Some(Stores { scheduler, gateway, joblog }) = self.stores.into_inner() {
                tokio::join!(scheduler.close(), gateway.close(), joblog.close());
            }
        };
        let _ = timeout(CLOSE_LIMIT, closing).await;
        if let Some(private) = self.private {
            release(private).await;
        }
    }
}

/// Does some work with the database and gives the database back whatever comes of it. A signal ends the work.
pub async fn with_store<T>(context: &Context, work: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    with_database(context, async |database| work(&database.store).await).await
}

/// As [`with_store`], for work that needs the rights of other roles as well.
pub async fn with_database<T>(
    context: &Context,
    work: impl AsyncFnOnce(&Database) -> Result<T>,
) -> Result<T> {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = tokio::select! {
        result = work(&database) => result,
        () = signals.next() => Err(CliError::interrupted()),
    };
    database.close().await;
    result
}

/// The private PostgreSQL as the settings want it.
pub fn private_settings(context: &Context) -> PrivateSettings {
    let (settings, private) = (&context.settings, &context.settings.database.private);
    PrivateSettings {
        binaries: private.binaries.clone(),
        memory_mib: private.memory_mib,
        listen: private.port,
        run_as: private.run_as.clone(),
        ..PrivateSettings::new(&settings.data_dir)
    }
}

/// Where nobody asked for a setup nobody is told of its steps.
fn quiet(step: &str) {
    tracing::debug!(step, "database setup");
}

async fn connect_as(
    context: &Context,
    url: &str,
    logins: Option<&Logins>,
    role: Role,
) -> Result<Store, StoreError> {
    Store::connect(&connect_settings(context, url, logins, role)).await
}

/// How to connect to a database of this URL as a role, with the role's own limits.
pub fn connect_settings(
    context: &Context,
    url: &str,
    logins: Option<&Logins>,
    role: Role,
) -> ConnectSettings {
    let database = &context.settings.database;
    let own = database.limits(role);
    let seconds = |own: Option<u64>, general: u64| Duration::from_secs(own.unwrap_or(general));
    ConnectSettings {
        max_connections: own.and_then(|own| own.max_connections).unwrap_or(database.max_connections),
        connect_timeout: Duration::from_secs(database.connect_timeout_seconds),
        statement_timeout: seconds(
            own.and_then(|own| own.statement_timeout_seconds),
            database.statement_timeout_seconds,
        ),
        lock_timeout: seconds(own.and_then(|own| own.lock_timeout_seconds), database.lock_timeout_seconds),
        application_name: format!("{} {role}", context.settings.service_name),
        login: logins.and_then(|logins| logins.login(role)).map(|(user, password)| (user, password.clone())),
        ..ConnectSettings::new(url)
    }
}

/// Gives the private PostgreSQL back. The work is done by now, so that a server that does not stop is worth a warning
/// only.
pub async fn release(private: PrivateCluster) {
    if let Err(error) = private.release().await {
        note(&format!("warning: the private PostgreSQL was not given back in order: {error}"));
    }
}
