use netraven_model::DeviceId;
use netraven_seal::WrappedKey;
use netraven_store::secrets::{self, SealedColumn, SealedKey, SealedPlace};
use netraven_store::{Store, StoreError};
use netraven_vault::{Place, Vault, VaultError};
use std::sync::Arc;
use thiserror::Error;
use uuid::Uuid;

/// Rows of one statement: some hundred KiB, some milliseconds.
const BATCH: u32 = 1000;

/// What a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Number of the key that everything has now.
    pub key: u32,
    /// Secrets and data keys that were encrypted anew.
    pub renewed: u64,
    /// Those that could not be opened.
    pub unopened: u64,
}

/// Why a rotation did not come to its end.
#[derive(Debug, Error)]
pub enum RotationError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys are not to be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No new key is made while one is missing.
    #[error("the database needs key {0}, which is not among the keys; no new key was made")]
    KeyMissing(i64),
    /// The program's own fault.
    #[error("a batch ended unexpectedly: {0}")]
    Batch(#[from] tokio::task::JoinError),
}

/// Goes once over everything that has another key than the newest.
pub(super) async fn run(
    store: &Store,
    vault: &Arc<Vault>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Rotated, RotationError> {
    let newest = vault.newest_key();
    let mut done = Rotated { key: newest, ..Rotated::default() };
    for place in SealedPlace::ALL {
        let mut after = 0;
        loop {
            let found = secrets::secrets_below(store, place, newest, after, BATCH).await?;
            let Some(last) = found.last() else { break };
            after = last.id;
            let renewed =
                renew(vault, found, &mut done, move |vault, old| renew_column(vault, place, old)).await?;
            done.renewed += secrets::renew_secrets(store, place, &renewed).await?;
            progress(done.renewed);
        }
    }
    let mut after = (DeviceId(0), Uuid::nil());
    loop {
        let found = secrets::data_keys_below(store, newest, after, BATCH).await?;
        let Some(last) = found.last() else { break };
        after = (last.device, last.key.id);
        let renewed = renew(vault, found, &mut done, renew_data_key).await?;
        done.renewed += secrets::renew_data_keys(store, &renewed).await?;
        progress(done.renewed);
    }
    Ok(done)
}

/// Encrypts a batch anew, away from the threads that wait for the network.
async fn renew<O: Send + 'static, N: Send + 'static>(
    vault: &Arc<Vault>,
    old: Vec<O>,
    done: &mut Rotated,
    renew: impl Fn(&Vault, &O) -> Result<Option<N>, VaultError> + Send + 'static,
) -> Result<Vec<(O, N)>, RotationError> {
    let vault = vault.clone();
    let (renewed, unopened) = tokio::task::spawn_blocking(move || {
        let (mut renewed, mut unopened) = (Vec::with_capacity(old.len()), 0);
        for old in old {
            match renew(&vault, &old) {
                Ok(Some(new)) => renewed.push((old, new)),
                Ok(None) => {}
                Err(error) => {
                    unopened += 1;
                    tracing::error!(%error, "a secret cannot be encrypted anew and stays as it is");
                }
            }
        }
        (renewed, unopened)
    })
    .await?;
    done.unopened += unopened;
    Ok(renewed)
}

fn renew_column(
    vault: &Vault,
    place: SealedPlace,
    old: &SealedColumn,
) -> Result<Option<Vec<u8>>, VaultError> {
    let place = Place { table: place.table(), column: place.as_str(), row: old.id };
    vault.rewrap(&place, &old.ciphertext)
}

fn renew_data_key(vault: &Vault, old: &SealedKey) -> Result<Option<WrappedKey>, VaultError> {
    vault.rewrap_capture(old.uuid, &old.key)
}
