//! Encrypting anew, in batches: what was made with an older key, and its exchange for what was made from it. An exchange
//! happens only where the old ciphertext is still there, so that nothing which was changed meanwhile is overwritten.

use super::open::key_number;
use crate::{Store, StoreError};
use netraven_model::DeviceId;
use netraven_seal::WrappedKey;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// A column that holds ciphertexts of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedPlace {
    /// The password.
    Password,
    /// The enable secret.
    EnableSecret,
    /// The private key.
    PrivateKey,
    /// The private key's passphrase.
    KeyPassphrase,
    /// What a notification channel's webhooks are signed with.
    ChannelSecret,
}

/// A secret of a credential or of a notification channel.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SealedColumn {
    /// Its row.
    pub id: i64,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

/// The data key of one capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// The device's row.
    pub device: DeviceId,
    /// What the key is bound to.
    pub uuid: Uuid,
    /// The key.
    pub key: WrappedKey,
}

impl SealedPlace {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Password, Self::EnableSecret, Self::PrivateKey, Self::KeyPassphrase, Self::ChannelSecret];

    /// Its table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Password | Self::EnableSecret | Self::PrivateKey | Self::KeyPassphrase => "credentials",
            Self::ChannelSecret => "notification_channels",
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChannelSecret => "secret",
            Self::Password => "password",
            Self::EnableSecret => "enable_secret",
            Self::PrivateKey => "private_key",
            Self::KeyPassphrase => "key_passphrase",
        }
    }

    fn select(self) -> &'static str {
        macro_rules! select {
            ($column:literal, $table:literal) => {
                concat!(
                    "SELECT id, ",
                    $column,
                    " AS ciphertext FROM ",
                    $table,
                    " WHERE netraven.key_number(",
                    $column,
                    ") <> $1 AND id > $2 ORDER BY id LIMIT $3"
                )
            };
        }
        match self {
            Self::Password => select!("password", "credentials"),
            Self::EnableSecret => select!("enable_secret", "credentials"),
            Self::PrivateKey => select!("private_key", "credentials"),
            Self::KeyPassphrase => select!("key_passphrase", "credentials"),
            Self::ChannelSecret => select!("secret", "notification_channels"),
        }
    }

    fn update(self) -> &'static str {
        macro_rules! update {
            ($column:literal, $table:literal) => {
                concat!(
                    "UPDATE ",
                    $table,
                    " c SET ",
                    $column,
                    " = w.new
                     FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[]) AS w (id, old, new)
                     WHERE c.id = w.id AND c.",
                    $column,
                    " = w.old"
                )
            };
        }
        match self {
            Self::Password => update!("password", "credentials"),
            Self::EnableSecret => update!("enable_secret", "credentials"),
            Self::PrivateKey => update!("private_key", "credentials"),
            Self::KeyPassphrase => update!("key_passphrase", "credentials"),
            Self::ChannelSecret => update!("secret", "notification_channels"),
        }
    }
}

/// Secrets in a place that were made with another key than the newest, behind the row `after`.
///
/// # Errors
/// The database failed.
pub async fn secrets_below(
    store: &Store,
    place: SealedPlace,
    newest: u32,
    after: i64,
    limit: u32,
) -> Result<Vec<SealedColumn>, StoreError> {
    sqlx::query_as(place.select())
        .bind(i64::from(newest))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(store.pool())
        .await
        .map_err(StoreError::query("read secrets of older keys"))
}

/// Exchanges the secrets of a place: each with its old ciphertext and the new one. How many were exchanged.
///
/// # Errors
/// The database failed; then none was.
pub async fn renew_secrets(
    store: &Store,
    place: SealedPlace,
    renewed: &[(SealedColumn, Vec<u8>)],
) -> Result<u64, StoreError> {
    let ids: Vec<i64> = renewed.iter().map(|(old, _)| old.id).collect();
    let old: Vec<&[u8]> = renewed.iter().map(|(old, _)| &old.ciphertext[..]).collect();
    let new: Vec<&[u8]> = renewed.iter().map(|(_, new)| &new[..]).collect();
    sqlx::query(place.update())
        .bind(ids)
        .bind(old)
        .bind(new)
        .execute(store.pool())
        .await
        .map(|done| done.rows_affected())
        .map_err(StoreError::query("store secrets encrypted anew"))
}

/// Data keys of captures that were wrapped with another key than the newest, behind `after`.
///
/// # Errors
/// The database failed.
pub async fn data_keys_below(
    store: &Store,
    newest: u32,
    after: (DeviceId, Uuid),
    limit: u32,
) -> Result<Vec<SealedKey>, StoreError> {
    const SELECT: &str = "SELECT k.device_id, d.uuid, k.id, k.key_number, k.wrapped
        FROM sealed_keys k JOIN devices d ON d.id = k.device_id
        WHERE k.key_number <> $1 AND (k.device_id, k.id) > ($2, $3) ORDER BY k.device_id, k.id LIMIT $4";
    sqlx::query_as(SELECT)
        .bind(i64::from(newest))
        .bind(after.0.0)
        .bind(after.1)
        .bind(i64::from(limit))
        .fetch_all(store.pool())
        .await
        .map_err(StoreError::query("read data keys of older keys"))
}

/// Exchanges data keys of captures. How many were exchanged.
///
/// # Errors
/// The database failed; then none was.
pub async fn renew_data_keys(store: &Store, renewed: &[(SealedKey, WrappedKey)]) -> Result<u64, StoreError> {
    const UPDATE: &str = "UPDATE sealed_keys k SET key_number = w.number, wrapped = w.new
        FROM UNNEST($1::bigint[], $2::uuid[], $3::bytea[], $4::bigint[], $5::bytea[]) AS w (device, id, old, number, new)
        WHERE k.device_id = w.device AND k.id = w.id AND k.wrapped = w.old";
    let devices: Vec<i64> = renewed.iter().map(|(old, _)| old.device.0).collect();
    let ids: Vec<Uuid> = renewed.iter().map(|(old, _)| old.key.id).collect();
    let old: Vec<&[u8]> = renewed.iter().map(|(old, _)| &old.key.wrapped[..]).collect();
    let numbers: Vec<i64> = renewed.iter().map(|(_, new)| i64::from(new.number)).collect();
    let new: Vec<&[u8]> = renewed.iter().map(|(_, new)| &new.wrapped[..]).collect();
    sqlx::query(UPDATE)
        .bind(devices)
        .bind(ids)
        .bind(old)
        .bind(numbers)
        .bind(new)
        .execute(store.pool())
        .await
        .map(|done| done.rows_affected())
        .map_err(StoreError::query("store data keys encrypted anew"))
}

impl FromRow<'_, PgRow> for SealedKey {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            device: DeviceId(row.try_get("device_id")?),
            uuid: row.try_get("uuid")?,
            key: WrappedKey {
                id: row.try_get("id")?,
                number: key_number(row.try_get("key_number")?)?,
                wrapped: row.try_get("wrapped")?,
            },
        })
    }
}
