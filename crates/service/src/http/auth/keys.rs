//! The API keys that are accepted now.

use super::key_file::{KeyFile, KeyFileError, parse_digest};
use super::{AuthSettings, Caller, Right};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use netraven_model::Hash256;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of the key that the settings hold.
const OF_SETTINGS: &str = "key:settings";

/// The digests of all keys that may be used.
pub(crate) struct Keys(Vec<Known>);

struct Known {
    name: Arc<str>,
    digest: [u8; 32],
    rights: BTreeSet<Right>,
}

impl Keys {
    pub(super) fn load(settings: &AuthSettings) -> Result<Self, KeyFileError> {
        let entries = KeyFile::new(&settings.key_file).load()?;
        let of_file = entries.into_iter().filter(|entry| !entry.disabled).filter_map(|entry| {
            let digest = parse_digest(&entry.sha256)?;
            Some(Known { name: format!("key:{}", entry.name).into(), digest, rights: entry.rights })
        });
        let of_settings = settings.api_key.as_ref().map(|key| Known {
            name: OF_SETTINGS.into(),
            digest: Hash256::sha256(key.expose_bytes()).0,
            rights: BTreeSet::new(),
        });
        Ok(Self(of_file.chain(of_settings).collect()))
    }

    /// Whose key this is. Digests are compared, in constant time and with every key, so that the time taken tells nothing.
    pub(super) fn find(&self, key: &[u8]) -> Option<Caller> {
        let digest = Hash256::sha256(key).0;
        let mut found = None;
        for known in &self.0 {
            if verify_slices_are_equal(&known.digest, &digest).is_ok() {
                found = Some(known);
            }
        }
        found.map(|known| Caller { name: known.name.clone(), rights: known.rights.clone() })
    }
}
