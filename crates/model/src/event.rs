//! What is written to the job log: a closed set of events, rendered in one place.
//!
//! There is no event with free text from a device, so that none can carry a secret: what a device
//! said is quoted only in a [`Failure`] and in the answer to a command that somebody asked for, and both have been
//! through the secret finder.

use crate::{CredentialId, DeviceId, Failure, JobId, SshProfile, VersionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How important an event is; the less important are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventLevel {
    /// Every step.
    Debug,
    /// What a person wants to read afterwards.
    Info,
    /// Something to look at.
    Warning,
    /// The job did not do what it should.
    Error,
}

impl EventLevel {
    /// All levels, the least important first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// The level of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// The word stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What happened. Sizes are bytes, durations milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A worker took the job.
    Started {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// The way to the device failed and is tried again.
    ConnectionRetried {
        /// Why.
        failure: Failure,
        /// Time until then.
        in_millis: u64,
    },
    /// The device accepted a credential.
    LoggedIn {
        /// The one that worked; `None` for one given by hand.
        credential: Option<CredentialId>,
        /// Connection, handshake and login together.
        millis: u64,
    },
    /// The device refused a credential.
    CredentialRefused {
        /// The one refused.
        credential: Option<CredentialId>,
    },
    /// A credential was suspended: this refusal was one too many in a row. Told once, by the session that saw it.
    CredentialSuspended {
        /// The credential.
        credential: CredentialId,
        /// Devices that refused it without a success in between.
        devices: u32,
    },
    /// The device's host key was stored at the first contact.
    HostKeyLearned {
        /// `SHA256:...`
        fingerprint: String,
    },
    /// The device was found, at the first contact, to need weak algorithms for SSH.
    WeakSsh {
        /// The weakest one among the algorithms agreed on.
        profile: SshProfile,
        /// The algorithms that are no better; names of our own lists.
        algorithms: Vec<String>,
    },
    /// A jump host's host key was stored at the first contact.
    JumpHostKeyLearned {
        /// The jump host's name.
        jump_host: String,
        /// `SHA256:...`
        fingerprint: String,
    },
    /// The device's platform, which was to be found out, is known now.
    PlatformRecognised {
        /// Its name.
        platform: String,
    },
    /// One command was answered.
    CommandOutput {
        /// The command, as the platform defines it.
        command: String,
        /// Size of the answer.
        bytes: u64,
        /// Until the prompt came back.
        millis: u64,
    },
    /// A command that somebody asked for was answered.
    CommandAnswered {
        /// The command, as a log may show it.
        command: String,
        /// Size of the whole answer.
        bytes: u64,
        /// Until the prompt came back.
        millis: u64,
        /// Whether the device carried it out.
        accepted: bool,
        /// The answer without lines that hold secrets, cut where it is long.
        output: String,
    },
    /// The device answers at its port and speaks its protocol.
    Reached {
        /// Until it had introduced itself.
        millis: u64,
    },
    /// The job was not begun.
    Skipped {
        /// Why.
        failure: Failure,
    },
    /// An optional command was refused by the device.
    CommandSkipped {
        /// The command, as the platform defines it.
        command: String,
    },
    /// A new version was stored.
    VersionStored {
        /// Its row.
        version: VersionId,
        /// Its number in the device's history, from 1.
        seq: i64,
        /// Size of all parts.
        bytes: u64,
    },
    /// The device is unchanged, but the platform's definition reads it differently: stored as a version of its own.
    RulesChanged {
        /// Its row.
        version: VersionId,
        /// Its number in the device's history, from 1.
        seq: i64,
    },
    /// The configuration is the one already stored.
    Unchanged,
    /// The configuration is much smaller than the last one, read twice and accepted.
    MuchSmaller {
        /// Size of the last version.
        before: u64,
        /// Size now.
        now: u64,
    },
    /// The attempt failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// Another attempt was planned.
    RetryPlanned {
        /// Time until then.
        in_seconds: u64,
    },
    /// The job was cancelled.
    Cancelled,
}

impl Event {
    /// Name of the event, as stored.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::ConnectionRetried { .. } => "connection_retried",
            Self::LoggedIn { .. } => "logged_in",
            Self::CredentialRefused { .. } => "credential_refused",
            Self::CredentialSuspended { .. } => "credential_suspended",
            Self::HostKeyLearned { .. } => "host_key_learned",
            Self::WeakSsh { .. } => "weak_ssh",
            Self::JumpHostKeyLearned { .. } => "jump_host_key_learned",
            Self::PlatformRecognised { .. } => "platform_recognised",
            Self::CommandOutput { .. } => "command_output",
            Self::CommandAnswered { .. } => "command_answered",
            Self::Reached { .. } => "reached",
            Self::Skipped { .. } => "skipped",
            Self::CommandSkipped { .. } => "command_skipped",
            Self::VersionStored { .. } => "version_stored",
            Self::RulesChanged { .. } => "rules_changed",
            Self::Unchanged => "unchanged",
            Self::MuchSmaller { .. } => "much_smaller",
            Self::Failed { .. } => "failed",
            Self::RetryPlanned { .. } => "retry_planned",
            Self::Cancelled => "cancelled",
        }
    }

    /// How important it is.
    pub fn level(&self) -> EventLevel {
        match self {
            Self::CommandOutput { .. } | Self::Started { .. } => EventLevel::Debug,
            Self::ConnectionRetried { .. }
            | Self::CredentialRefused { .. }
            | Self::WeakSsh { .. }
            | Self::MuchSmaller { .. }
            | Self::Skipped { .. }
            | Self::CommandAnswered { accepted: false, .. }
            | Self::CommandSkipped { .. } => EventLevel::Warning,
            Self::Failed { .. } | Self::CredentialSuspended { .. } => EventLevel::Error,
            _ => EventLevel::Info,
        }
    }

    /// Whether it tells of success; `None` where the question makes no sense.
    pub fn success(&self) -> Option<bool> {
        match self {
            Self::LoggedIn { .. } | Self::CommandOutput { .. } | Self::Reached { .. } => Some(true),
            Self::CommandAnswered { accepted, .. } => Some(*accepted),
            Self::VersionStored { .. } | Self::RulesChanged { .. } | Self::Unchanged => Some(true),
            Self::Failed { .. } | Self::ConnectionRetried { .. } => Some(false),
            Self::CredentialRefused { .. } | Self::CommandSkipped { .. } => Some(false),
            _ => None,
        }
    }

    /// What a device answered, for the log's own column; `None` for all other events.
    pub fn output(&self) -> Option<&str> {
        match self {
            Self::CommandAnswered { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Calls `visit` with each text of it that is not one of a closed set, so that what comes from elsewhere can be looked
    /// through once more.
    pub fn visit_texts(&mut self, mut visit: impl FnMut(&mut String)) {
        match self {
            Self::ConnectionRetried { failure, .. }
            | Self::Failed { failure }
            | Self::Skipped { failure } => {
                visit(&mut failure.message);
            }
            Self::CommandOutput { command, .. } | Self::CommandSkipped { command } => visit(command),
            Self::CommandAnswered { command, output, .. } => {
                visit(command);
                visit(output);
            }
            Self::HostKeyLearned { fingerprint } => visit(fingerprint),
            Self::WeakSsh { algorithms, .. } => algorithms.iter_mut().for_each(visit),
            Self::JumpHostKeyLearned { jump_host, fingerprint } => {
                visit(jump_host);
                visit(fingerprint);
            }
            Self::PlatformRecognised { platform } => visit(platform),
            Self::Started { .. }
            | Self::LoggedIn { .. }
            | Self::Reached { .. }
            | Self::CredentialRefused { .. }
            | Self::CredentialSuspended { .. }
            | Self::VersionStored { .. }
            | Self::RulesChanged { .. }
            | Self::Unchanged
            | Self::MuchSmaller { .. }
            | Self::RetryPlanned { .. }
            | Self::Cancelled => {}
        }
    }

    /// The sentence a person reads.
    pub fn message(&self) -> String {
        let named = |credential: &Option<CredentialId>| match credential {
            Some(id) => format!("credential {id}"),
            None => "the given credential".to_owned(),
        };
        match self {
            Self::Started { attempt } => format!("attempt {attempt} started"),
            Self::ConnectionRetried { failure, in_millis } => {
                format!("{failure}; trying again in {in_millis} ms")
            }
            Self::LoggedIn { credential, millis } => {
                format!("logged in with {} after {millis} ms", named(credential))
            }
            Self::CredentialRefused { credential } => format!("the device refused {}", named(credential)),
            Self::CredentialSuspended { credential, devices } => format!(
                "credential {credential} is suspended: {devices} devices refused it in a row; nobody is shown it until \
                 `netraven credential resume` or a new password"
            ),
            Self::HostKeyLearned { fingerprint } => {
                format!("first contact: host key {fingerprint} stored")
            }
            Self::WeakSsh { profile, algorithms } => format!(
                "the device knows no better SSH than the profile {} ({}), which is weak",
                profile.as_str(),
                algorithms.join(", ")
            ),
            Self::JumpHostKeyLearned { jump_host, fingerprint } => {
                format!("first contact with jump host {jump_host}: host key {fingerprint} stored")
            }
            Self::PlatformRecognised { platform } => format!("recognised as platform {platform}"),
            Self::CommandOutput { command, bytes, millis } => {
                format!("`{command}` answered with {bytes} bytes in {millis} ms")
            }
            Self::CommandAnswered { command, bytes, millis, accepted: true, .. } => {
                format!("`{command}` answered with {bytes} bytes in {millis} ms")
            }
            Self::CommandAnswered { command, .. } => format!("the device refused `{command}`"),
            Self::Reached { millis } => {
                format!("the device answers and speaks its protocol, after {millis} ms")
            }
            Self::Skipped { failure } => format!("skipped: {}", failure.message),
            Self::CommandSkipped { command } => {
                format!("the device does not know the optional `{command}`")
            }
            Self::VersionStored { seq, bytes, .. } => format!("version {seq} stored, {bytes} bytes"),
            Self::RulesChanged { seq, .. } => {
                format!("unchanged; version {seq} stored, because the platform's definition changed")
            }
            Self::Unchanged => "unchanged".to_owned(),
            Self::MuchSmaller { before, now } => {
                format!("much smaller than before ({now} bytes after {before}), read twice and kept")
            }
            Self::Failed { failure } => failure.to_string(),
            Self::RetryPlanned { in_seconds } => format!("another attempt in {in_seconds} s"),
            Self::Cancelled => "cancelled".to_owned(),
        }
    }
}

/// An event with its job, device and time: one row of `job_logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Identity of the event, so that writing it twice stores it once.
    pub id: Uuid,
    /// The job; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// The device; `None` where it is not in the inventory.
    pub device: Option<DeviceId>,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl JobEvent {
    /// An event with a fresh id.
    pub fn new(job: Option<JobId>, device: Option<DeviceId>, timestamp: DateTime<Utc>, event: Event) -> Self {
        Self { id: Uuid::now_v7(), job, device, timestamp, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, Phase};

    #[test]
    fn events_are_stored_under_the_name_they_serialize_with() {
        let failure = Failure::new(ErrorCode::Refused, Phase::Connect, "no");
        for event in [
            Event::Started { attempt: 1 },
            Event::Unchanged,
            Event::Failed { failure },
            Event::CommandSkipped { command: "x".into() },
            Event::CredentialSuspended { credential: CredentialId(1), devices: 3 },
            Event::CommandAnswered {
                command: "show clock".into(),
                bytes: 9,
                millis: 3,
                accepted: true,
                output: "12:00:00\n".into(),
            },
            Event::Reached { millis: 4 },
            Event::MuchSmaller { before: 2, now: 1 },
            Event::WeakSsh { profile: SshProfile::Legacy, algorithms: vec!["ssh-dss".into()] },
        ] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["event"], event.name());
            assert!(!event.message().is_empty());
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }
}
