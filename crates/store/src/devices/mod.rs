//! The inventory.

mod add;
mod change;
mod circuit;
mod contact;
mod find;
mod keys;
mod reach;

pub use add::{Imported, NewDevice, OnExisting, add, add_many};
pub use change::{DeviceChange, Removed, accept_host_key, remove, update};
pub use circuit::resume;
pub use contact::{Contact, contact, learn};
pub(crate) use contact::{target, tls_trust};
pub use find::{find, names_of};
pub use keys::{ImportedKeys, host_keys, import_host_keys, without_host_keys};
pub use reach::{MAX_HOPS, Reach, forget_host, known_host, remember_host};

use crate::rows::{optional_word, undecodable, word};
use crate::text::{clean, clean_option, contains_pattern};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, Protocol, SshProfile};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// One device with what is known about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Device {
    /// Row.
    pub id: DeviceId,
    /// Public id that never changes.
    pub uuid: Uuid,
    /// Unique name.
    pub hostname: String,
    /// IP address or DNS name.
    pub ip_address: String,
    /// TCP port; `None` means the protocol's own.
    pub port: Option<u16>,
    /// What is spoken to it.
    pub protocol: Protocol,
    /// The weakest SSH algorithms it may be spoken to with; `None` before the first contact.
    pub ssh_profile: Option<SshProfile>,
    /// Name of the device through which it is reached.
    pub jump_host: Option<String>,
    /// Whom to believe over HTTPS: `verify`, `insecure` or `sha256:` and the digest of a certificate.
    pub tls: String,
    /// Whether protocols before TLS 1.2 may be spoken.
    pub tls_legacy: bool,
    /// Name of its platform.
    pub device_type: String,
    /// Where it stands.
    pub site: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// As the device itself said, like the next two.
    pub serial_number: Option<String>,
    /// Hardware model.
    pub model: Option<String>,
    /// Version of the operating system.
    pub software_version: Option<String>,
    /// Who entered it: `manual` or `import`.
    pub source: String,
    /// For people.
    pub notes: Option<String>,
    /// `new`, `ok`, `failing` or `disabled`.
    pub status: String,
    /// Last session that did what it should.
    pub last_seen: Option<DateTime<Utc>>,
    /// Why the last job failed; `None` after a success.
    pub last_error_code: Option<String>,
    /// The same as a sentence.
    pub last_error: Option<String>,
    /// Jobs that failed one after the other, up to now.
    pub failures_in_row: i32,
    /// Until then schedules leave the device alone; `None` where its circuit breaker is closed.
    pub circuit_open_until: Option<DateTime<Utc>>,
    /// Names of its tags, sorted.
    pub tags: Vec<String>,
    /// When it was entered.
    pub created_at: DateTime<Utc>,
    /// When a person or an import changed it last.
    pub updated_at: DateTime<Utc>,
    /// When its newest version was first seen.
    pub last_changed: Option<DateTime<Utc>>,
    /// Number of stored versions.
    pub versions: i64,
}

/// Which devices to list; an empty filter lists the first [`DeviceFilter::DEFAULT_LIMIT`].
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// With at least one of these tags.
    pub tags: Vec<String>,
    /// Of this platform.
    pub platform: Option<String>,
    /// At this site.
    pub site: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// Text anywhere in name, address or description, upper and lower case alike.
    pub text: Option<String>,
    /// As many at most.
    pub limit: Option<u32>,
    /// Only names behind this one, to go on where the last list ended.
    pub after: Option<String>,
}

impl DeviceFilter {
    /// The limit where none is given.
    pub const DEFAULT_LIMIT: u32 = 100_000;
}

/// Finds a device by its name, its public id or its row's number, in this order.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, name_or_id: &str) -> Result<Device, StoreError> {
    const GET: &str = concat!(
        device_select!(),
        " WHERE d.hostname = $1 OR d.uuid = $2 OR d.id = $3",
        " ORDER BY d.hostname = $1 DESC, d.uuid = $2 DESC LIMIT 1"
    );
    sqlx::query_as(GET)
        .bind(clean(name_or_id))
        .bind(name_or_id.parse::<Uuid>().ok())
        .bind(name_or_id.parse::<i64>().ok())
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a device"))?
        .ok_or_else(|| StoreError::not_found("device", name_or_id))
}

/// The names of devices, sorted; those that are gone have none.
pub async fn names(store: &Store, ids: &[DeviceId]) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar("SELECT hostname FROM devices WHERE id = ANY ($1) ORDER BY hostname")
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("look up the names of devices"))
}

