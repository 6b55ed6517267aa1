use crate::rows::{optional_word, word};
use crate::{Store, StoreError, devices};
use chrono::{DateTime, Utc};
use netraven_model::{ChangeId, ChangeKind, DeviceId, ErrorCode, JobId, VersionId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    /// Row; later entries have higher ones.
    pub id: ChangeId,
    /// The device, which may be gone.
    pub device: DeviceId,
    /// Its name at that time.
    pub hostname: String,
    /// What happened.
    pub event: ChangeKind,
    /// When.
    pub at: DateTime<Utc>,
    /// The job that saw it.
    pub job: Option<JobId>,
    /// The version that brought it.
    pub version: Option<VersionId>,
    /// That version's number in the device's history.
    pub seq: Option<i64>,
    /// Why it fails.
    pub error_code: Option<ErrorCode>,
    /// More about it, as a sentence.
    pub message: Option<String>,
}

/// Which changes to list; an empty filter lists the newest [`ChangeFilter::DEFAULT_LIMIT`].
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Of this device, by its name; one that is gone is found by the name it had.
    pub device: Option<String>,
    /// Of this kind.
    pub event: Option<ChangeKind>,
    /// Not older than this.
    pub since: Option<DateTime<Utc>>,
    /// As many at most.
    pub limit: Option<u32>,
    /// Only entries before this one, to go on where the last list ended.
    pub before: Option<ChangeId>,
}

impl ChangeFilter {
    /// The limit where none is given.
    pub const DEFAULT_LIMIT: u32 = 100;
}

/// Lists changes, newest first.
///
/// # Errors
/// [`StoreError::NotFound`] for a device that there neither is nor was.
pub async fn list(store: &Store, filter: &ChangeFilter) -> Result<Vec<ChangeRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, device_id, hostname, event, at, job_id, version_id, seq, error_code, message
        FROM device_events WHERE true",
    );
    if let Some(name) = &filter.device {
        query.push(" AND device_id = ").push_bind(find(store, name).await?.0);
    }
    if let Some(event) = filter.event {
        query.push(" AND event = ").push_bind(event.as_str());
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(since);
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::from(filter.limit.unwrap_or(ChangeFilter::DEFAULT_LIMIT)))
        .build_query_as()
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list changes of devices"))
}

/// The device of that name, else the last one that had it when something changed.
async fn find(store: &Store, name: &str) -> Result<DeviceId, StoreError> {
    const GONE: &str = "SELECT device_id FROM device_events WHERE hostname = $1 ORDER BY id DESC LIMIT 1";
    match devices::get(store, name).await {
        Ok(device) => Ok(device.id),
        Err(missing @ StoreError::NotFound { .. }) => {
            let gone: Option<i64> = sqlx::query_scalar(GONE)
                .bind(crate::text::clean(name))
                .fetch_optional(store.reader())
                .await
                .map_err(StoreError::query("look up a device that is gone"))?;
            gone.map(DeviceId).ok_or(missing)
        }
        Err(error) => Err(error),
    }
}

impl FromRow<'_, PgRow> for ChangeRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: ChangeId(row.try_get("id")?),
            device: DeviceId(row.try_get("device_id")?),
            hostname: row.try_get("hostname")?,
            event: word(row, "event", ChangeKind::from_name)?,
            at: row.try_get("at")?,
            job: row.try_get::<Option<i64>, _>("job_id")?.map(JobId),
            version: row.try_get::<Option<i64>, _>("version_id")?.map(VersionId),
            seq: row.try_get("seq")?,
            error_code: optional_word(row, "error_code", ErrorCode::from_name)?,
            message: row.try_get("message")?,
        })
    }
}
