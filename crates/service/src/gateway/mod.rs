//! The gateway's REST API: how other services have devices spoken to.
//!
//! ```text
//! http (keys, TLS, limits) -> routes
//!   -> call: request checked, inventory asked, room taken -> netraven_device::Gateway -> answer, redacted
//!   -> journal: events and dialogue to the job log
//! ```

mod call;
mod jobs;
mod journal;
mod limits;
mod metrics;
mod routes;
mod settings;
mod state;

pub use crate::http::{
    AuthSettings, KeyEntry, KeyFile, KeyFileError, ListenError, Right, TlsError, TlsFiles, TokenError,
    TokenSecrets, issue,
};
pub(crate) use call::refused;
pub use call::{ExecuteAnswer, recognise};
pub use settings::{ApiLimits, ApiSettings};

pub(crate) use crate::http::{auth, body, error};

use crate::Definitions;
use crate::http::{FrontSettings, Server};
use crate::joblog::{JobLog, JobLogSettings, SpoolError};
use jobs::Calls;
use journal::Journal;
use limits::Room;
use metrics::Metrics;
use netraven_device::Gateway;
use netraven_store::Store;
use state::{Api, HostKeys};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;

/// How long logs that are not written yet may take when the service ends.
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// Why the API cannot be served.
#[derive(Debug, Error)]
pub enum ApiStartError {
    /// It cannot be reached.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The file where logs wait while the database is away.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The database as the API sees it.
#[derive(Clone, Debug)]
pub struct ApiStores {
    /// As the gateway's role: devices, host keys, dialogues.
    pub gateway: Store,
    /// As the job log's role: events and dialogues are written.
    pub joblog: Store,
    /// Where events and dialogues wait while the database is away: a file that no other process uses.
    pub spool: PathBuf,
}

/// The running API. [`ApiServer::stop`] ends it in order; dropped without it, it works on until the runtime ends.
pub struct ApiServer {
    api: Arc<Api>,
    server: Server,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiServer({})", self.server.address())
    }
}

impl ApiServer {
    /// Listens, and serves from then on.
    ///
    /// # Errors
    /// An address beyond loopback without TLS, or one that is taken; files that cannot be used.
    pub async fn start(
        gateway: Arc<Gateway>,
        definitions: Definitions,
        stores: Option<ApiStores>,
        settings: ApiSettings,
    ) -> Result<Self, ApiStartError> {
        let (store, log) = match stores {
            None => (None, None),
            Some(stores) => {
                let log = JobLog::start(stores.joblog, JobLogSettings::new(stores.spool))?;
                (Some(stores.gateway), Some(log))
            }
        };
        Self::start_with(gateway, definitions, store, log, settings).await
    }

    /// As [`ApiServer::start`], with a job log that writes where the caller wants it. Without a database the dialogues of
    /// the last sessions are kept in memory.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub async fn start_with(
        gateway: Arc<Gateway>,
        definitions: Definitions,
        store: Option<Store>,
        log: Option<JobLog>,
        settings: ApiSettings,
    ) -> Result<Self, ApiStartError> {
        let limits = settings.limits;
        let (front, socket) = crate::http::open(FrontSettings {
            section: "gateway",
            listen: settings.listen,
            tls: settings.tls.as_ref(),
            auth: &settings.auth,
            rate: limits.rate,
            body: limits.body,
            connections: limits.connections,
            slowest_request: limits.slowest_request,
            openapi: routes::document().map_err(|error| ListenError::Setup(error.to_string()))?,
        })
        .await?;
        let api = Arc::new(Api {
            definitions,
            journal: Journal::new(store.clone(), log),
            store,
            room: Room::new(&limits),
            limits,
            metrics: Metrics::new(&front.metrics),
            gateway: RwLock::new(gateway),
            host_keys: HostKeys::default(),
            calls: Calls::default(),
            front,
        });
        let server = socket.serve(routes::router(api.clone()), &api.front);
        Ok(Self { api, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Has sessions held by another gateway from now on.
    pub fn use_gateway(&self, gateway: Arc<Gateway>) {
        *self.api.gateway.write().unwrap_or_else(PoisonError::into_inner) = gateway;
    }

    /// Ends it: nothing new is accepted, requests under way get `grace` to end, then their sessions are closed.
    pub async fn stop(self, grace: Duration) {
        self.server.stop(grace).await;
        self.api.journal.stop(LOGS_LIMIT).await;
    }
}
