//! Collect the configuration, and tell a changed device from a changed definition.

use super::Done;
use crate::scheduler::job::Course;
use netraven_device::{Access, Collected};
use netraven_model::{Capture, CredentialId, Failure};
use netraven_platform::{Platform, Spans};
use netraven_seal::RawPart;
use netraven_store::versions::{self, Part};
use std::sync::Arc;

impl Course<'_> {
    pub(super) async fn back_up(
        &mut self,
        access: Access,
        credential: CredentialId,
        platform: Arc<Platform>,
    ) -> Result<Done, Failure> {
        let request = self.collect_request(access, &platform);
        let outcome = self.context.collector.collect(&request).await;
        let collected = self.take(outcome, credential)?;
        self.rules_only = self.only_rules_changed(&collected, &platform).await;
        Ok(Done::BackedUp(collected))
    }

    /// Whether the device is unchanged and only the definition reads it differently than when its newest version was
    /// taken. Where that cannot be said, it is a change.
    async fn only_rules_changed(&self, collected: &Collected, platform: &Platform) -> bool {
        let (Collected::Changed { config, platform_digest, .. }, Some(previous)) =
            (collected, &self.claimed.previous)
        else {
            return false;
        };
        if previous.platform_digest == *platform_digest {
            return false;
        }
        if *platform_digest != platform.digest {
            tracing::warn!(device = %self.claimed.device, platform = platform.name, "the gateway has another definition of the platform, whose rules are not known here");
            return false;
        }
        let store = &self.context.stores.scheduler;
        let before = versions::parts(store, self.claimed.device, previous.version, previous.seq).await;
        let before = before.map_err(|error| error.to_string());
        let key = self.context.vault.fingerprint_key(self.claimed.target.uuid);
        let same = before.and_then(|parts| {
            let parts = parts.into_iter().map(|part| reread(part, platform)).collect();
            config.means_the_same(parts, &key).map_err(|error| error.to_string())
        });
        same.unwrap_or_else(|error| {
            tracing::warn!(device = %self.claimed.device, error, "the newest version could not be read with the new definition");
            false
        })
    }
}

/// A stored part as if it had come from the device just now.
fn reread(part: Part, platform: &Platform) -> RawPart {
    let Spans { secrets, volatile } = platform.find_spans(&part.name, part.kind, &part.content);
    RawPart {
        secrets,
        volatile,
        name: part.name,
        context: part.context,
        command: part.command,
        kind: part.kind,
        capture: Capture::new(part.content),
    }
}
