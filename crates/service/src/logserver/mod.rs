//! The job logging service: takes events of other processes, and answers what happened.
//!
//! ```text
//! http (keys, TLS, limits) -> POST /events -> redactor -> JobLog (queue, spool) -> database
//!                          -> GET /logs, /runs/{id}/progress            <- database
//!                          -> GET /logs/stream, /runs/{id}/stream       <- one poller for all who follow
//! ```

mod incoming;
mod line;
mod metrics;
mod progress;
mod query;
mod reader;
mod routes;
mod settings;
mod state;
mod tail;

pub use settings::{LogServerLimits, LogServerSettings};

use crate::http::{FrontSettings, ListenError, Server};
use crate::joblog::{JobLog, JobLogCounters, JobLogSettings, SpoolError};
use crate::retention;
use metrics::Metrics;
use netraven_platform::Redactor;
use netraven_store::Store;
use progress::Runs;
use state::Service;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tail::Tail;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How long events that are not written yet may take when the service ends.
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// Why the job logging service cannot be served.
#[derive(Debug, Error)]
pub enum LogServerError {
    /// It cannot be reached.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The file where events wait while the database is away.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The running service. [`LogServer::stop`] ends it in order; dropped without it, it works on until the runtime ends.
pub struct LogServer {
    service: Arc<Service>,
    server: Server,
    stop: watch::Sender<bool>,
    tail: JoinHandle<()>,
    house: JoinHandle<()>,
}

impl fmt::Debug for LogServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogServer({})", self.server.address())
    }
}

impl LogServer {
    /// Listens, and serves from then on. The store's role must be the job log's; `redactor` is the installation's.
    ///
    /// # Errors
    /// An address beyond loopback without TLS, or one that is taken; files that cannot be used.
    pub async fn start(
        store: Store,
        redactor: Arc<Redactor>,
        settings: LogServerSettings,
    ) -> Result<Self, LogServerError> {
        let limits = settings.limits;
        let (front, socket) = crate::http::open(FrontSettings {
            section: "joblog",
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
        let log = JobLog::start(store.clone(), JobLogSettings::new(settings.spool))?;
        let (stop, stopped) = watch::channel(false);
        let (tail, poller) = Tail::start(store.clone(), stopped.clone());
        let (job_log, connection_log) = (settings.job_log_months, settings.connection_log_months);
        let house = tokio::spawn(keep_house(store.clone(), job_log, connection_log));
        let service = Arc::new(Service {
            metrics: Metrics::new(&front.metrics),
            runs: Runs::new(store.clone()),
            streams: Arc::new(Semaphore::new(limits.streams)),
            most_streams: limits.streams,
            front,
            store,
            redactor,
            log,
            tail,
            stopped,
        });
        let server = socket.serve(routes::router(service.clone()), &service.front);
        Ok(Self { service, server, stop, tail: poller, house })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where the events are that it accepted.
    pub fn counters(&self) -> JobLogCounters {
        self.service.log.counters()
    }

    /// Ends it: nothing new is accepted, requests under way get `grace` to end; those who follow are told at once.
    pub async fn stop(self, grace: Duration) {
        // Nobody listening any more is fine: then the task has ended already.
        let _ = self.stop.send(true);
        self.server.stop(grace).await;
        self.house.abort();
        if let Err(error) = self.tail.await {
            tracing::error!(%error, "the tail of the job log did not end in order");
        }
        self.service.log.stop(LOGS_LIMIT).await;
    }
}

async fn keep_house(store: Store, job_log_months: Option<u32>, connection_log_months: Option<u32>) {
    let mut ticks = interval(retention::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = retention::keep(&store, job_log_months, connection_log_months).await {
            tracing::warn!(%error, "the log tables could not be looked after, it is tried again");
        }
    }
}
