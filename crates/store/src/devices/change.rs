use super::{Device, Reach, get, reach};
use crate::audit::{self, Action, Details, Entry};
use crate::text::{clean, clean_option};
use crate::{Store, StoreError, tag_rules, tags};
use netraven_model::DeviceName;
use serde::Serialize;
use sqlx::PgConnection;

/// What to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct DeviceChange {
    /// New name.
    pub hostname: Option<DeviceName>,
    /// New IP address or DNS name.
    pub address: Option<String>,
    /// New TCP port; `Some(None)` returns to the protocol's own.
    pub port: Option<Option<u16>>,
    /// New platform.
    pub device_type: Option<String>,
    /// New site; an empty text removes it.
    pub site: Option<String>,
    /// New description; an empty text removes it.
    pub description: Option<String>,
    /// New notes; an empty text removes them.
    pub notes: Option<String>,
    /// How it is reached beyond its address.
    pub reach: Reach,
    /// `false`: no run takes the device any more.
    pub enabled: Option<bool>,
    /// All its tags but those that tag rules give it; those that do not exist are made.
    pub tags: Option<Vec<String>>,
}

/// What went with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Stored versions.
    pub versions: i64,
    /// Jobs, with their attempts and logs.
    pub jobs: i64,
}

/// Changes a device.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Duplicate`] for a new name that is taken, [`StoreError::Invalid`].
pub async fn update(store: &Store, name: &str, change: DeviceChange) -> Result<Device, StoreError> {
    const UPDATE: &str = "UPDATE devices SET
            hostname = coalesce($2, hostname), ip_address = coalesce($3, ip_address),
            port = CASE WHEN $4 THEN $5 ELSE port END, device_type = coalesce($6, device_type),
            site = nullif(coalesce($7, site), ''), description = nullif(coalesce($8, description), ''),
            notes = nullif(coalesce($9, notes), ''),
            status = CASE WHEN $10 THEN (CASE status WHEN 'disabled' THEN 'new' ELSE status END)
                          WHEN NOT $10 THEN 'disabled' ELSE status END,
            updated_at = now()
        WHERE id = $1";
    check(&change)?;
    let id = get(store, name).await?.id;
    let mut tx = store.begin("update a device").await?;
    tag_rules::lock_for_devices(&mut tx).await?;
    let new_name = change.hostname.as_ref().map(DeviceName::as_str);
    let changed = sqlx::query(UPDATE)
        .bind(id.0)
        .bind(new_name)
        .bind(clean_option(&change.address))
        .bind(change.port.is_some())
        .bind(change.port.flatten().map(i32::from))
        .bind(clean_option(&change.device_type))
        .bind(clean_option(&change.site))
        .bind(clean_option(&change.description))
        .bind(clean_option(&change.notes))
        .bind(change.enabled)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("update a device", "device", new_name.unwrap_or(name)))?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::not_found("device", name));
    }
    reach::set(&mut tx, &[(id.0, &change.reach)]).await?;
    if let Some(names) = &change.tags {
        tags::clear_devices(&mut tx, &[id.0]).await?;
        let wanted: Vec<_> = names.iter().map(|name| (id.0, clean(name))).collect();
        tags::attach_devices(&mut tx, &wanted).await?;
    }
    tag_rules::apply_to_devices(&mut tx, &[id.0]).await?;
    tx.commit().await.map_err(StoreError::query("update a device"))?;
    get(store, &id.to_string()).await
}

/// Removes a device with its versions, jobs and logs.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, name: &str) -> Result<Removed, StoreError> {
    let failed = StoreError::query("remove a device");
    let device = get(store, name).await?;
    let id = device.id.0;
    let mut tx = store.begin("remove a device").await?;
    tag_rules::lock_for_devices(&mut tx).await?;
    // First the row that everybody locks first: a session's result either comes before or finds nothing.
    let locked = sqlx::query("SELECT 1 FROM devices WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(&failed)?;
    if locked.is_none() {
        return Err(StoreError::not_found("device", name));
    }
    let behind = count(&mut tx, "SELECT count(*) FROM devices WHERE jump_host = $1", id).await?;
    if behind > 0 {
        let reason =
            format!("{behind} devices are reached through it; give them another jump host, or none, first");
        return Err(StoreError::invalid("a jump host", reason));
    }
    let removed = Removed {
        versions: count(&mut tx, "SELECT count(*) FROM device_configurations WHERE device_id = $1", id)
            .await?,
        jobs: count(&mut tx, "SELECT count(*) FROM jobs WHERE device_id = $1", id).await?,
    };
    // Log tables have no foreign keys, so nothing cascades there.
    for statement in [
        "DELETE FROM job_logs WHERE device_id = $1",
        "DELETE FROM connection_logs WHERE device_id = $1",
        "DELETE FROM devices WHERE id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *tx).await.map_err(&failed)?;
    }
    let Removed { versions, jobs } = removed;
    let details = Details::Device { uuid: device.uuid, versions, jobs };
    let entry = Entry::new(Action::DeviceRemoved, device.hostname).with(details);
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(removed)
}

/// Forgets the device's host keys: the next contact learns its key anew. Answers how many were forgotten.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn accept_host_key(store: &Store, name: &str) -> Result<u64, StoreError> {
    let failed = StoreError::query("forget a device's host keys");
    let device = get(store, name).await?;
    let mut tx = store.begin("forget a device's host keys").await?;
    let forgotten = sqlx::query("DELETE FROM host_keys WHERE device_id = $1")
        .bind(device.id.0)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?
        .rows_affected();
    let entry = Entry::new(Action::DeviceHostKeyAccepted, device.hostname);
    let entry = entry.with(Details::HostKeys { forgotten });
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(forgotten)
}

fn check(change: &DeviceChange) -> Result<(), StoreError> {
    for (field, value) in [("address", &change.address), ("platform", &change.device_type)] {
        if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
            return Err(StoreError::invalid("the change", format!("the {field} must not be empty")));
        }
    }
    if change.port == Some(Some(0)) {
        return Err(StoreError::invalid("the change", "a TCP port is 1 to 65535, not 0"));
    }
    tags::check_names(change.tags.as_deref().unwrap_or_default())
}

async fn count(tx: &mut PgConnection, statement: &'static str, id: i64) -> Result<i64, StoreError> {
    sqlx::query_scalar(statement)
        .bind(id)
        .fetch_one(tx)
        .await
        .map_err(StoreError::query("count what belongs to a device"))
}
