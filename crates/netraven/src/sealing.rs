//! Credentials on their way into the database: encrypted before they leave this process.

use crate::context::Context;
use crate::error::Result;
use netraven_model::Secret;
use netraven_store::Store;
use netraven_store::credentials::{self, CredentialInfo, NewCredential};
use netraven_vault::{Place, Vault};

/// The secrets of one credential, in clear.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Password.
    pub password: Option<Secret>,
    /// Enable secret.
    pub enable: Option<Secret>,
    /// Private key.
    pub private_key: Option<Secret>,
    /// The private key's passphrase.
    pub key_passphrase: Option<Secret>,
}

/// Encrypts the secrets for the row that the credential will have, and enters it.
pub async fn store(
    context: &Context,
    store: &Store,
    new: NewCredential,
    secrets: &Secrets,
) -> Result<CredentialInfo> {
    let vault = Vault::open_or_create(&context.settings.vault.key_file)?;
    let id = credentials::next_id(store).await?;
    let seal = |column: &str, secret: &Option<Secret>| {
        let place = Place { table: "credentials", column, row: id.0 };
        secret.as_ref().map(|secret| vault.seal(&place, secret)).transpose()
    };
    let new = NewCredential {
        password: seal("password", &secrets.password)?,
        enable_secret: seal("enable_secret", &secrets.enable)?,
        private_key: seal("private_key", &secrets.private_key)?,
        key_passphrase: seal("key_passphrase", &secrets.key_passphrase)?,
        ..new
    };
    Ok(credentials::insert(store, id, new).await?)
}
