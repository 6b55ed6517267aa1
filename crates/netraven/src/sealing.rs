//! Credentials on their way into the database: encrypted before they leave this process.

use crate::context::Context;
use crate::error::{CliError, Result};
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

/// Opens the key file, or makes one for a database without credentials. Where there are some, a missing
/// file means that it is somewhere else: new keys would open nothing and change every fingerprint.
pub async fn open_vault(context: &Context, store: &Store) -> Result<Vault> {
    let path = &context.settings.vault.key_file;
    if !path.exists() && !credentials::list(store).await?.is_empty() {
        let name = path.display();
        return Err(CliError::failed(format!(
            "the key file {name} is missing, and the database holds credentials"
        ))
        .hint("put your copy of it there, or name its place with the setting vault.key_file"));
    }
    Ok(Vault::open_or_create(path)?)
}

/// Encrypts the secrets for the row that the credential will have, and enters it.
pub async fn store(
    context: &Context,
    store: &Store,
    new: NewCredential,
    secrets: &Secrets,
) -> Result<CredentialInfo> {
    let vault = open_vault(context, store).await?;
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
