use super::CHANNEL;
use crate::{Store, StoreError};
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::time::timeout;

/// Hears when jobs are queued. Only a hint: a notification may be lost, so look at the queue from time to time.
#[derive(Debug)]
pub struct JobListener {
    listener: PgListener,
}

impl JobListener {
    /// Listens on a connection of its own out of the pool.
    pub async fn connect(store: &Store) -> Result<Self, StoreError> {
        let failed = StoreError::query("listen for new jobs");
        let mut listener = PgListener::connect_with(store.pool()).await.map_err(&failed)?;
        listener.listen(CHANNEL).await.map_err(&failed)?;
        Ok(Self { listener })
    }

    /// Returns as soon as something was queued since the last call, or after `longest`. Notifications that wait
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
            Ok(Err(error)) => Err(StoreError::query("listen for new jobs")(error)),
            Err(_) => Ok(()),
        }
    }
}
