//! Database ids as types, so that a job's id is never taken for a device's.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

id! {
    /// A row of `devices`.
    DeviceId,
    /// A row of `jobs`.
    JobId,
    /// A row of `runs`: the batch that a schedule or a person started.
    RunId,
    /// A row of `schedules`.
    ScheduleId,
    /// A row of `credentials`.
    CredentialId,
    /// A row of `tags`.
    TagId,
    /// A row of `tag_rules`.
    TagRuleId,
    /// A row of `device_events`.
    ChangeId,
    /// A row of `notification_channels`.
    ChannelId,
    /// A row of `notification_deliveries`.
    DeliveryId,
    /// A row of `users`.
    UserId,
    /// A row of `device_configurations`: one interval in a device's history.
    VersionId,
}
