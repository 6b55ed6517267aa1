use super::{Device, Reach, get, reach};
use crate::text::{clean, clean_option};
use crate::{Store, StoreError, tag_rules, tags};
use netraven_model::DeviceName;
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};

/// A device to enter.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// Unique name.
    pub hostname: DeviceName,
    /// IP address or DNS name.
    pub address: String,
    /// TCP port; `None` means the platform's for the protocol.
    pub port: Option<u16>,
    /// Name of its platform.
    pub device_type: String,
    /// Where it stands.
    pub site: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// How it is reached beyond its address.
    pub reach: Reach,
    /// Names of tags; those that do not exist are made. Empty means the tag `default`. Tag rules may add others.
    pub tags: Vec<String>,
}

/// What an import does with a device that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// Leave it as it is.
    Skip,
    /// Give it the new values; its tags only where some are given.
    Update,
    /// Refuse the whole import.
    Fail,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Devices that are new.
    pub added: u64,
    /// Devices that got new values.
    pub updated: u64,
    /// Devices left as they were.
    pub skipped: u64,
}

/// Enters one device.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for an empty address or platform.
pub async fn add(store: &Store, device: NewDevice) -> Result<Device, StoreError> {
    let name = device.hostname.clone();
    import(store, vec![device], OnExisting::Fail, "manual").await?;
    get(store, name.as_str()).await
}

/// Enters many devices in one transaction: all or none.
///
/// # Errors
/// As [`add`], and [`StoreError::Invalid`] for a name that comes twice.
pub async fn add_many(
    store: &Store,
    devices: Vec<NewDevice>,
    on_existing: OnExisting,
) -> Result<Imported, StoreError> {
    import(store, devices, on_existing, "import").await
}

