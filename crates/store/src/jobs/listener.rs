use super::{CANCELLED, JOBS};
use crate::{Store, StoreError};
use sqlx::postgres::{PgListener, PgNotification};
use std::time::Duration;
use tokio::time::timeout;

/// Hears when jobs are queued, or cancelled. Only a hint: a notification may be lost, so look from time to time.
#[derive(Debug)]
pub struct JobListener {
    listener: PgListener,
}

impl JobListener {
    /// Listens on a connection of its own out of the pool.
    pub async fn connect(store: &Store) -> Result<Self, StoreError> {
        let failed = StoreError::query("listen for jobs");
        let mut listener = PgListener::connect_with(store.pool()).await.map_err(&failed)?;
        listener.listen_all([JOBS, CANCELLED]).await.map_err(&failed)?;
        Ok(Self { listener })
    }

    /// Returns as soon as the bell was rung since the last call, or after `longest`. Notifications that wait
    /// together count once.
    ///
    /// # Errors
    /// The connection is lost and could not be made again; throw the listener away.
    pub async fn wait(&mut self, longest: Duration) -> Result<Heard, StoreError> {
        let mut heard = Heard::default();
        match timeout(longest, self.listener.recv()).await {
            Ok(Ok(first)) => {
                heard.add(&first);
                while let Some(next) = self.listener.next_buffered() {
                    heard.add(&next);
                }
                Ok(heard)
            }
            Ok(Err(error)) => Err(StoreError::query("listen for jobs")(error)),
            Err(_) => Ok(heard),
        }
    }
}

/// What the bell was rung for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// There may be new jobs.
    pub jobs: bool,
    /// Somebody cancelled jobs.
    pub cancelled: bool,
}

impl Heard {
    fn add(&mut self, notification: &PgNotification) {
        self.jobs |= notification.channel() == JOBS;
        self.cancelled |= notification.channel() == CANCELLED;
    }
}
