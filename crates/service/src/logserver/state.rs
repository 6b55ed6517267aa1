use super::metrics::Metrics;
use super::progress::Runs;
use super::tail::Tail;
use crate::http::Front;
use crate::http::error::ApiError;
use crate::joblog::JobLog;
use axum::extract::FromRef;
use netraven_platform::Redactor;
use netraven_store::Store;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What all routes share.
pub(crate) struct Service {
    pub(crate) front: Front,
    /// The database as the job log's role.
    pub(crate) store: Store,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) log: JobLog,
    pub(crate) tail: Tail,
    pub(crate) runs: Runs,
    pub(crate) metrics: Metrics,
    /// Room for answers without end.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) most_streams: usize,
    /// Whether the service is to end.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl FromRef<Arc<Service>> for Front {
    fn from_ref(service: &Arc<Service>) -> Self {
        service.front.clone()
    }
}

impl Service {
    /// Those who follow now.
    pub(crate) fn following(&self) -> usize {
        self.most_streams - self.streams.available_permits()
    }

    /// Room for one more who follows.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(crate) fn room(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = self.streams.clone().try_acquire_owned();
        permit.map_err(|_| ApiError::overloaded("as many follow the log as there is room for", 10))
    }
}
