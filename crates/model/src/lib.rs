//! The nouns of NetRaven: devices, credentials, jobs, parts of a configuration, failures, events.
//!
//! Nothing here does IO and nothing here knows a database, a socket or a key. Every other crate
//! may depend on this one; this one depends on none of them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[macro_use]
mod words;

mod access;
mod breaker;
mod change;
mod device;
pub mod diff;
mod event;
mod failure;
mod hash;
mod ids;
mod job;
mod part;
pub mod schedule;
mod secret;
mod tls;

pub use access::{Protocol, SshProfile};
pub use breaker::Breaker;
pub use change::{ChangeKind, ChannelKind, DeliveryStatus};
pub use device::{DeviceName, DeviceNameError, HostKey, Target};
pub use event::{Event, EventLevel, JobEvent};
pub use failure::{ErrorCode, Failure, Phase};
pub use hash::Hash256;
pub use ids::{
    ChangeId, ChannelId, CredentialId, DeliveryId, DeviceId, JobId, RunId, ScheduleId, TagId, TagRuleId,
    UserId, VersionId,
};
pub use job::{Backoff, JobKind, JobStatus, Outcome, chance};
pub use part::{Facts, PartKind, Span};
pub use secret::{Capture, Login, Secret};
pub use tls::{CertificateCheck, CertificatePin, NoPin, TlsTrust};
