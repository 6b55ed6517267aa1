//! The gateway's REST API: how other services have devices spoken to.
//!
//! ```text
//! listen (TLS, slow callers) -> guard (request id, log, who calls, how often) -> routes
//!   -> call: request checked, inventory asked, room taken -> netraven_device::Gateway -> answer, redacted
//!   -> journal: events and dialogue to the job log
//! ```

mod auth;
mod body;
mod call;
mod error;
mod guard;
mod jobs;
mod journal;
mod limits;
mod listen;
mod metrics;
mod routes;
mod settings;
mod state;
mod tls;

pub use auth::{AuthSettings, KeyEntry, KeyFile, KeyFileError, Right, TokenError, TokenSecrets, issue};
pub(crate) use call::refused;
pub use call::{ExecuteAnswer, recognise};
pub use settings::{ApiLimits, ApiSettings, TlsFiles};
pub use tls::TlsError;

use crate::Definitions;
use crate::joblog::{JobLog, JobLogSettings, SpoolError};
use auth::{Callers, keep_current};
use jobs::Calls;
use journal::Journal;
use limits::{Rates, Room};
use listen::Serving;
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
use tls::Certificate;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// How long logs that are not written yet may take when the service ends.
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// Why the API cannot be served.
#[derive(Debug, Error)]
pub enum ApiStartError {
    /// Passwords would go over the network in clear.
    #[error(
        "{0} is beyond this machine and there is no TLS; set gateway.tls_cert_file and gateway.tls_key_file, or listen on 127.0.0.1"
    )]
    InClear(SocketAddr),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The files with the keys of callers.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file where logs wait while the database is away.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Something of this program is wrong.
    #[error("the API cannot be set up: {0}")]
    Setup(String),
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
    address: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    server: JoinHandle<()>,
    watcher: JoinHandle<()>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiServer({})", self.address)
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
        let listen = settings.listen;
        if settings.tls.is_none() && !listen.ip().to_canonical().is_loopback() {
            return Err(ApiStartError::InClear(listen));
        }
        let certificate = settings.tls.as_ref().map(Certificate::load).transpose()?.map(Arc::new);
        let tls = certificate.clone().map(acceptor).transpose()?;
        let callers = Callers::load(&settings.auth)?;
        let openapi = routes::document().map_err(|error| ApiStartError::Setup(error.to_string()))?;
        let bind = |source| ApiStartError::Bind { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let store = stores.as_ref().map(|stores| stores.gateway.clone());
        let journal = match stores {
            None => Journal::in_memory(),
            Some(stores) => {
                let log = JobLog::start(stores.joblog, JobLogSettings::new(stores.spool))?;
                Journal::with_database(stores.gateway, log)
            }
        };
        let api = Arc::new(Api {
            callers,
            definitions,
            store,
            journal,
            room: Room::new(&settings.limits),
            rates: Rates::new(settings.limits.rate),
            limits: settings.limits,
            metrics: Metrics::new(),
            started: Instant::now(),
            openapi,
            gateway: RwLock::new(gateway),
            host_keys: HostKeys::default(),
            calls: Calls::default(),
        });
        let (stop, stopped) = watch::channel(None);
        let slowest_request = api.limits.slowest_request;
        let serving = Serving { router: routes::router(api.clone()), tls, slowest_request };
        let limits = api.limits.clone();
        let server = tokio::spawn(async move { listen::serve(listener, serving, &limits, stopped).await });
        let watcher = tokio::spawn(watch_files(api.clone(), certificate));
        Ok(Self { api, address, stop, server, watcher })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has sessions held by another gateway from now on.
    pub fn use_gateway(&self, gateway: Arc<Gateway>) {
        *self.api.gateway.write().unwrap_or_else(PoisonError::into_inner) = gateway;
    }

    /// Ends it: nothing new is accepted, requests under way get `grace` to end, then their sessions are closed.
    pub async fn stop(self, grace: Duration) {
        // Nobody listening any more is fine: then the task has ended already.
        let _ = self.stop.send(Some(grace));
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the API did not end in order");
        }
        self.watcher.abort();
        self.api.journal.stop(LOGS_LIMIT).await;
    }
}

fn acceptor(certificate: Arc<Certificate>) -> Result<TlsAcceptor, ApiStartError> {
    let config = tls::config(certificate).map_err(|error| ApiStartError::Setup(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Follows the files with keys and certificates.
async fn watch_files(api: Arc<Api>, certificate: Option<Arc<Certificate>>) {
    let certificate = async {
        match &certificate {
            Some(certificate) => keep_current(&certificate.0).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = keep_current(&api.callers.keys) => match never {},
        never = keep_current(&api.callers.tokens) => match never {},
        never = certificate => match never {},
    }
}
