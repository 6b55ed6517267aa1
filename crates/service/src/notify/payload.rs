//! What a webhook carries. docs/notifications.md describes it; a change of its shape changes its number.

use chrono::{DateTime, Utc};
use netraven_model::ChangeKind;
use netraven_store::notifications::Delivery;
use serde::Serialize;
use uuid::Uuid;

/// Number of this shape.
const SCHEMA: u32 = 1;

/// The word of a message that tells of nothing but itself.
pub(super) const TEST: &str = "test";

/// One change.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'a> {
    schema: u32,
    /// The change's; the same for all channels.
    id: i64,
    event: &'a str,
    at: DateTime<Utc>,
    device: Option<Device<'a>>,
    job: Option<i64>,
    version: Option<Version>,
    code: Option<&'a str>,
    message: Option<&'a str>,
}

/// A device; of one that is gone the name is left.
#[derive(Debug, Serialize)]
struct Device<'a> {
    uuid: Option<Uuid>,
    name: &'a str,
    address: Option<&'a str>,
    platform: Option<&'a str>,
    site: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Version {
    id: i64,
    seq: i64,
}

impl<'a> Payload<'a> {
    pub(super) fn of(delivery: &'a Delivery) -> Self {
        let (change, device) = (&delivery.change, delivery.device.as_ref());
        Self {
            schema: SCHEMA,
            id: change.id.0,
            event: ChangeKind::as_str(change.event),
            at: change.at,
            device: Some(Device {
                uuid: device.map(|device| device.uuid),
                name: &change.hostname,
                address: device.map(|device| device.address.as_str()),
                platform: device.map(|device| device.platform.as_str()),
                site: device.and_then(|device| device.site.as_deref()),
            }),
            job: change.job.map(|job| job.0),
            version: change.version.zip(change.seq).map(|(id, seq)| Version { id: id.0, seq }),
            code: change.error_code.map(|code| code.as_str()),
            message: change.message.as_deref(),
        }
    }

    pub(super) fn test(at: DateTime<Utc>) -> Self {
        let message = Some("This is a test: nothing happened.");
        Self {
            schema: SCHEMA,
            id: 0,
            event: TEST,
            at,
            device: None,
            job: None,
            version: None,
            code: None,
            message,
        }
    }

    pub(super) fn event(&self) -> &'a str {
        self.event
    }
}
