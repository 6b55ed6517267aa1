use crate::audit::{self, Action, Details, Entry};
use crate::text::clean;
use crate::{Store, StoreError};
use netraven_model::{DeviceId, HostKey};
use std::collections::HashSet;

/// What became of host keys from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportedKeys {
    /// Devices that got keys.
    pub devices: usize,
    /// Keys that were stored.
    pub keys: usize,
}

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

/// The devices that have no host key stored.
pub async fn without_host_keys(store: &Store) -> Result<HashSet<DeviceId>, StoreError> {
    const WITHOUT: &str =
        "SELECT d.id FROM devices d WHERE NOT EXISTS (SELECT FROM host_keys k WHERE k.device_id = d.id)";
    let ids: Vec<i64> = sqlx::query_scalar(WITHOUT)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("find devices without host keys"))?;
    Ok(ids.into_iter().map(DeviceId).collect())
}

/// Stores host keys from a file for devices that have none; a device that has some keeps them and gets no others.
pub async fn import_host_keys(
    store: &Store,
    keys: &[(DeviceId, HostKey)],
    file: &str,
) -> Result<ImportedKeys, StoreError> {
    const INSERT: &str = "INSERT INTO host_keys (device_id, algorithm, key, fingerprint)
        SELECT w.device, w.algorithm, w.key, w.fingerprint
        FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[]) AS w (device, algorithm, key, fingerprint)
        WHERE EXISTS (SELECT FROM devices d WHERE d.id = w.device)
            AND NOT EXISTS (SELECT FROM host_keys k WHERE k.device_id = w.device)
        ON CONFLICT DO NOTHING RETURNING device_id";
    let failed = StoreError::query("store host keys from a file");
    let texts = |text: fn(&HostKey) -> &str| keys.iter().map(|(_, key)| clean(text(key))).collect::<Vec<_>>();
    let mut tx = store.begin("store host keys from a file").await?;
    let stored: Vec<i64> = sqlx::query_scalar(INSERT)
        .bind(keys.iter().map(|(device, _)| device.0).collect::<Vec<_>>())
        .bind(texts(|key| &key.algorithm))
        .bind(texts(|key| &key.key))
        .bind(texts(|key| &key.fingerprint))
        .fetch_all(&mut *tx)
        .await
        .map_err(&failed)?;
    let devices = stored.iter().collect::<HashSet<_>>().len();
    let imported = ImportedKeys { devices, keys: stored.len() };
    if !stored.is_empty() {
        let entry = Entry::new(Action::DeviceHostKeysImported, file);
        let entry = entry.with(Details::ImportedHostKeys { devices, keys: imported.keys });
        audit::write(&mut tx, store.actor(), &entry).await?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(imported)
}
