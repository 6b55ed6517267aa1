//! Credentials at rest. Their secrets are ciphertexts made elsewhere; here they are opaque bytes.

mod change;
mod explain;
pub(crate) mod order;
mod sealed;
mod uses;

pub use change::{Change, resume, update};
pub use explain::{Explained, explain};
pub use sealed::sealed;
pub use uses::{CredentialUse, count_uses};

use crate::audit::{self, Action, Details, Entry};
use crate::tag_rules::parse_network;
use crate::text::{clean, clean_option};
use crate::{Store, StoreError, tags};
use chrono::{DateTime, Utc};
use netraven_model::CredentialId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::fmt;

/// The priority of a credential that was given none; lower ones are tried first.
pub const DEFAULT_PRIORITY: i32 = 100;

/// A credential with its ciphertexts, as a session needs it.
#[derive(Clone, PartialEq)]
pub struct StoredCredential {
    /// Row; the ciphertexts are bound to it.
    pub id: CredentialId,
    /// Unique name.
    pub name: String,
    /// Name to log in with.
    pub username: String,
    /// Ciphertext of the password.
    pub password: Option<Vec<u8>>,
    /// An alias of the configuration file that leads to the password instead.
    pub password_ref: Option<String>,
    /// Ciphertext of the enable secret.
    pub enable_secret: Option<Vec<u8>>,
    /// Ciphertext of the private key.
    pub private_key: Option<Vec<u8>>,
    /// Ciphertext of the private key's passphrase.
    pub key_passphrase: Option<Vec<u8>>,
    /// Lower first.
    pub priority: i32,
    /// Devices at other addresses are not shown it; empty: all may be.
    pub allowed_networks: Vec<String>,
    /// Since when it is no candidate, because too many devices refused it in a row.
    pub suspended_at: Option<DateTime<Utc>>,
}

/// A credential to enter under an id taken with [`next_id`].
#[derive(Clone, Default)]
pub struct NewCredential {
    /// Unique name.
    pub name: String,
    /// Name to log in with.
    pub username: String,
    /// Ciphertext of the password.
    pub password: Option<Vec<u8>>,
    /// An alias of the configuration file that leads to the password instead.
    pub password_ref: Option<String>,
    /// Ciphertext of the enable secret.
    pub enable_secret: Option<Vec<u8>>,
    /// Ciphertext of the private key.
    pub private_key: Option<Vec<u8>>,
    /// Ciphertext of the private key's passphrase.
    pub key_passphrase: Option<Vec<u8>>,
    /// Lower first; `None` means [`DEFAULT_PRIORITY`].
    pub priority: Option<i32>,
    /// For people.
    pub description: Option<String>,
    /// Devices at other addresses are not shown it, e.g. `10.0.0.0/8`; empty: all may be.
    pub allowed_networks: Vec<String>,
    /// Names of tags; those that do not exist are made. Empty means the tag `default`.
    pub tags: Vec<String>,
}

/// What may be shown of a credential.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CredentialInfo {
    /// Row.
    pub id: CredentialId,
    /// Unique name.
    pub name: String,
    /// Name to log in with.
    pub username: String,
    /// Whether it has a password of its own.
    pub has_password: bool,
    /// An alias of the configuration file that leads to the password instead.
    pub password_ref: Option<String>,
    /// Whether it has an enable secret.
    pub has_enable_secret: bool,
    /// Whether it has a private key.
    pub has_private_key: bool,
    /// Lower first.
    pub priority: i32,
    /// For people.
    pub description: Option<String>,
    /// Names of its tags, sorted.
    pub tags: Vec<String>,
    /// Last time a device was asked with it.
    pub last_used: Option<DateTime<Utc>>,
    /// Last time a device accepted it.
    pub last_success: Option<DateTime<Utc>>,
    /// 0 to 1, 0.5 where nothing is known; the latest uses weigh most, and what is long ago counts for little.
    pub success_rate: f32,
    /// Times it was accepted.
    pub successes: i64,
    /// Times it was refused.
    pub failures: i64,
    /// Devices at other addresses are not shown it; empty: all may be.
    pub allowed_networks: Vec<String>,
    /// Since when it is no candidate, because too many devices refused it in a row.
    pub suspended_at: Option<DateTime<Utc>>,
    /// When it was entered.
    pub created_at: DateTime<Utc>,
}

/// Takes an id for a credential that is about to be made: its ciphertexts are bound to the id, so it comes first.
pub async fn next_id(store: &Store) -> Result<CredentialId, StoreError> {
    sqlx::query_scalar("SELECT nextval(pg_get_serial_sequence('netraven.credentials', 'id'))")
        .fetch_one(store.pool())
        .await
        .map(CredentialId)
        .map_err(StoreError::query("take an id for a credential"))
}

