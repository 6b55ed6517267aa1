//! From stored credentials to logins.

use netraven_device::Access;
use netraven_model::{ErrorCode, Failure, Login, Phase, Secret, Target};
use netraven_platform::Platforms;
use netraven_store::credentials::StoredCredential;
use netraven_store::jobs::Hop;
use netraven_vault::{Place, Vault, VaultError};

/// Decrypts one credential for one session.
///
/// # Errors
/// Secrets that this vault's keys do not open.
pub fn open(vault: &Vault, stored: &StoredCredential) -> Result<Login, VaultError> {
    let field = |column, sealed: &Option<Vec<u8>>| -> Result<Option<Secret>, VaultError> {
        let place = Place { table: "credentials", column, row: stored.id.0 };
        sealed.as_deref().map(|sealed| vault.unseal(&place, sealed)).transpose()
    };
    Ok(Login {
        credential: Some(stored.id),
        username: stored.username.clone(),
        password: field("password", &stored.password)?,
        enable: field("enable_secret", &stored.enable_secret)?,
        private_key: field("private_key", &stored.private_key)?,
        key_passphrase: field("key_passphrase", &stored.key_passphrase)?,
    })
}

/// A jump host with the first of its credentials that can be opened.
///
/// # Errors
/// `jump_host` where none can.
pub fn open_hop(vault: &Vault, platforms: &Platforms, hop: &Hop) -> Result<Access, Failure> {
    let name = &hop.target.hostname;
    let mut reason = "no credential shares a tag with it".to_owned();
    for credential in &hop.credentials {
        match open(vault, credential) {
            Ok(login) => {
                let access = Access::new(reached_at(&hop.target, hop.port, platforms), login);
                return Ok(Access { host_keys: hop.host_keys.clone(), profile: hop.ssh_profile, ..access });
            }
            Err(error) => reason = format!("credential '{}' cannot be opened: {error}", credential.name),
        }
    }
    let message = format!("jump host {name}: {reason}");
    Err(Failure::new(ErrorCode::JumpHost, Phase::Connect, message))
}

/// Where a device of the inventory is reached: at the port that is named there, or where its platform listens.
pub fn reached_at(target: &Target, named: Option<u16>, platforms: &Platforms) -> Target {
    let usual = || platforms.port(&target.platform, target.protocol);
    Target { port: named.unwrap_or_else(usual), ..target.clone() }
}
