use super::{CANCELLED, JOBS};
use crate::{Store, StoreError};
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::time::timeout;

/// Hears when jobs are queued, or cancelled. Only a hint: a notification may be lost, so look from time to time.
#[derive(Debug)]
pub struct JobListener {
    listener: PgListener,
}

impl JobListener {
    /// Listens for new jobs, on a connection of its own out of the pool.
    pub async fn connect(store: &Store) -> Result<Self, StoreError> {
        Self::listen(store, JOBS).await
    }

    /// The same for jobs that somebody cancelled.
    pub async fn for_cancelled(store: &Store) -> Result<Self, StoreError> {
        Self::listen(store, CANCELLED).await
    }

    async fn listen(store: &Store, channel: &str) -> Result<Self, StoreError> {
        let failed = StoreError::query("listen for jobs");
        let mut listener = PgListener::connect_with(store.pool()).await.map_err(&failed)?;
        listener.listen(channel).await.map_err(&failed)?;
        Ok(Self { listener })
    }

    /// Returns as soon as the bell was rung since the last call, or after `longest`. Notifications that wait
    /// together count once.
    ///
    /// # Errors
    /// The connection is lost and could not be made again; throw the listener away.
    pub async fn wait(&mut self, longest: Duration) -> Result<(), StoreError> {
        match timeout(longest, self.listener.recv()).await {
            Ok(Ok(_)) => {
                while self.listener.next_buffered().is_some() {}
                Ok(())
            }
            Ok(Err(error)) => Err(StoreError::query("listen for jobs")(error)),
            Err(_) => Ok(()),
        }
    }
}
