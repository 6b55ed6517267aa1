use crate::{Store, StoreError};
use serde::Serialize;
use thiserror::Error;

/// What a key is still needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct KeyUse {
    /// Its number.
    pub number: i64,
    /// Ciphertexts of credentials made with it.
    pub credentials: i64,
    /// Secrets of notification channels made with it.
    pub channels: i64,
    /// Data keys of captures made with it.
    pub captures: i64,
}

impl KeyUse {
    /// A key that nothing needs.
    pub fn none(number: i64) -> Self {
        Self { number, credentials: 0, channels: 0, captures: 0 }
    }

    /// How much needs it.
    pub fn total(&self) -> u64 {
        (self.credentials + self.channels + self.captures).unsigned_abs()
    }
}

/// Why a key was not taken away.
#[derive(Debug, Error)]
pub enum RetireError<E> {
    /// Something needs it.
    #[error(
        "key {} is needed by {} secrets of credentials, {} of notification channels and {} captures",
        .0.number, .0.credentials, .0.channels, .0.captures
    )]
    Needed(KeyUse),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be taken out of the keyring.
    #[error(transparent)]
    Removal(E),
}

macro_rules! uses {
    ($filter:literal) => {
        concat!(
            "SELECT number, sum(credentials)::bigint AS credentials, sum(channels)::bigint AS channels,
                sum(captures)::bigint AS captures FROM (
                SELECT netraven.key_number(ciphertext) AS number, count(*) AS credentials, 0 AS channels, 0 AS captures
                FROM credentials, LATERAL (VALUES (password), (enable_secret), (private_key), (key_passphrase))
                    AS c (ciphertext)
                WHERE ciphertext IS NOT NULL GROUP BY 1
                UNION ALL
                SELECT netraven.key_number(secret), 0, count(*), 0 FROM notification_channels
                WHERE secret IS NOT NULL GROUP BY 1
                UNION ALL
                SELECT key_number, 0, 0, count(*) FROM sealed_keys GROUP BY 1)
                AS uses (number, credentials, channels, captures)",
            $filter,
            " GROUP BY number ORDER BY number"
        )
    };
}

/// How much was encrypted with each key, by number.
///
/// # Errors
/// The database failed.
pub async fn key_uses(store: &Store) -> Result<Vec<KeyUse>, StoreError> {
    sqlx::query_as(uses!(""))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("count what each key is needed for"))
}

/// Takes a key away by calling `remove`, if nothing needs it. From then on the database refuses what is encrypted with it, and
/// nothing can be written with it in the meantime.
///
/// # Errors
/// [`RetireError`]; then the key is as before.
pub async fn retire_key<E>(
    store: &Store,
    number: u32,
    remove: impl FnOnce() -> Result<(), E>,
) -> Result<(), RetireError<E>> {
    let failed = StoreError::query("retire a key");
    let mut tx = store.begin("retire a key").await?;
    // See refuse_retired_key() of the schema.
    sqlx::query("SELECT pg_advisory_xact_lock(x'6b657973'::bigint)")
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    let number = i64::from(number);
    let needed: Option<KeyUse> = sqlx::query_as(uses!(" WHERE number = $1"))
        .bind(number)
        .fetch_optional(&mut *tx)
        .await
        .map_err(&failed)?;
    if let Some(needed) = needed {
        return Err(RetireError::Needed(needed));
    }
    sqlx::query("INSERT INTO retired_keys (number) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(number)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    // A key that is gone although the database does not know that it is retired does no harm: nothing needs it.
    remove().map_err(RetireError::Removal)?;
    tx.commit().await.map_err(&failed)?;
    Ok(())
}
