use netraven_model::{Facts, Failure, HostKey, JobEvent};
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
    /// What the device said to the credential.
    pub login: LoginResult,
    /// What happened, in order.
    pub events: Vec<JobEvent>,
    /// The dialogue with the device, redacted.
    pub dialogue: String,
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
