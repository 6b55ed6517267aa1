//! What every answer about a device has.

use netraven_model::{Failure, HostKey};
use serde::Serialize;
use utoipa::ToSchema;

/// Where a session failed, and what can be done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Details {
    /// `connect`, `handshake`, `authenticate`, `login`, `enable`, `prepare`, `collect` or `logout`.
    phase: String,
    /// What a person can do about it.
    hint: String,
    /// Whether the same call may succeed later without anybody's doing.
    transient: bool,
}

impl Details {
    pub(crate) fn of(failure: &Failure) -> Self {
        Self {
            phase: failure.phase.to_string(),
            hint: failure.code.hint().to_owned(),
            transient: failure.code.is_transient(),
        }
    }
}

/// The host key that a device showed at the first contact; send it with the next call.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostKeyBody {
    /// Algorithm, e.g. `ssh-ed25519`.
    algorithm: String,
    /// The public key in base64, as in `known_hosts`.
    key: String,
    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    fingerprint: String,
}

impl From<HostKey> for HostKeyBody {
    fn from(key: HostKey) -> Self {
        Self { algorithm: key.algorithm, key: key.key, fingerprint: key.fingerprint }
    }
}

/// Milliseconds as they stand in answers.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
