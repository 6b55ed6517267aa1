//! Changes of a credential that is there.

use super::{CredentialInfo, get_info, networks};
use crate::audit::{self, Action, Details, Entry};
use crate::text::{clean, clean_option};
use crate::{Store, StoreError};
use netraven_model::CredentialId;
use sqlx::PgConnection;

/// What becomes different; `None` leaves a field as it is. The secrets are ciphertexts for the credential's own row.
#[derive(Clone, Default)]
pub struct Change {
    /// Name to log in with.
    pub username: Option<String>,
    /// Ciphertext of the password; takes the place of a reference.
    pub password: Option<Vec<u8>>,
    /// An alias of the configuration file that leads to the password; takes the place of one.
    pub password_ref: Option<String>,
    /// Ciphertext of the enable secret.
    pub enable_secret: Option<Vec<u8>>,
    /// Ciphertexts of the private key and its passphrase.
    pub private_key: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// Lower first.
    pub priority: Option<i32>,
    /// For people.
    pub description: Option<String>,
    /// Devices at other addresses are not shown it; empty: all may be.
    pub allowed_networks: Option<Vec<String>>,
}

impl Change {
    /// Whether nothing becomes different.
    pub fn is_empty(&self) -> bool {
        !self.is_another_login()
            && self.enable_secret.is_none()
            && self.priority.is_none()
            && self.description.is_none()
            && self.allowed_networks.is_none()
    }

    /// Whether what was refused before says nothing any more.
    fn is_another_login(&self) -> bool {
        self.username.is_some()
            || self.password.is_some()
            || self.password_ref.is_some()
            || self.private_key.is_some()
    }
}

/// Changes a credential. Another user name, password or key lifts a suspension.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Invalid`].
pub async fn update(store: &Store, name: &str, change: &Change) -> Result<CredentialInfo, StoreError> {
    const UPDATE: &str = "UPDATE credentials SET username = coalesce($2, username),
            password = CASE WHEN $10 IS NULL THEN coalesce($3, password) END,
            password_ref = CASE WHEN $3 IS NULL THEN coalesce($10::text, password_ref) END,
            enable_secret = coalesce($4, enable_secret), private_key = coalesce($5, private_key),
            key_passphrase = CASE WHEN $5 IS NULL THEN key_passphrase ELSE $6 END,
            priority = coalesce($7, priority), description = coalesce($8, description),
            allowed_networks = coalesce($9::text[]::cidr[], allowed_networks), updated_at = now()
        WHERE name = $1 RETURNING id";
    let failed = StoreError::query("change a credential");
    let allowed = change.allowed_networks.as_deref().map(networks).transpose()?;
    let mut tx = store.begin("change a credential").await?;
    let id: Option<i64> = sqlx::query_scalar(UPDATE)
        .bind(clean(name))
        .bind(change.username.as_deref().map(clean))
        .bind(&change.password)
        .bind(&change.enable_secret)
        .bind(change.private_key.as_ref().map(|(key, _)| key))
        .bind(change.private_key.as_ref().and_then(|(_, passphrase)| passphrase.as_ref()))
        .bind(change.priority)
        .bind(clean_option(&change.description))
        .bind(allowed)
        .bind(clean_option(&change.password_ref))
        .fetch_optional(&mut *tx)
        .await
        .map_err(&failed)?;
    let id = CredentialId(id.ok_or_else(|| StoreError::not_found("credential", name))?);
    if change.is_another_login() {
        lift(&mut tx, id).await?;
    }
    let details = Details::CredentialChange {
        another_login: change.is_another_login(),
        other_networks: change.allowed_networks.is_some(),
    };
    let entry = Entry::new(Action::CredentialChanged, name).with(details);
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(&failed)?;
    get_info(store, name).await
}

/// Makes a suspended credential a candidate again; whether it was suspended.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn resume(store: &Store, name: &str) -> Result<bool, StoreError> {
    const LOCK: &str =
        "SELECT id, suspended_at IS NOT NULL FROM credentials WHERE name = $1 FOR NO KEY UPDATE";
    let failed = StoreError::query("resume a credential");
    let mut tx = store.begin("resume a credential").await?;
    let found: Option<(i64, bool)> =
        sqlx::query_as(LOCK).bind(clean(name)).fetch_optional(&mut *tx).await.map_err(&failed)?;
    let (id, suspended) = found.ok_or_else(|| StoreError::not_found("credential", name))?;
    lift(&mut tx, CredentialId(id)).await?;
    if suspended {
        audit::write(&mut tx, store.actor(), &Entry::new(Action::CredentialResumed, name)).await?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(suspended)
}

async fn lift(tx: &mut PgConnection, id: CredentialId) -> Result<(), StoreError> {
    const LIFT: &str =
        "UPDATE credentials SET suspended_at = NULL, resumed_at = clock_timestamp() WHERE id = $1";
    let lifted = sqlx::query(LIFT).bind(id.0).execute(tx).await;
    lifted.map(drop).map_err(StoreError::query("lift a credential's suspension"))
}
