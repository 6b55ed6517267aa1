use super::CHANNEL;
use crate::{Store, StoreError};
use sqlx::postgres::PgListener;

/// Hears when something changed with a device. Only a hint: a notification may be lost, so look from time to time.
#[derive(Debug)]
pub struct ChangeListener {
    listener: PgListener,
}

impl ChangeListener {
    /// Listens on a connection of its own out of the pool.
    ///
    /// # Errors
    /// The database failed.
    pub async fn connect(store: &Store) -> Result<Self, StoreError> {
        let failed = StoreError::query("listen for changes of devices");
        let mut listener = PgListener::connect_with(store.pool()).await.map_err(&failed)?;
        listener.listen(CHANNEL).await.map_err(&failed)?;
        Ok(Self { listener })
    }

    /// Returns as soon as something was recorded since the last call. Notifications that wait together count once.
    ///
    /// # Errors
    /// The connection is lost and could not be made again; throw the listener away.
    pub async fn wait(&mut self) -> Result<(), StoreError> {
        self.listener.recv().await.map_err(StoreError::query("listen for changes of devices"))?;
        while self.listener.next_buffered().is_some() {}
        Ok(())
    }
}
