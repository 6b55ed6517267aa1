use crate::rows::word;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{ChangeId, ChangeKind, DeliveryId, DeliveryStatus};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};

/// One change and one channel that is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Row.
    pub id: DeliveryId,
    /// Name of the channel.
    pub channel: String,
    /// The change.
    pub change: ChangeId,
    /// What kind of change.
    pub event: ChangeKind,
    /// The device's name at that time.
    pub hostname: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// Not before this time.
    pub next_try: DateTime<Utc>,
    /// What came of the last try that failed.
    pub last_error: Option<String>,
    /// When it arrived.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the change was handed to the channel.
    pub created_at: DateTime<Utc>,
}

/// Which deliveries to list; an empty filter lists the newest [`DeliveryFilter::DEFAULT_LIMIT`].
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this channel.
    pub channel: Option<String>,
    /// Those that stand there.
    pub status: Option<DeliveryStatus>,
    /// As many at most.
    pub limit: Option<u32>,
    /// Only those before this one, to go on where the last list ended.
    pub before: Option<DeliveryId>,
}

impl DeliveryFilter {
    /// The limit where none is given.
    pub const DEFAULT_LIMIT: u32 = 100;
}

/// Lists deliveries, newest first.
///
/// # Errors
/// The database failed.
pub async fn deliveries(store: &Store, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT d.id, c.name AS channel, d.event_id, e.event, e.hostname, d.status, d.attempts, d.next_try, d.last_error,
            d.sent_at, d.created_at
        FROM notification_deliveries d JOIN notification_channels c ON c.id = d.channel_id
            JOIN device_events e ON e.id = d.event_id WHERE true",
    );
    if let Some(channel) = &filter.channel {
        query.push(" AND c.name = ").push_bind(clean(channel).into_owned());
    }
    if let Some(status) = filter.status {
        query.push(" AND d.status = ").push_bind(status.as_str());
    }
    if let Some(before) = filter.before {
        query.push(" AND d.id < ").push_bind(before.0);
    }
    query
        .push(" ORDER BY d.id DESC LIMIT ")
        .push_bind(i64::from(filter.limit.unwrap_or(DeliveryFilter::DEFAULT_LIMIT)))
        .build_query_as()
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list notifications"))
}

/// Has a dead delivery tried again, from the first try on.
///
/// # Errors
/// [`StoreError::NotFound`] for one that is not dead.
pub async fn retry(store: &Store, id: DeliveryId) -> Result<(), StoreError> {
    match again(store, Some(id)).await? {
        0 => Err(StoreError::not_found("dead notification", id)),
        _ => Ok(()),
    }
}

/// Has all dead deliveries tried again; how many there were.
///
/// # Errors
/// The database failed.
pub async fn retry_all_dead(store: &Store) -> Result<u64, StoreError> {
    again(store, None).await
}

async fn again(store: &Store, id: Option<DeliveryId>) -> Result<u64, StoreError> {
    const AGAIN: &str =
        "UPDATE notification_deliveries SET status = 'waiting', attempts = 0, next_try = now()
        WHERE status = 'dead' AND ($1::bigint IS NULL OR id = $1)";
    sqlx::query(AGAIN)
        .bind(id.map(|id| id.0))
        .execute(store.pool())
        .await
        .map(|done| done.rows_affected())
        .map_err(StoreError::query("have dead notifications tried again"))
}

impl FromRow<'_, PgRow> for DeliveryRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: DeliveryId(row.try_get("id")?),
            channel: row.try_get("channel")?,
            change: ChangeId(row.try_get("event_id")?),
            event: word(row, "event", ChangeKind::from_name)?,
            hostname: row.try_get("hostname")?,
            status: word(row, "status", DeliveryStatus::from_name)?,
            attempts: row.try_get("attempts")?,
            next_try: row.try_get("next_try")?,
            last_error: row.try_get("last_error")?,
            sent_at: row.try_get("sent_at")?,
            created_at: row.try_get("created_at")?,
        })
    }
}
