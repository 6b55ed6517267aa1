use super::StoredCredential;
use crate::{Store, StoreError};

/// One credential by its name, with its ciphertexts.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn sealed(store: &Store, name: &str) -> Result<StoredCredential, StoreError> {
    const GET: &str =
        "SELECT id, name, username, password, enable_secret, private_key, key_passphrase, priority,
            allowed_networks::text[] AS allowed_networks, suspended_at, password_ref
        FROM credentials WHERE name = $1";
    sqlx::query_as(GET)
        .bind(crate::text::clean(name))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a credential with its secrets"))?
        .ok_or_else(|| StoreError::not_found("credential", name))
}
