use crate::text::clean;
use crate::{Store, StoreError};
use netraven_model::DeviceId;
use uuid::Uuid;

/// The number of the device of that name, public id or number, in this order. Also for roles that see nothing else of it.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn find(store: &Store, name_or_id: &str) -> Result<DeviceId, StoreError> {
    const FIND: &str = "SELECT id FROM devices WHERE hostname = $1 OR uuid = $2 OR id = $3
        ORDER BY hostname = $1 DESC, uuid = $2 DESC LIMIT 1";
    sqlx::query_scalar(FIND)
        .bind(clean(name_or_id))
        .bind(name_or_id.parse::<Uuid>().ok())
        .bind(name_or_id.parse::<i64>().ok())
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a device"))?
        .map(DeviceId)
        .ok_or_else(|| StoreError::not_found("device", name_or_id))
}

/// The names of these devices; those that are gone have none.
pub async fn names_of(store: &Store, devices: &[DeviceId]) -> Result<Vec<(DeviceId, String)>, StoreError> {
    const NAMES: &str = "SELECT id, hostname FROM devices WHERE id = ANY ($1::bigint[])";
    let ids: Vec<i64> = devices.iter().map(|id| id.0).collect();
    let found: Vec<(i64, String)> = sqlx::query_as(NAMES)
        .bind(ids)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("look up the names of devices"))?;
    Ok(found.into_iter().map(|(id, name)| (DeviceId(id), name)).collect())
}
