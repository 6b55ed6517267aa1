use crate::{Store, StoreError};
use netraven_model::{DeviceId, HostKey};

/// The host keys that a device has shown, the oldest first; empty before its first contact.
pub async fn host_keys(store: &Store, device: DeviceId) -> Result<Vec<HostKey>, StoreError> {
    const HOST_KEYS: &str = "SELECT algorithm, key, fingerprint FROM host_keys
        WHERE device_id = $1 ORDER BY first_seen, algorithm";
    let rows: Vec<(String, String, String)> = sqlx::query_as(HOST_KEYS)
        .bind(device.0)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read a device's host keys"))?;
    let key = |(algorithm, key, fingerprint)| HostKey { algorithm, key, fingerprint };
    Ok(rows.into_iter().map(key).collect())
}
