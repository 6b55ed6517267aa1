use crate::{Store, StoreError};
use netraven_model::DeviceId;
use netraven_seal::{Fingerprint, WrappedKey};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// One secret's value with what opens it.
#[derive(Clone, Debug)]
pub struct KeptSecret {
    /// What stands in its place.
    pub fingerprint: Fingerprint,
    /// The data key of the capture that brought it.
    pub key: WrappedKey,
    /// Its value, encrypted with the data key.
    pub ciphertext: Vec<u8>,
    /// The device shows it differently each time.
    pub salted: bool,
    /// What stands for it on all devices, where that is wanted.
    pub site_fingerprint: Option<Fingerprint>,
}

/// The UUID of a device, which its secrets are bound to, and those of the wanted secrets whose values are kept.
///
/// # Errors
/// [`StoreError::NotFound`] for the device.
pub async fn kept(
    store: &Store,
    device: DeviceId,
    wanted: &[Fingerprint],
) -> Result<(Uuid, HashMap<Fingerprint, KeptSecret>), StoreError> {
    const DEVICE: &str = "SELECT uuid FROM devices WHERE id = $1";
    const KEPT: &str =
        "SELECT v.fingerprint, v.ciphertext, v.salted, v.site_fingerprint, k.id, k.key_number, k.wrapped
        FROM sealed_values v JOIN sealed_keys k ON k.device_id = v.device_id AND k.id = v.key_id
        WHERE v.device_id = $1 AND v.fingerprint = ANY ($2)";
    let failed = StoreError::query("read the secrets of a device");
    let uuid: Option<Uuid> =
        sqlx::query_scalar(DEVICE).bind(device.0).fetch_optional(store.reader()).await.map_err(&failed)?;
    let uuid = uuid.ok_or_else(|| StoreError::not_found("device", device.to_string()))?;
    let wanted: Vec<&[u8]> = wanted.iter().map(|fingerprint| &fingerprint.0[..]).collect();
    let rows: Vec<KeptSecret> =
        sqlx::query_as(KEPT).bind(device.0).bind(wanted).fetch_all(store.reader()).await.map_err(&failed)?;
    Ok((uuid, rows.into_iter().map(|secret| (secret.fingerprint, secret)).collect()))
}

impl FromRow<'_, PgRow> for KeptSecret {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let number: i64 = row.try_get("key_number")?;
        Ok(Self {
            fingerprint: fingerprint(row.try_get("fingerprint")?)?,
            key: WrappedKey {
                id: row.try_get("id")?,
                number: key_number(number)?,
                wrapped: row.try_get("wrapped")?,
            },
            ciphertext: row.try_get("ciphertext")?,
            salted: row.try_get("salted")?,
            site_fingerprint: row
                .try_get::<Option<&[u8]>, _>("site_fingerprint")?
                .map(fingerprint)
                .transpose()?,
        })
    }
}

pub(super) fn key_number(number: i64) -> sqlx::Result<u32> {
    u32::try_from(number).map_err(|_| sqlx::Error::Decode(format!("{number} is no number of a key").into()))
}

/// A check of the table makes them 16 bytes long.
pub(super) fn fingerprint(bytes: &[u8]) -> sqlx::Result<Fingerprint> {
    let wrong = || sqlx::Error::Decode(format!("a fingerprint has {} bytes", bytes.len()).into());
    bytes.try_into().map(Fingerprint).map_err(|_| wrong())
}
