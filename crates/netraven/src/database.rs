//! Which database a command works on: the one the settings name, else the private PostgreSQL.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::note;
use crate::signals::StopSignals;
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::{ConnectSettings, Store, StoreError};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for a lock in the database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for connections that are still at work when the program ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// A connected store, and the private server it runs on if there is one.
#[derive(Debug)]
pub struct Database {
    /// The store.
    pub store: Store,
    private: Option<PrivateCluster>,
}

impl Database {
    /// Connects and sees that the schema is this release's. The private PostgreSQL is created, started and given
    /// its schema as needed; on somebody else's server nothing is created without being asked for.
    pub async fn open(context: &Context) -> Result<Self> {
        let database = Self::connect(context).await?;
        let ready = database.prepare().await;
        match ready {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await;
                Err(error.into())
            }
        }
    }

    /// Sees that the schema is this release's; the private PostgreSQL gets it if it has none or an older one.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        match (&self.private, self.store.ready().await) {
            (Some(_), Err(StoreError::SchemaMissing | StoreError::SchemaOutdated { .. })) => {
                self.store.initialize().await.map(drop)
            }
            (_, ready) => ready,
        }
    }

    /// Connects only; the schema may be missing.
    pub async fn connect(context: &Context) -> Result<Self> {
        match &context.settings.database.url {
            Some(url) => {
                let store = Store::connect(&connect_settings(context, url.expose())).await?;
                Ok(Self { store, private: None })
            }
            None => {
                let private = PrivateCluster::acquire(&private_settings(context)).await?;
                match Store::connect(&connect_settings(context, private.url())).await {
                    Ok(store) => Ok(Self { store, private: Some(private) }),
                    Err(error) => {
                        release(private).await;
                        Err(error.into())
                    }
                }
            }
        }
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
        let _ = timeout(CLOSE_LIMIT, self.store.close()).await;
        if let Some(private) = self.private {
            release(private).await;
        }
    }
}

/// Does some work with the database and gives the database back whatever comes of it. A signal ends the work.
pub async fn with_store<T>(context: &Context, work: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = tokio::select! {
        result = work(&database.store) => result,
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

fn connect_settings(context: &Context, url: &str) -> ConnectSettings {
    let database = &context.settings.database;
    ConnectSettings {
        max_connections: database.max_connections,
        connect_timeout: Duration::from_secs(database.connect_timeout_seconds),
        statement_timeout: Duration::from_secs(database.statement_timeout_seconds),
        lock_timeout: LOCK_TIMEOUT,
        application_name: context.settings.service_name.clone(),
        ..ConnectSettings::new(url)
    }
}

/// The work is done by now, so that a server that does not stop is worth a warning only.
async fn release(private: PrivateCluster) {
    if let Err(error) = private.release().await {
        note(&format!("warning: the private PostgreSQL was not given back in order: {error}"));
    }
}
