use crate::request::Access;
use crate::ssh::{OpenFailure, SshConnection};
use netraven_model::{Facts, Failure, Hash256, HostKey, JobEvent, SshProfile, Target};
use netraven_seal::SealedConfig;

/// What became of one backup.
pub type CollectOutcome = Outcome<Collected>;

/// What became of one course of sessions with a device.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What was wanted, or why there is none.
    pub result: Result<T, Failure>,
    /// The host key, when the device was seen for the first time.
    pub learned: Option<HostKey>,
    /// The weakest SSH profile that the device needs, when none was given.
    pub profile: Option<SshProfile>,
    /// What was learned of the jump hosts on the way.
    pub hops: Vec<LearnedHop>,
    /// What the device said to the credential.
    pub login: LoginResult,
    /// What happened, in order.
    pub events: Vec<JobEvent>,
    /// The dialogue with the device, redacted.
    pub dialogue: String,
}

/// What was learned of a jump host at its first contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedHop {
    /// The jump host.
    pub target: Target,
    /// Its host key, when none was known.
    pub host_key: Option<HostKey>,
    /// The weakest SSH profile that it needs, when none was given.
    pub profile: Option<SshProfile>,
}

impl LearnedHop {
    /// What a connection to a jump host, or a failed one, brought; `None` where nothing is new.
    pub(crate) fn of(hop: &Access, opened: &Result<SshConnection, OpenFailure>) -> Option<Self> {
        let (host_key, profile) = match opened {
            Ok(connection) => (
                connection.learned().then(|| connection.host_key().clone()),
                hop.profile.is_none().then(|| connection.profile()),
            ),
            Err(failed) => (failed.learned.clone(), None),
        };
        let new = host_key.is_some() || profile.is_some();
        new.then(|| Self { target: hop.target.clone(), host_key, profile })
    }
}

/// A configuration that was read to its end.
#[derive(Debug)]
pub enum Collected {
    /// It means the same as the newest version; nothing was sealed.
    Unchanged {
        /// What the device told about itself.
        facts: Facts,
    },
    /// It is new.
    Changed {
        /// Without secrets, compressed.
        config: Box<SealedConfig>,
        /// What the device told about itself.
        facts: Facts,
        /// It is much smaller than the newest version, and was so when read a second time.
        much_smaller: bool,
        /// The platform's definition that it was read with: a gateway elsewhere may have another one.
        platform_digest: Hash256,
    },
}

/// What the device said to the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// The session never came so far.
    NotTried,
    /// The credential logs in.
    Accepted,
    /// The credential does not log in, or does not open privileged mode.
    Refused,
}
