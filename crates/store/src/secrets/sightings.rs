use super::open::fingerprint;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::DeviceId;
use netraven_seal::Fingerprint;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A device that has, or had, a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub hostname: String,
    /// What stands for the secret in its configurations.
    pub fingerprint: Fingerprint,
    /// When it was seen there first.
    pub first_seen: DateTime<Utc>,
}

/// The devices in whose configurations the same secret stands or stood, by name.
///
/// # Errors
/// The database failed.
pub async fn sightings(store: &Store, site_fingerprint: Fingerprint) -> Result<Vec<Sighting>, StoreError> {
    const SIGHTINGS: &str = "SELECT v.device_id, d.hostname, v.fingerprint, v.first_seen
        FROM sealed_values v JOIN devices d ON d.id = v.device_id
        WHERE v.site_fingerprint = $1 ORDER BY d.hostname, v.device_id";
    sqlx::query_as(SIGHTINGS)
        .bind(&site_fingerprint.0[..])
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("look up where a secret stands"))
}

/// A secret on one device alone, for one whose site fingerprint is not kept.
///
/// # Errors
/// The database failed.
pub async fn sighting_on(
    store: &Store,
    device: DeviceId,
    fingerprint: Fingerprint,
) -> Result<Option<Sighting>, StoreError> {
    const SIGHTING: &str = "SELECT v.device_id, d.hostname, v.fingerprint, v.first_seen
        FROM sealed_values v JOIN devices d ON d.id = v.device_id
        WHERE v.device_id = $1 AND v.fingerprint = $2";
    sqlx::query_as(SIGHTING)
        .bind(device.0)
        .bind(&fingerprint.0[..])
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a secret of a device"))
}

impl FromRow<'_, PgRow> for Sighting {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            device: DeviceId(row.try_get("device_id")?),
            hostname: row.try_get("hostname")?,
            fingerprint: fingerprint(row.try_get("fingerprint")?)?,
            first_seen: row.try_get("first_seen")?,
        })
    }
}