async fn import(
    store: &Store,
    mut devices: Vec<NewDevice>,
    on_existing: OnExisting,
    source: &str,
) -> Result<Imported, StoreError> {
    check(&devices)?;
    // Everybody inserts and updates in the same order, so that two imports wait for each other and never in a circle.
    devices.sort_unstable_by(|a, b| a.hostname.cmp(&b.hostname));
    let columns = Columns::of(&devices);
    let mut tx = store.begin("import devices").await?;
    tag_rules::lock_for_devices(&mut tx).await?;
    let added = insert(&mut tx, &columns, source).await?;
    for device in devices.iter_mut().filter(|device| added.contains_key(device.hostname.as_str())) {
        device.reach.protocol = device.reach.protocol.or(device.reach.usual_protocol);
    }
    let existing = |device: &&NewDevice| !added.contains_key(device.hostname.as_str());
    if let (OnExisting::Fail, Some(device)) = (on_existing, devices.iter().find(existing)) {
        return Err(StoreError::Duplicate { what: "device", name: device.hostname.to_string() });
    }
    let default = [tags::DEFAULT.to_owned()];
    let mut wanted = Vec::new();
    let mut touched: Vec<i64> = added.values().copied().collect();
    for device in &devices {
        if let Some(id) = added.get(device.hostname.as_str()) {
            let names = if device.tags.is_empty() { &default[..] } else { &device.tags };
            wanted.extend(names.iter().map(|name| (*id, clean(name))));
        }
    }
    let others = (devices.len() - added.len()) as u64;
    let mut imported = Imported { added: added.len() as u64, updated: 0, skipped: others };
    let mut updated = HashMap::new();
    if on_existing == OnExisting::Update && others > 0 {
        updated = update(&mut tx, &columns, &touched).await?;
        touched.extend(updated.values());
        let retagged = devices.iter().filter(|device| !device.tags.is_empty());
        let retagged: Vec<_> =
            retagged.filter_map(|device| Some((*updated.get(device.hostname.as_str())?, device))).collect();
        tags::clear_devices(&mut tx, &retagged.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await?;
        for (id, device) in retagged {
            wanted.extend(device.tags.iter().map(|name| (id, clean(name))));
        }
        imported = Imported { updated: others, skipped: 0, ..imported };
    }
    let ids: HashMap<_, _> = added.iter().chain(&updated).collect();
    let reached =
        devices.iter().filter_map(|device| Some((**ids.get(&device.hostname.to_string())?, &device.reach)));
    reach::set(&mut tx, &reached.collect::<Vec<_>>()).await?;
    tags::attach_devices(&mut tx, &wanted).await?;
    tag_rules::apply_to_devices(&mut tx, &touched).await?;
    tx.commit().await.map_err(StoreError::query("import devices"))?;
    Ok(imported)
}

fn check(devices: &[NewDevice]) -> Result<(), StoreError> {
    let mut names = HashSet::with_capacity(devices.len());
    for device in devices {
        let name = &device.hostname;
        let wrong = |reason: &str| StoreError::invalid("a device", format!("'{name}' {reason}"));
        if !names.insert(name.as_str()) {
            return Err(wrong("is named twice; keep one of the two lines"));
        }
        if device.address.trim().is_empty() {
            return Err(wrong("has no address; give an IP address or a DNS name"));
        }
        if device.device_type.trim().is_empty() {
            return Err(wrong("has no platform; `netraven platform list` shows those there are"));
        }
        if device.port == Some(0) {
            return Err(wrong("has port 0; a TCP port is 1 to 65535"));
        }
        tags::check_names(&device.tags)?;
    }
    Ok(())
}

/// The devices as one array per column, for `UNNEST`.
struct Columns {
    hostnames: Vec<String>,
    addresses: Vec<String>,
    ports: Vec<Option<i32>>,
    platforms: Vec<String>,
    sites: Vec<Option<String>>,
    descriptions: Vec<Option<String>>,
}

impl Columns {
    fn of(devices: &[NewDevice]) -> Self {
        Self {
            hostnames: devices.iter().map(|device| device.hostname.to_string()).collect(),
            addresses: devices.iter().map(|device| clean(&device.address).into_owned()).collect(),
            ports: devices.iter().map(|device| device.port.map(i32::from)).collect(),
            platforms: devices.iter().map(|device| clean(&device.device_type).into_owned()).collect(),
            sites: devices.iter().map(|device| clean_option(&device.site)).collect(),
            descriptions: devices.iter().map(|device| clean_option(&device.description)).collect(),
        }
    }
}

/// Ids of the devices that are new, by name.
async fn insert(
    tx: &mut PgConnection,
    columns: &Columns,
    source: &str,
) -> Result<HashMap<String, i64>, StoreError> {
    const INSERT: &str =
        "INSERT INTO devices (hostname, ip_address, port, device_type, site, description, source)
        SELECT d.*, $7 FROM UNNEST($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[]) AS d
        ON CONFLICT (hostname) DO NOTHING RETURNING hostname, id";
    let rows: Vec<(String, i64)> = sqlx::query_as(INSERT)
        .bind(&columns.hostnames)
        .bind(&columns.addresses)
        .bind(&columns.ports)
        .bind(&columns.platforms)
        .bind(&columns.sites)
        .bind(&columns.descriptions)
        .bind(source)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("enter devices"))?;
    Ok(rows.into_iter().collect())
}

/// Ids of the devices that were there before, by name.
async fn update(
    tx: &mut PgConnection,
    columns: &Columns,
    added: &[i64],
) -> Result<HashMap<String, i64>, StoreError> {
    // A field that the import leaves empty keeps its value.
    const UPDATE: &str = "UPDATE devices SET ip_address = d.address, port = coalesce(d.port, devices.port),
            device_type = d.platform, site = coalesce(d.site, devices.site),
            description = coalesce(d.description, devices.description), updated_at = now()
        FROM UNNEST($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[])
            AS d (hostname, address, port, platform, site, description)
        WHERE devices.hostname = d.hostname AND devices.id <> ALL ($7)
        RETURNING devices.hostname, devices.id";
    let failed = StoreError::query("update devices");
    sqlx::query("SELECT id FROM devices WHERE hostname = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(&columns.hostnames)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    let rows: Vec<(String, i64)> = sqlx::query_as(UPDATE)
        .bind(&columns.hostnames)
        .bind(&columns.addresses)
        .bind(&columns.ports)
        .bind(&columns.platforms)
        .bind(&columns.sites)
        .bind(&columns.descriptions)
        .bind(added)
        .fetch_all(tx)
        .await
        .map_err(&failed)?;
    Ok(rows.into_iter().collect())
}
