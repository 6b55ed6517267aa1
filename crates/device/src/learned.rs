//! What sessions learn of a device and of the jump hosts before it.

use crate::outcome::LearnedHop;
use crate::request::Access;
use netraven_model::{Event, HostKey, SshProfile};

/// What was learned so far. It binds the sessions that follow.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) host_key: Option<HostKey>,
    pub(crate) profile: Option<SshProfile>,
    pub(crate) hops: Vec<LearnedHop>,
}

impl Learned {
    /// Takes what one connection brought; answers what is worth an event.
    pub(crate) fn take(
        &mut self,
        host_key: Option<HostKey>,
        profile: Option<(SshProfile, Vec<String>)>,
        hops: Vec<LearnedHop>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for hop in hops {
            if let Some(key) = &hop.host_key {
                let (jump_host, fingerprint) = (hop.target.hostname.clone(), key.fingerprint.clone());
                events.push(Event::JumpHostKeyLearned { jump_host, fingerprint });
            }
            self.hops.push(hop);
        }
        if let Some(key) = host_key {
            events.push(Event::HostKeyLearned { fingerprint: key.fingerprint.clone() });
            self.host_key = Some(key);
        }
        if let Some((profile, algorithms)) = profile {
            self.profile = Some(profile);
            if profile > SshProfile::Modern {
                events.push(Event::WeakSsh { profile, algorithms });
            }
        }
        events
    }

    /// Adds to an access what it did not know.
    pub(crate) fn bind(&self, access: &mut Access) {
        if access.host_keys.is_empty() {
            access.host_keys.extend(self.host_key.clone());
        }
        access.profile = access.profile.or(self.profile);
        for hop in &mut access.via {
            for learned in self.hops.iter().filter(|learned| learned.target == hop.target) {
                if hop.host_keys.is_empty() {
                    hop.host_keys.extend(learned.host_key.clone());
                }
                hop.profile = hop.profile.or(learned.profile);
            }
        }
    }
}