/// Lists devices by name.
pub async fn list(store: &Store, filter: &DeviceFilter) -> Result<Vec<Device>, StoreError> {
    const ANY: &str = list_select!("cardinality($1::bigint[]) = 0");
    const TAGGED: &str = list_select!(
        "d.id IN (SELECT dt.device_id FROM device_tags dt WHERE dt.tag_id = ANY ($1::bigint[]))"
    );
    // Ids rather than names: the server knows how many devices have a tag only when it knows the tag, and goes through
    // the devices by name or by tag accordingly.
    const TAGS: &str = "SELECT id FROM tags WHERE name = ANY ($1::text[])";
    let failed = StoreError::query("list devices");
    let mut tags: Vec<i64> = Vec::new();
    if !filter.tags.is_empty() {
        let names: Vec<_> = filter.tags.iter().map(|tag| clean(tag)).collect();
        tags = sqlx::query_scalar(TAGS).bind(names).fetch_all(store.reader()).await.map_err(&failed)?;
    }
    sqlx::query_as(if filter.tags.is_empty() { ANY } else { TAGGED })
        .bind(tags)
        .bind(clean_option(&filter.platform))
        .bind(clean_option(&filter.site))
        .bind(clean_option(&filter.status))
        .bind(filter.text.as_deref().map(contains_pattern))
        .bind(clean_option(&filter.after))
        .bind(i64::from(filter.limit.unwrap_or(DeviceFilter::DEFAULT_LIMIT)))
        .fetch_all(store.reader())
        .await
        .map_err(failed)
}

macro_rules! device_select {
    () => {
        "SELECT d.*, newest.retrieved_at AS last_changed,
            (SELECT j.hostname FROM devices j WHERE j.id = d.jump_host) AS jump_host_name,
            (SELECT count(*) FROM device_configurations c WHERE c.device_id = d.id) AS versions,
            ARRAY (SELECT t.name FROM device_tags dt JOIN tags t ON t.id = dt.tag_id
                   WHERE dt.device_id = d.id ORDER BY t.name) AS tags
        FROM devices d LEFT JOIN LATERAL (
            SELECT c.retrieved_at FROM device_configurations c
            WHERE c.device_id = d.id ORDER BY c.seq DESC LIMIT 1) newest ON true"
    };
}
use device_select;

macro_rules! list_select {
    ($tagged:literal) => {
        concat!(
            device_select!(),
            " WHERE ",
            $tagged,
            " AND ($2::text IS NULL OR d.device_type = $2)",
            " AND ($3::text IS NULL OR d.site = $3)",
            " AND ($4::text IS NULL OR d.status = $4)",
            " AND ($5::text IS NULL OR d.hostname ILIKE $5 OR d.ip_address ILIKE $5 OR d.description ILIKE $5)",
            " AND ($6::text IS NULL OR d.hostname > $6)",
            " ORDER BY d.hostname LIMIT $7"
        )
    };
}
use list_select;

impl FromRow<'_, PgRow> for Device {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: DeviceId(row.try_get("id")?),
            uuid: row.try_get("uuid")?,
            hostname: row.try_get("hostname")?,
            ip_address: row.try_get("ip_address")?,
            port: port(row)?,
            protocol: word(row, "protocol", Protocol::from_name)?,
            ssh_profile: optional_word(row, "ssh_profile", SshProfile::from_name)?,
            jump_host: row.try_get("jump_host_name")?,
            tls: row.try_get("tls")?,
            tls_legacy: row.try_get("tls_legacy")?,
            device_type: row.try_get("device_type")?,
            site: row.try_get("site")?,
            description: row.try_get("description")?,
            serial_number: row.try_get("serial_number")?,
            model: row.try_get("model")?,
            software_version: row.try_get("software_version")?,
            source: row.try_get("source")?,
            notes: row.try_get("notes")?,
            status: row.try_get("status")?,
            last_seen: row.try_get("last_seen")?,
            last_error_code: row.try_get("last_error_code")?,
            last_error: row.try_get("last_error")?,
            failures_in_row: row.try_get("failures_in_row")?,
            circuit_open_until: row.try_get("circuit_open_until")?,
            tags: row.try_get("tags")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            last_changed: row.try_get("last_changed")?,
            versions: row.try_get("versions")?,
        })
    }
}

/// The `port` column of a device.
pub(crate) fn port(row: &PgRow) -> sqlx::Result<Option<u16>> {
    let port: Option<i32> = row.try_get("port")?;
    port.map(|port| u16::try_from(port).map_err(|_| undecodable("port", format!("{port} is no TCP port"))))
        .transpose()
}
