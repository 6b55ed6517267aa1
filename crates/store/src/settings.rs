//! Settings that may be changed while services run: they override the configuration file.

use crate::audit::{self, Action, Details, Entry, Plain};
use crate::text::{clean, clean_json};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

/// One setting.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize)]
pub struct Setting {
    /// Its path, e.g. `device.max_output_mib`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// For people.
    pub description: Option<String>,
    /// When it was set.
    pub updated_at: DateTime<Utc>,
}

/// All settings by key.
pub async fn list(store: &Store) -> Result<Vec<Setting>, StoreError> {
    sqlx::query_as("SELECT key, value, description, updated_at FROM system_settings ORDER BY key")
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list settings"))
}

/// The value of a setting; `None` where it is not set.
pub async fn get(store: &Store, key: &str) -> Result<Option<Value>, StoreError> {
    sqlx::query_scalar("SELECT value FROM system_settings WHERE key = $1")
        .bind(clean(key))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("read a setting"))
}

/// Sets a value, in the place of one that was there. Whether the key means something is the caller's matter.
///
/// # Errors
/// [`StoreError::Invalid`] for an empty key.
pub async fn set(store: &Store, key: &str, value: Value) -> Result<(), StoreError> {
    const SET: &str = "INSERT INTO system_settings (key, value) VALUES ($1, $2)
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = now()";
    if key.is_empty() || key.contains('\0') {
        return Err(StoreError::invalid("the setting", "it needs a key such as `device.max_output_mib`"));
    }
    let failed = StoreError::query("store a setting");
    let mut tx = store.begin("store a setting").await?;
    let before = lock(&mut tx, key).await?;
    let details = Details::Setting { from: before.as_ref().map(Plain::from), to: Some(Plain::from(&value)) };
    sqlx::query(SET).bind(key).bind(clean_json(value)).execute(&mut *tx).await.map_err(&failed)?;
    audit::write(&mut tx, store.actor(), &Entry::new(Action::SettingChanged, key).with(details)).await?;
    tx.commit().await.map_err(&failed)
}

/// Removes a value, so that the configuration file's holds again.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, key: &str) -> Result<(), StoreError> {
    let failed = StoreError::query("remove a setting");
    let mut tx = store.begin("remove a setting").await?;
    let before: Option<Value> =
        sqlx::query_scalar("DELETE FROM system_settings WHERE key = $1 RETURNING value")
            .bind(clean(key))
            .fetch_optional(&mut *tx)
            .await
            .map_err(&failed)?;
    let before = before.ok_or_else(|| StoreError::not_found("setting", key))?;
    let details = Details::Setting { from: Some(Plain::from(&before)), to: None };
    audit::write(&mut tx, store.actor(), &Entry::new(Action::SettingRemoved, key).with(details)).await?;
    tx.commit().await.map_err(&failed)
}

/// The value that is about to be replaced.
async fn lock(tx: &mut PgConnection, key: &str) -> Result<Option<Value>, StoreError> {
    sqlx::query_scalar("SELECT value FROM system_settings WHERE key = $1 FOR UPDATE")
        .bind(key)
        .fetch_optional(tx)
        .await
        .map_err(StoreError::query("read a setting"))
}