/// Enters a credential.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for an empty one.
pub async fn insert(
    store: &Store,
    id: CredentialId,
    new: NewCredential,
) -> Result<CredentialInfo, StoreError> {
    const INSERT: &str = "INSERT INTO credentials (id, name, username, password, enable_secret, private_key,
            key_passphrase, priority, description, allowed_networks, password_ref)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text[]::cidr[], $11)";
    if new.name.trim().is_empty() || new.name.contains('\0') {
        return Err(StoreError::invalid("the credential", "it needs a name to be spoken of by"));
    }
    tags::check_names(&new.tags)?;
    if new.password.is_some() && new.password_ref.is_some() {
        return Err(StoreError::invalid("the credential", "it has either a password or a reference to one"));
    }
    let networks = networks(&new.allowed_networks)?;
    let mut tx = store.begin("store a credential").await?;
    sqlx::query(INSERT)
        .bind(id.0)
        .bind(&new.name)
        .bind(clean(&new.username))
        .bind(&new.password)
        .bind(&new.enable_secret)
        .bind(&new.private_key)
        .bind(&new.key_passphrase)
        .bind(new.priority.unwrap_or(DEFAULT_PRIORITY))
        .bind(clean_option(&new.description))
        .bind(networks)
        .bind(clean_option(&new.password_ref))
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("store a credential", "credential", &new.name))?;
    let default = [tags::DEFAULT.to_owned()];
    let names = if new.tags.is_empty() { &default[..] } else { &new.tags };
    let wanted: Vec<_> = names.iter().map(|name| (id.0, clean(name))).collect();
    tags::attach_credentials(&mut tx, &wanted).await?;
    let details = Details::Credential {
        has_password: new.password.is_some(),
        has_enable_secret: new.enable_secret.is_some(),
        has_private_key: new.private_key.is_some(),
    };
    let entry = Entry::new(Action::CredentialAdded, &new.name).with(details);
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(StoreError::query("store a credential"))?;
    get_info(store, &new.name).await
}

/// The networks as the database writes them.
fn networks(texts: &[String]) -> Result<Vec<String>, StoreError> {
    let parsed = texts.iter().map(|text| parse_network(text));
    parsed.collect::<Result<_, _>>().map_err(|reason| StoreError::invalid("an allowed network", &reason))
}

/// All credentials in the order in which a device is shown them of which nothing is known, without their ciphertexts.
pub async fn list(store: &Store) -> Result<Vec<CredentialInfo>, StoreError> {
    const LIST: &str = concat!(info_select!(), " ORDER BY c.priority, success_rate DESC, c.name");
    sqlx::query_as(LIST).fetch_all(store.reader()).await.map_err(StoreError::query("list credentials"))
}

/// One credential by its name, without its ciphertexts.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_info(store: &Store, name: &str) -> Result<CredentialInfo, StoreError> {
    const GET: &str = concat!(info_select!(), " WHERE c.name = $1");
    sqlx::query_as(GET)
        .bind(clean(name))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a credential"))?
        .ok_or_else(|| StoreError::not_found("credential", name))
}

/// Removes a credential with its statistics.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, name: &str) -> Result<(), StoreError> {
    let failed = StoreError::query("remove a credential");
    let mut tx = store.begin("remove a credential").await?;
    let removed = sqlx::query("DELETE FROM credentials WHERE name = $1")
        .bind(clean(name))
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    if removed.rows_affected() == 0 {
        return Err(StoreError::not_found("credential", name));
    }
    audit::write(&mut tx, store.actor(), &Entry::new(Action::CredentialRemoved, name)).await?;
    tx.commit().await.map_err(&failed)
}

macro_rules! info_select {
    () => {
        concat!(
            "SELECT c.id, c.name, c.username, c.has_password, c.has_enable_secret, c.has_private_key,
            c.password_ref, c.priority, c.description, c.last_used, c.last_success, c.successes, c.failures, c.created_at,
            c.suspended_at, c.allowed_networks::text[] AS allowed_networks, ",
            order::faded!("c.success_rate", "c.last_used", "now()"),
            "::real AS success_rate,
            ARRAY (SELECT t.name FROM credential_tags ct JOIN tags t ON t.id = ct.tag_id
                   WHERE ct.credential_id = c.id ORDER BY t.name) AS tags
        FROM credentials c"
        )
    };
}
use info_select;

impl FromRow<'_, PgRow> for CredentialInfo {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: CredentialId(row.try_get("id")?),
            name: row.try_get("name")?,
            username: row.try_get("username")?,
            has_password: row.try_get("has_password")?,
            password_ref: row.try_get("password_ref")?,
            has_enable_secret: row.try_get("has_enable_secret")?,
            has_private_key: row.try_get("has_private_key")?,
            priority: row.try_get("priority")?,
            description: row.try_get("description")?,
            tags: row.try_get("tags")?,
            last_used: row.try_get("last_used")?,
            last_success: row.try_get("last_success")?,
            success_rate: row.try_get("success_rate")?,
            successes: row.try_get("successes")?,
            failures: row.try_get("failures")?,
            allowed_networks: row.try_get("allowed_networks")?,
            suspended_at: row.try_get("suspended_at")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for StoredCredential {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: CredentialId(row.try_get("id")?),
            name: row.try_get("name")?,
            username: row.try_get("username")?,
            password: row.try_get("password")?,
            password_ref: row.try_get("password_ref")?,
            enable_secret: row.try_get("enable_secret")?,
            private_key: row.try_get("private_key")?,
            key_passphrase: row.try_get("key_passphrase")?,
            priority: row.try_get("priority")?,
            allowed_networks: row.try_get("allowed_networks")?,
            suspended_at: row.try_get("suspended_at")?,
        })
    }
}

impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredCredential({} '{}')", self.id, self.name)
    }
}

impl fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewCredential('{}')", self.name)
    }
}
