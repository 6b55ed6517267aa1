//! Giving back the secrets of a configuration: asked for by somebody with that right, remembered before they are read.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::sealing::vault;
use netraven_model::{Capture, Secret};
use netraven_seal::{Fingerprint, WrappedKey, markers};
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, Actor, Details, Entry};
use netraven_store::secrets::{self, KeptSecret};
use netraven_store::versions::{Part, VersionRow};
use netraven_vault::{DataKey, Vault, reveal};
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// One part as the device sent it.
pub struct Revealed<'a> {
    /// The part.
    pub part: &'a Part,
    /// Its text.
    pub text: Capture,
    /// Whether the device encrypts some of its secrets anew whenever it shows them.
    pub salted: bool,
}

/// The parts as the device sent them. First the audit trail says who wanted them and where they go; where that cannot be
/// written, nothing is read.
pub async fn parts<'a>(
    context: &Context,
    database: &Database,
    device: &str,
    version: &VersionRow,
    parts: &[&'a Part],
    to: &str,
) -> Result<Vec<Revealed<'a>>> {
    let vault = vault(context)?;
    let wanted: BTreeSet<Fingerprint> =
        parts.iter().flat_map(|part| markers(&part.content)).map(|(_, fingerprint)| fingerprint).collect();
    let wanted: Vec<Fingerprint> = wanted.into_iter().collect();
    let store = database.store_as(context, Role::Revealer).await?.with_actor(Actor::shell());
    let details = Details::Revealed { version: version.seq, secrets: wanted.len(), to: to.to_owned() };
    let entry = Entry::new(Action::ConfigurationRevealed, device).with(details);
    let read = async {
        audit::record(&store, &entry).await?;
        secrets::kept(&store, version.device, &wanted).await
    };
    let read = read.await;
    store.close().await;
    let (uuid, kept) = read?;
    let opened = open(&vault, uuid, &kept)?;
    parts.iter().map(|part| one(part, &opened, &kept)).collect()
}

fn open(
    vault: &Vault,
    device: Uuid,
    kept: &HashMap<Fingerprint, KeptSecret>,
) -> Result<HashMap<Fingerprint, Secret>> {
    let mut keys: HashMap<Uuid, DataKey> = HashMap::new();
    let mut opened = HashMap::with_capacity(kept.len());
    for secret in kept.values() {
        let key = data_key(vault, device, &secret.key, &mut keys)?;
        opened.insert(secret.fingerprint, key.open(secret.fingerprint, &secret.ciphertext)?);
    }
    Ok(opened)
}

fn data_key<'k>(
    vault: &Vault,
    device: Uuid,
    wrapped: &WrappedKey,
    keys: &'k mut HashMap<Uuid, DataKey>,
) -> Result<&'k DataKey> {
    match keys.entry(wrapped.id) {
        Slot::Occupied(known) => Ok(known.into_mut()),
        Slot::Vacant(new) => Ok(new.insert(vault.open_capture(device, wrapped)?)),
    }
}

fn one<'a>(
    part: &'a Part,
    opened: &HashMap<Fingerprint, Secret>,
    kept: &HashMap<Fingerprint, KeptSecret>,
) -> Result<Revealed<'a>> {
    let text = reveal(&part.content, |fingerprint| opened.get(&fingerprint)).map_err(|missing| {
        CliError::failed(format!("part '{}' cannot be given back as it was: {missing}", part.name)).hint(
            "it was stored before values were kept, or without them; the next changed configuration brings them",
        )
    })?;
    let salted = |fingerprint: Fingerprint| kept.get(&fingerprint).is_some_and(|secret| secret.salted);
    let salted = markers(&part.content).any(|(_, fingerprint)| salted(fingerprint));
    Ok(Revealed { part, text, salted })
}
