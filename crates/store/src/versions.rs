//! A device's history: versions and their exact content.

use crate::rows::{hash, unsigned, word};
use crate::{Store, StoreError, devices};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, Hash256, PartKind, Span, VersionId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// One interval in a device's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionRow {
    /// Row.
    pub id: VersionId,
    /// Its device.
    pub device: DeviceId,
    /// Number in the device's history, from 1.
    pub seq: i64,
    /// First seen.
    pub retrieved_at: DateTime<Utc>,
    /// Last seen unchanged.
    pub last_seen: DateTime<Utc>,
    /// Size of all parts in bytes.
    pub size: i64,
    /// Number of parts.
    pub parts: i64,
    /// The platform definition it was taken with.
    pub platform_digest: Hash256,
    /// Remarks, e.g. `much_smaller`.
    pub flags: Vec<String>,
    /// Who changed the configuration, in the device's own words.
    pub changed_by: Option<String>,
}

/// A version with its content.
#[derive(Clone, Debug)]
pub struct Version {
    /// What is known about it.
    pub row: VersionRow,
    /// Its parts, in the platform's order.
    pub parts: Vec<Part>,
}

/// One piece of a version, exactly as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name, e.g. `running-config`.
    pub name: String,
    /// VDOM, chassis member or the like.
    pub context: Option<String>,
    /// The command that brought it.
    pub command: String,
    /// Configuration, state or archive.
    pub kind: PartKind,
    /// Its text.
    pub content: Vec<u8>,
    /// Spans of the text that change without meaning.
    pub volatile: Vec<Span>,
}

/// Which version of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSelector {
    /// The newest.
    Latest,
    /// The one with this number.
    Seq(i64),
    /// The one that was known at this time.
    At(DateTime<Utc>),
}

/// The versions of a device, newest first; with `before_seq` only older ones.
///
/// # Errors
/// [`StoreError::NotFound`] for the device.
pub async fn list(
    store: &Store,
    device: &str,
    limit: u32,
    before_seq: Option<i64>,
) -> Result<Vec<VersionRow>, StoreError> {
    const LIST: &str = concat!(
        version_select!(),
        " WHERE c.device_id = $1 AND ($2::bigint IS NULL OR c.seq < $2) ORDER BY c.seq DESC LIMIT $3"
    );
    let device = devices::get(store, device).await?.id;
    sqlx::query_as(LIST)
        .bind(device.0)
        .bind(before_seq)
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list versions"))
}

/// One version with its content, decompressed and proven to be what was stored.
///
/// # Errors
/// [`StoreError::NotFound`] for the device or the version, [`StoreError::Corrupt`] for content that is damaged.
pub async fn load(store: &Store, device: &str, selector: VersionSelector) -> Result<Version, StoreError> {
    let id = devices::get(store, device).await?.id;
    let row = find(store, id, selector).await?.ok_or_else(|| {
        let name = match selector {
            VersionSelector::Latest => device.to_owned(),
            VersionSelector::Seq(seq) => format!("{seq} of {device}"),
            VersionSelector::At(time) => format!("{device} at {}", time.to_rfc3339()),
        };
        StoreError::not_found("version", name)
    })?;
    let parts = parts(store, id, row.id, row.seq).await?;
    Ok(Version { row, parts })
}

/// The content of one version, decompressed and proven to be what was stored.
///
/// # Errors
/// [`StoreError::Corrupt`] for content that is damaged.
pub async fn parts(
    store: &Store,
    device: DeviceId,
    version: VersionId,
    seq: i64,
) -> Result<Vec<Part>, StoreError> {
    const PARTS: &str = "SELECT p.*, b.content FROM configuration_parts p
        JOIN configuration_blobs b ON b.device_id = p.device_id AND b.digest = p.digest
        WHERE p.device_id = $1 AND p.version_id = $2 ORDER BY p.position";
    let stored: Vec<StoredPart> = sqlx::query_as(PARTS)
        .bind(device.0)
        .bind(version.0)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read the parts of a version"))?;
    stored.into_iter().map(|part| part.open(device, seq)).collect()
}

async fn find(
    store: &Store,
    device: DeviceId,
    selector: VersionSelector,
) -> Result<Option<VersionRow>, StoreError> {
    const FIND: &str = concat!(
        version_select!(),
        " WHERE c.device_id = $1 AND ($2::bigint IS NULL OR c.seq = $2)",
        " AND ($3::timestamptz IS NULL OR c.retrieved_at <= $3) ORDER BY c.seq DESC LIMIT 1"
    );
    let (seq, at) = match selector {
        VersionSelector::Latest => (None, None),
        VersionSelector::Seq(seq) => (Some(seq), None),
        VersionSelector::At(time) => (None, Some(time)),
    };
    sqlx::query_as(FIND)
        .bind(device.0)
        .bind(seq)
        .bind(at)
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a version"))
}

macro_rules! version_select {
    () => {
        "SELECT c.id, c.device_id, c.seq, c.retrieved_at, c.last_seen, c.size_bytes, c.platform_digest, c.flags,
            c.metadata ->> 'changed_by' AS changed_by,
            (SELECT count(*) FROM configuration_parts p
             WHERE p.device_id = c.device_id AND p.version_id = c.id) AS parts
        FROM device_configurations c"
    };
}
use version_select;

/// A part with its content still compressed.
struct StoredPart {
    part: Part,
    digest: Hash256,
    size: u64,
}

impl StoredPart {
    fn open(self, device: DeviceId, seq: i64) -> Result<Part, StoreError> {
        let content =
            netraven_seal::decompress(&self.part.content, self.size, self.digest).map_err(|error| {
                StoreError::Corrupt {
                    device: device.0,
                    seq,
                    part: self.part.name.clone(),
                    reason: error.to_string(),
                }
            })?;
        Ok(Part { content, ..self.part })
    }
}

impl FromRow<'_, PgRow> for VersionRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: VersionId(row.try_get("id")?),
            device: DeviceId(row.try_get("device_id")?),
            seq: row.try_get("seq")?,
            retrieved_at: row.try_get("retrieved_at")?,
            last_seen: row.try_get("last_seen")?,
            size: row.try_get("size_bytes")?,
            parts: row.try_get("parts")?,
            platform_digest: hash(row, "platform_digest")?,
            flags: row.try_get("flags")?,
            changed_by: row.try_get("changed_by")?,
        })
    }
}

impl FromRow<'_, PgRow> for StoredPart {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let bounds: Vec<i32> = row.try_get("volatile_spans")?;
        let at = |bound: i32| bound.unsigned_abs() as usize;
        let volatile = bounds.as_chunks().0.iter();
        Ok(Self {
            part: Part {
                name: row.try_get("name")?,
                context: row.try_get("context")?,
                command: row.try_get("command")?,
                kind: word(row, "kind", PartKind::from_name)?,
                content: row.try_get("content")?,
                volatile: volatile.map(|&[start, end]| Span { start: at(start), end: at(end) }).collect(),
            },
            digest: hash(row, "digest")?,
            size: unsigned(row, "size_bytes")?,
        })
    }
}
