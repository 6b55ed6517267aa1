use super::{Device, get};
use crate::audit::{self, Action, Entry};
use crate::{Store, StoreError};

/// Closes a device's circuit by hand: schedules take it again at once, and failures are counted anew.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn resume(store: &Store, name: &str) -> Result<Device, StoreError> {
    const RESUME: &str = "UPDATE devices SET failures_in_row = 0, circuit_open_until = NULL WHERE id = $1";
    let failed = StoreError::query("close the circuit of a device");
    let device = get(store, name).await?;
    let mut tx = store.begin("close the circuit of a device").await?;
    sqlx::query(RESUME).bind(device.id.0).execute(&mut *tx).await.map_err(&failed)?;
    audit::write(&mut tx, store.actor(), &Entry::new(Action::DeviceResumed, device.hostname)).await?;
    tx.commit().await.map_err(&failed)?;
    get(store, &device.id.to_string()).await
}
