//! One job's request.

use super::access::AccessBody;
use super::{PROTOCOL, base64};
use netraven_device::{Access, CollectRequest, ExecuteRequest, Previous, ReachRequest};
use netraven_model::{Hash256, JobId};
use netraven_platform::Platform;
use netraven_seal::{FingerprintKey, PublicKey, Sealing};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// What a gateway is to do for a scheduler.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobRequest {
    /// Which requests and answers are spoken.
    pub(crate) protocol: u32,
    /// The job it is done for.
    pub(crate) job: Option<JobId>,
    /// Milliseconds for all of it.
    pub(crate) within: u64,
    /// How the device is reached.
    pub(crate) access: AccessBody,
    /// What is to be done there.
    pub(crate) task: Task,
}

/// What is to be done with a device.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Task {
    /// One backup.
    Collect(Box<CollectTask>),
    /// Some commands.
    Execute {
        /// How to talk to it.
        platform: PlatformRef,
        /// What to ask.
        commands: Vec<String>,
    },
    /// Finding out of which family it is.
    Recognise,
    /// Seeing whether it answers; nobody logs in.
    Reach {
        /// How to talk to it, where that is known.
        platform: Option<PlatformRef>,
    },
}

/// What a backup takes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CollectTask {
    /// How to talk to it.
    pub(crate) platform: PlatformRef,
    /// The device's own key.
    #[serde(with = "base64::fingerprint_key")]
    pub(crate) fingerprint_key: FingerprintKey,
    /// How the values of secrets are kept.
    pub(crate) sealing: Option<SealingBody>,
    /// The newest version there is.
    pub(crate) previous: Option<PreviousBody>,
}

/// A platform, and which definition of it the scheduler knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlatformRef {
    /// Its name.
    pub(crate) name: String,
    /// SHA-256 of the definition.
    pub(crate) digest: Hash256,
}

/// [`Sealing`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SealingBody {
    device: Uuid,
    key_number: u32,
    public_key: [u8; 32],
    site: Option<SiteKey>,
}

/// A key for fingerprints of the whole installation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct SiteKey(#[serde(with = "base64::fingerprint_key")] FingerprintKey);

/// [`Previous`] on its way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PreviousBody {
    significant: Hash256,
    size: u64,
}

impl JobRequest {
    /// For a backup.
    pub(crate) fn collect(request: &CollectRequest, within: Duration) -> Self {
        let task = CollectTask {
            platform: PlatformRef::from(&*request.platform),
            fingerprint_key: request.fingerprint_key.clone(),
            sealing: request.sealing.as_ref().map(SealingBody::from),
            previous: request
                .previous
                .map(|previous| PreviousBody { significant: previous.significant, size: previous.size }),
        };
        Self::new(request.job, &request.access, Task::Collect(Box::new(task)), within)
    }

    /// For commands.
    pub(crate) fn execute(request: &ExecuteRequest) -> Self {
        let (platform, commands) = (PlatformRef::from(&*request.platform), request.commands.clone());
        Self::new(request.job, &request.access, Task::Execute { platform, commands }, request.within)
    }

    /// For finding out the platform.
    pub(crate) fn recognise(request: &CollectRequest, within: Duration) -> Self {
        Self::new(request.job, &request.access, Task::Recognise, within)
    }

    /// For seeing whether a device answers.
    pub(crate) fn reach(request: &ReachRequest, within: Duration) -> Self {
        let platform = request.platform.as_deref().map(PlatformRef::from);
        Self::new(request.job, &request.access, Task::Reach { platform }, within)
    }

    fn new(job: Option<JobId>, access: &Access, task: Task, within: Duration) -> Self {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        Self { protocol: PROTOCOL, job, within, access: AccessBody::from(access), task }
    }
}

impl From<&Platform> for PlatformRef {
    fn from(platform: &Platform) -> Self {
        Self { name: platform.name.clone(), digest: platform.digest }
    }
}

impl From<&Sealing> for SealingBody {
    fn from(sealing: &Sealing) -> Self {
        Self {
            device: sealing.device,
            key_number: sealing.public.number,
            public_key: sealing.public.bytes,
            site: sealing.site.clone().map(SiteKey),
        }
    }
}

impl From<SealingBody> for Sealing {
    fn from(body: SealingBody) -> Self {
        let public = PublicKey { number: body.key_number, bytes: body.public_key };
        Self { device: body.device, public, site: body.site.map(|key| key.0) }
    }
}

impl From<PreviousBody> for Previous {
    fn from(body: PreviousBody) -> Self {
        Self { significant: body.significant, size: body.size }
    }
}
