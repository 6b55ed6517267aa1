use super::auth::{AuthSettings, Callers, KeyFileError, keep_current};
use super::error::{method_not_allowed, not_found};
use super::guard::{observe, same_shape};
use super::listen::{self, Serving};
use super::metrics::RequestMetrics;
use super::rates::Rates;
use super::tls::{self, Certificate, TlsError, TlsFiles};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// Why a service cannot be reached.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Passwords would go over the network in clear.
    #[error(
        "{address} is beyond this machine and there is no TLS; set {section}.tls_cert_file and {section}.tls_key_file, or \
         listen on 127.0.0.1"
    )]
    InClear {
        /// The address.
        address: SocketAddr,
        /// The service's section of the settings.
        section: &'static str,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The service's section of the settings.
        section: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The files with the keys of callers.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Something of this program is wrong.
    #[error("the API cannot be set up: {0}")]
    Setup(String),
}

/// How a service is reached.
pub(crate) struct FrontSettings<'a> {
    /// Its section of the settings, for messages.
    pub(crate) section: &'static str,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<&'a TlsFiles>,
    pub(crate) auth: &'a AuthSettings,
    /// Requests per second and caller, on average.
    pub(crate) rate: u32,
    /// Bytes of a request's body.
    pub(crate) body: usize,
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// How long a caller may take to send a request's head, or its body.
    pub(crate) slowest_request: Duration,
    /// The OpenAPI document.
    pub(crate) openapi: String,
}

/// What stands before the routes of every service. Clones are the same.
#[derive(Clone)]
pub(crate) struct Front(Arc<Inner>);

/// See [`Front`].
pub(crate) struct Inner {
    pub(super) section: &'static str,
    pub(super) callers: Callers,
    pub(super) rates: Rates,
    pub(super) body: usize,
    pub(super) slowest_request: Duration,
    pub(crate) metrics: RequestMetrics,
    pub(crate) started: Instant,
    pub(super) openapi: String,
}

impl Deref for Front {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// An address that is listened on and not served yet.
pub(crate) struct Socket {
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    tls: Option<TlsAcceptor>,
    connections: usize,
    address: SocketAddr,
}

/// Reads keys and certificates, and listens.
///
/// # Errors
/// See [`ListenError`].
pub(crate) async fn open(settings: FrontSettings<'_>) -> Result<(Front, Socket), ListenError> {
    let (section, address) = (settings.section, settings.listen);
    if settings.tls.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::InClear { address, section });
    }
    let certificate = settings.tls.map(Certificate::load).transpose()?.map(Arc::new);
    let tls = certificate.clone().map(acceptor).transpose()?;
    let front = Front(Arc::new(Inner {
        section,
        callers: Callers::load(settings.auth)?,
        rates: Rates::new(settings.rate),
        body: settings.body,
        slowest_request: settings.slowest_request,
        metrics: RequestMetrics::new(),
        started: Instant::now(),
        openapi: settings.openapi,
    }));
    let bind = |source| ListenError::Bind { address, section, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    Ok((front, Socket { listener, certificate, tls, connections: settings.connections, address }))
}

fn acceptor(certificate: Arc<Certificate>) -> Result<TlsAcceptor, ListenError> {
    let config = tls::config(certificate).map_err(|error| ListenError::Setup(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A service that is reached. [`Server::stop`] ends it in order; dropped without it, it works on until the runtime ends.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    server: JoinHandle<()>,
    watcher: JoinHandle<()>,
}

impl Socket {
    /// Serves these routes from now on.
    pub(crate) fn serve(self, router: Router, front: &Front) -> Server {
        let router = router
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(from_fn_with_state(front.clone(), observe))
            .layer(from_fn(same_shape));
        let (stop, stopped) = watch::channel(None);
        let serving = Serving {
            router,
            tls: self.tls,
            slowest_request: front.slowest_request,
            connections: self.connections,
        };
        let server = tokio::spawn(listen::serve(self.listener, serving, stopped));
        let watcher = tokio::spawn(watch_files(front.clone(), self.certificate));
        Server { address: self.address, stop, server, watcher }
    }
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: nothing new is accepted, requests under way get `grace` to end and are then broken off.
    pub(crate) async fn stop(self, grace: Duration) {
        // Nobody listening any more is fine: then the task has ended already.
        let _ = self.stop.send(Some(grace));
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the API did not end in order");
        }
        self.watcher.abort();
    }
}

/// Follows the files with keys and certificates.
async fn watch_files(front: Front, certificate: Option<Arc<Certificate>>) {
    let certificate = async {
        match &certificate {
            Some(certificate) => keep_current(&certificate.0).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = keep_current(&front.callers.keys) => match never {},
        never = keep_current(&front.callers.tokens) => match never {},
        never = certificate => match never {},
    }
}
