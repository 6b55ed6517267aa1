//! Key rotation: everything that was encrypted with an older key gets the newest one.
//!
//! Nothing is remembered between two batches: what is left to do is what still has another key. So a rotation that was
//! killed goes on where it was, and several at once do no harm. A row that changed while it was encrypted anew is left
//! to the next pass.

mod pass;

pub use pass::{Rotated, RotationError};

use netraven_store::audit::{self, Action, Details, Entry};
use netraven_store::{Store, secrets};
use netraven_vault::Vault;
use std::sync::Arc;

/// Passes over what is left, after which a rotation gives up on rows that change all the time.
const PASSES: u32 = 5;

/// Encrypts anew, with the rights of `Role::Rotator`.
#[derive(Clone, Debug)]
pub struct Rotation {
    store: Store,
    vault: Arc<Vault>,
}

impl Rotation {
    /// With the store of its role.
    pub fn new(store: Store, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }

    /// Makes a new key; its number.
    ///
    /// # Errors
    /// [`RotationError::KeyMissing`] where something was encrypted with a key that is not there, as after an old key file
    /// was put back: the new key could get the number of that one, and nobody could tell them apart.
    pub async fn add_key(&self) -> Result<u32, RotationError> {
        let held = |number: i64| u32::try_from(number).is_ok_and(|number| self.vault.holds_key(number));
        let uses = secrets::key_uses(&self.store).await?;
        match uses.iter().find(|uses| !held(uses.number)) {
            Some(uses) => Err(RotationError::KeyMissing(uses.number)),
            None => Ok(self.vault.add_key()?),
        }
    }

    /// Brings everything to the newest key; `progress` hears after each batch how many were done so far. What does not
    /// open is counted, logged, and stays as it is.
    ///
    /// # Errors
    /// The database failed, or the keys are not to be had. What was done until then stays done.
    pub async fn run(&self, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Rotated, RotationError> {
        let key = self.vault.newest_key();
        let mut all = Rotated { key, ..Rotated::default() };
        for _ in 0..PASSES {
            let pass =
                pass::run(&self.store, &self.vault, &mut |renewed| progress(all.renewed + renewed)).await?;
            all.renewed += pass.renewed;
            all.unopened = pass.unopened;
            // A key that came meanwhile, and rows that were written meanwhile, take another pass.
            all.key = self.vault.newest_key();
            if self.left().await? <= all.unopened {
                break;
            }
        }
        if all.renewed > 0 || all.unopened > 0 {
            let Rotated { key, renewed, unopened } = all;
            let entry = Entry::new(Action::KeyRotated, format!("key {key}"));
            let entry = entry.with(Details::Rotated { key, renewed, unopened });
            let entry = if unopened > 0 { entry.failed() } else { entry };
            audit::record(&self.store, &entry).await?;
        }
        Ok(all)
    }

    /// How many secrets and data keys have another key than the newest.
    ///
    /// # Errors
    /// The database failed.
    pub async fn left(&self) -> Result<u64, RotationError> {
        let newest = i64::from(self.vault.newest_key());
        let uses = secrets::key_uses(&self.store).await?;
        let older = uses.iter().filter(|uses| uses.number != newest);
        Ok(older.map(|uses| uses.total()).sum())
    }
}
