//! Credentials on their way into the database: encrypted before they leave this process.

use crate::context::Context;
use crate::error::{CliError, Result};
use netraven_model::{ChannelKind, CredentialId, Secret};
use netraven_store::Store;
use netraven_store::credentials::{self, Change, CredentialInfo, NewCredential};
use netraven_store::notifications::{self, ChannelRow};
use netraven_vault::{KeySource, Place, Vault, VaultError};

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

impl Secrets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.password.is_none() && self.enable.is_none() && self.private_key.is_none()
    }
}

/// Where this installation's keys come from.
pub fn key_source(context: &Context) -> Result<KeySource> {
    let vault = &context.settings.vault;
    match (&vault.key_environment, &vault.key_command) {
        (None, None) => Ok(KeySource::File(vault.key_file.clone())),
        (Some(name), None) => Ok(KeySource::Environment(name.clone())),
        (None, Some(command)) => Ok(KeySource::Command(command.clone())),
        (Some(_), Some(_)) => Err(CliError::usage(
            "the keys come from vault.key_environment or vault.key_command, not from both",
        )),
    }
}

/// Opens the keys that there are.
pub fn vault(context: &Context) -> Result<Vault> {
    Ok(Vault::load(key_source(context)?)?)
}

/// Opens the keys, or makes a key file for a database without credentials and webhooks. Where there are some, a missing
/// file means that it is somewhere else: new keys would open nothing and change every fingerprint.
pub async fn open_vault(context: &Context, store: &Store) -> Result<Vault> {
    let source = key_source(context)?;
    let KeySource::File(path) = &source else { return Ok(Vault::load(source)?) };
    if !path.exists() && holds_secrets(store).await? {
        let name = path.display();
        return Err(CliError::failed(format!(
            "the key file {name} is missing, and the database holds credentials or webhooks"
        ))
        .hint("put your copy of it there, or name its place with the setting vault.key_file"));
    }
    Ok(Vault::open_or_create(path)?)
}

async fn holds_secrets(store: &Store) -> Result<bool> {
    let webhook = |row: &ChannelRow| row.channel.kind == ChannelKind::Webhook;
    Ok(!credentials::list(store).await?.is_empty() || notifications::list(store).await?.iter().any(webhook))
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
    let new = NewCredential {
        password: seal(&vault, id, "password", &secrets.password)?,
        enable_secret: seal(&vault, id, "enable_secret", &secrets.enable)?,
        private_key: seal(&vault, id, "private_key", &secrets.private_key)?,
        key_passphrase: seal(&vault, id, "key_passphrase", &secrets.key_passphrase)?,
        ..new
    };
    Ok(credentials::insert(store, id, new).await?)
}

/// Encrypts what is new of a credential's secrets for its row, and changes it.
pub async fn update(
    context: &Context,
    store: &Store,
    name: &str,
    change: Change,
    secrets: &Secrets,
) -> Result<CredentialInfo> {
    let id = credentials::get_info(store, name).await?.id;
    let change = if secrets.is_empty() {
        change
    } else {
        let vault = open_vault(context, store).await?;
        let passphrase = seal(&vault, id, "key_passphrase", &secrets.key_passphrase)?;
        Change {
            password: seal(&vault, id, "password", &secrets.password)?,
            enable_secret: seal(&vault, id, "enable_secret", &secrets.enable)?,
            private_key: seal(&vault, id, "private_key", &secrets.private_key)?.map(|key| (key, passphrase)),
            ..change
        }
    };
    Ok(credentials::update(store, name, &change).await?)
}

fn seal(
    vault: &Vault,
    id: CredentialId,
    column: &str,
    secret: &Option<Secret>,
) -> Result<Option<Vec<u8>>, VaultError> {
    let place = Place { table: "credentials", column, row: id.0 };
    secret.as_ref().map(|secret| vault.seal(&place, secret)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_credentials_secrets_shows_none() {
        let secret = || Some(Secret::from("canary"));
        let (password, enable) = (secret(), secret());
        let secrets = Secrets { password, enable, private_key: secret(), key_passphrase: secret() };
        assert!(!format!("{secrets:?}").contains("canary"));
    }
}
