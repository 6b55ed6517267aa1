//! From stored credentials to logins.

use crate::logins::{Care, Guard, Logins};
use crate::references::{ReferenceError, References};
use netraven_device::{Access, Networks};
use netraven_model::{ErrorCode, Failure, JobId, Login, Phase, Secret, Target};
use netraven_platform::Platforms;
use netraven_store::credentials::StoredCredential;
use netraven_store::jobs::Hop;
use netraven_store::logins::Wanted;
use netraven_vault::{Place, Vault, VaultError};
use std::sync::Arc;
use thiserror::Error;

/// What credentials are opened with.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// Opens ciphertexts.
    pub vault: &'a Vault,
    /// Look up what is not stored.
    pub references: &'a References,
    /// Guard what is opened.
    pub logins: &'a Arc<Logins>,
}

/// Why a credential cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// This vault's keys do not open its secrets.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its password is somewhere else and was not found.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// Decrypts one credential for one session, or looks its password up.
async fn open(keys: Keys<'_>, stored: &StoredCredential) -> Result<Login, OpenError> {
    let vault = keys.vault;
    let looked_up = match &stored.password_ref {
        Some(alias) => Some(keys.references.resolve(alias).await?),
        None => None,
    };
    let field = |column, sealed: &Option<Vec<u8>>| -> Result<Option<Secret>, VaultError> {
        let place = Place { table: "credentials", column, row: stored.id.0 };
        sealed.as_deref().map(|sealed| vault.unseal(&place, sealed)).transpose()
    };
    Ok(Login {
        credential: Some(stored.id),
        username: stored.username.clone(),
        password: field("password", &stored.password)?.or(looked_up),
        enable: field("enable_secret", &stored.enable_secret)?,
        private_key: field("private_key", &stored.private_key)?,
        key_passphrase: field("key_passphrase", &stored.key_passphrase)?,
    })
}

/// A first contact with a stored credential, which is decrypted, bound to its networks, and guarded where the target is a
/// device of the inventory.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_access(
    keys: Keys<'_>,
    stored: &StoredCredential,
    target: Target,
    job: Option<JobId>,
    care: Care,
) -> Result<(Access, Option<Guard>), OpenError> {
    let login = open(keys, stored).await?;
    let wanted = target.device.map(|device| Wanted { device, credential: Some(stored.id), job });
    let guard = wanted.map(|wanted| keys.logins.guard(wanted, care));
    let access = Access {
        // What the database holds are networks; where one were not, the credential would go nowhere.
        login_networks: Networks::new(&stored.allowed_networks, &[]).unwrap_or_else(|_| Networks::none()),
        guard: guard.clone().map(|guard| Arc::new(guard) as _),
        ..Access::new(target, login)
    };
    Ok((access, guard))
}

/// A jump host with the first of its credentials that can be opened.
///
/// # Errors
/// `jump_host` where none can.
pub async fn open_hop(
    keys: Keys<'_>,
    platforms: &Platforms,
    hop: &Hop,
) -> Result<(Access, Option<Guard>), Failure> {
    let name = &hop.target.hostname;
    let mut reasons: Vec<_> = hop.left_out.iter().map(ToString::to_string).collect();
    for credential in &hop.credentials {
        match open_access(keys, credential, reached_at(&hop.target, hop.port, platforms), None, Care::Clean)
            .await
        {
            Ok((access, guard)) => {
                let access = Access { host_keys: hop.host_keys.clone(), profile: hop.ssh_profile, ..access };
                return Ok((access, guard));
            }
            Err(error) => reasons.push(format!("credential '{}' cannot be opened: {error}", credential.name)),
        }
    }
    if reasons.is_empty() {
        reasons.push("no credential shares a tag with it".to_owned());
    }
    let message = format!("jump host {name}: {}", reasons.join("; "));
    Err(Failure::new(ErrorCode::JumpHost, Phase::Connect, message))
}

/// Where a device of the inventory is reached: at the port that is named there, or where its platform listens.
pub fn reached_at(target: &Target, named: Option<u16>, platforms: &Platforms) -> Target {
    let usual = || platforms.port(&target.platform, target.protocol);
    Target { port: named.unwrap_or_else(usual), ..target.clone() }
}
