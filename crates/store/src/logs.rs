//! What happened in jobs, and the dialogues with devices. Both tables are partitioned by month.

mod copy;
mod list;
mod tail;

pub use list::{Cursor, LogFilter, Place, list};
pub use tail::{Follower, Matcher, Position, Stored};

use crate::text::{clean, clean_json};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, JobEvent, JobId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

/// An event as it was stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogEntry {
    /// Identity of the event.
    pub id: Uuid,
    /// The job; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// The device; `None` where it is not in the inventory.
    pub device: Option<DeviceId>,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// Name of the event.
    pub event: String,
    /// The sentence a person reads.
    pub message: String,
    /// Whether it tells of success; `None` where the question makes no sense.
    pub success: Option<bool>,
    /// The event's own fields.
    pub details: Option<Value>,
    /// What the device answered, redacted; for answers to commands that somebody asked for.
    pub output: Option<String>,
}

/// The dialogue of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionLog {
    /// The job; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// The device; `None` where it is not in the inventory.
    pub device: Option<DeviceId>,
    /// When the session ended.
    pub timestamp: DateTime<Utc>,
    /// Prompts, commands and short answers, secrets masked.
    pub log: String,
}

/// The dialogue of one session, to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialogue {
    /// Identity of the dialogue, so that writing it twice stores it once.
    pub id: Uuid,
    /// The job; `None` for a call outside any job.
    pub job: Option<JobId>,
    /// The device; `None` where it is not in the inventory.
    pub device: Option<DeviceId>,
    /// When the session ended.
    pub ended_at: DateTime<Utc>,
    /// Prompts, commands and short answers, secrets masked.
    pub text: String,
}

impl Dialogue {
    /// A dialogue with a fresh id.
    pub fn new(job: Option<JobId>, device: Option<DeviceId>, ended_at: DateTime<Utc>, text: String) -> Self {
        Self { id: Uuid::now_v7(), job, device, ended_at, text }
    }
}

/// The events of a job, oldest first.
pub async fn job_events(store: &Store, job: JobId) -> Result<Vec<LogEntry>, StoreError> {
    const EVENTS: &str = "SELECT * FROM job_logs WHERE job_id = $1 ORDER BY timestamp, id";
    sqlx::query_as(EVENTS)
        .bind(job.0)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read the events of a job"))
}

/// The dialogue of a job's last session; `None` where there was none.
pub async fn connection_log(store: &Store, job: JobId) -> Result<Option<ConnectionLog>, StoreError> {
    const LATEST: &str = "SELECT job_id, device_id, timestamp, log FROM connection_logs WHERE job_id = $1
        ORDER BY timestamp DESC, id DESC LIMIT 1";
    latest(store, LATEST, job.0).await
}

/// The dialogue of a device's last session; `None` where there was none.
pub async fn latest_connection_log(
    store: &Store,
    device: DeviceId,
) -> Result<Option<ConnectionLog>, StoreError> {
    const LATEST: &str = "SELECT job_id, device_id, timestamp, log FROM connection_logs WHERE device_id = $1
        ORDER BY timestamp DESC, id DESC LIMIT 1";
    latest(store, LATEST, device.0).await
}

/// Writes events and dialogues. Those that are there already stay as they are, so that a call whose answer was lost can be
/// made again: what was given an id once is stored once.
///
/// # Errors
/// The database failed, and nothing was written: call again where [`StoreError::is_transient`] says so.
pub async fn write(store: &Store, events: &[&JobEvent], dialogues: &[&Dialogue]) -> Result<(), StoreError> {
    if events.is_empty() && dialogues.is_empty() {
        return Ok(());
    }
    let copied = copy_together(store.clone(), rows_of(events), dialogues.iter().copied().cloned().collect());
    // A task, because it must come to its end even when nobody waits for it any more: the driver cannot use a connection
    // again on which a `COPY` was broken off.
    let copied = tokio::spawn(copied).await;
    match copied.unwrap_or(Err(StoreError::Query { operation: WRITE, source: sqlx::Error::WorkerCrashed })) {
        // Something is there already, which is rare: `COPY` is quicker than `INSERT` and cannot pass over it.
        Err(StoreError::Query { source, .. }) if is_conflict(&source) => {
            insert_together(store, events, dialogues).await
        }
        written => written,
    }
}

const WRITE: &str = "write logs";

fn is_conflict(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

async fn copy_together(store: Store, rows: Vec<u8>, dialogues: Vec<Dialogue>) -> Result<(), StoreError> {
    let mut tx = store.begin(WRITE).await?;
    copy_events(&mut tx, &rows).await.map_err(StoreError::query("write the job log"))?;
    write_dialogues(&mut tx, &dialogues.iter().collect::<Vec<_>>()).await?;
    tx.commit().await.map_err(StoreError::query(WRITE))
}

async fn insert_together(
    store: &Store,
    events: &[&JobEvent],
    dialogues: &[&Dialogue],
) -> Result<(), StoreError> {
    let mut tx = store.begin(WRITE).await?;
    insert_events(&mut tx, events).await?;
    write_dialogues(&mut tx, dialogues).await?;
    tx.commit().await.map_err(StoreError::query(WRITE))
}

async fn copy_events(tx: &mut PgConnection, rows: &[u8]) -> sqlx::Result<()> {
    const COPY: &str =
        "COPY job_logs (id, job_id, device_id, timestamp, level, event, message, success, details, output)
        FROM STDIN (FORMAT binary)";
    let mut copy = tx.copy_in_raw(COPY).await?;
    copy.send(rows).await?;
    copy.finish().await.map(drop)
}

/// The events as `COPY` takes them.
fn rows_of(events: &[&JobEvent]) -> Vec<u8> {
    let mut rows = copy::Rows::new(10);
    for event in events {
        rows.row()
            .uuid(event.id)
            .bigint(event.job.map(|id| id.0))
            .bigint(event.device.map(|id| id.0))
            .timestamp(event.timestamp)
            .text(event.event.level().as_str())
            .text(event.event.name())
            .text(&clean(&event.event.message()))
            .boolean(event.event.success())
            .json(details(event).as_ref())
            .optional_text(event.event.output().map(clean).as_deref());
    }
    rows.finish()
}

async fn insert_events(tx: &mut PgConnection, events: &[&JobEvent]) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO job_logs (id, job_id, device_id, timestamp, level, event, message, success, details,
            output)
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[],
            $7::text[], $8::bool[], $9::jsonb[], $10::text[])
        ON CONFLICT DO NOTHING";
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(events.iter().map(|event| event.id).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.job.map(|id| id.0)).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.device.map(|id| id.0)).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.timestamp).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event.level().as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event.name()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| clean(&event.event.message()).into_owned()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event.success()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| details(event)).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.event.output().map(clean)).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("write the job log"))
}

async fn write_dialogues(tx: &mut PgConnection, dialogues: &[&Dialogue]) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO connection_logs (id, job_id, device_id, timestamp, log)
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[])
        ON CONFLICT DO NOTHING";
    if dialogues.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(dialogues.iter().map(|dialogue| dialogue.id).collect::<Vec<_>>())
        .bind(dialogues.iter().map(|dialogue| dialogue.job.map(|id| id.0)).collect::<Vec<_>>())
        .bind(dialogues.iter().map(|dialogue| dialogue.device.map(|id| id.0)).collect::<Vec<_>>())
        .bind(dialogues.iter().map(|dialogue| dialogue.ended_at).collect::<Vec<_>>())
        .bind(dialogues.iter().map(|dialogue| clean(&dialogue.text)).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("write connection logs"))
}

/// The event's fields without its name and output, which have columns; `None` where it has no others.
fn details(event: &JobEvent) -> Option<Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&event.event) else { return None };
    fields.remove("event");
    fields.remove("output");
    (!fields.is_empty()).then(|| clean_json(Value::Object(fields)))
}

async fn latest(
    store: &Store,
    statement: &'static str,
    id: i64,
) -> Result<Option<ConnectionLog>, StoreError> {
    sqlx::query_as(statement)
        .bind(id)
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("read a connection log"))
}

impl FromRow<'_, PgRow> for LogEntry {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (job, device): (Option<i64>, Option<i64>) = (row.try_get("job_id")?, row.try_get("device_id")?);
        Ok(Self {
            id: row.try_get("id")?,
            job: job.map(JobId),
            device: device.map(DeviceId),
            timestamp: row.try_get("timestamp")?,
            level: row.try_get("level")?,
            event: row.try_get("event")?,
            message: row.try_get("message")?,
            success: row.try_get("success")?,
            details: row.try_get("details")?,
            output: row.try_get("output")?,
        })
    }
}

impl FromRow<'_, PgRow> for ConnectionLog {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (job, device): (Option<i64>, Option<i64>) = (row.try_get("job_id")?, row.try_get("device_id")?);
        Ok(Self {
            job: job.map(JobId),
            device: device.map(DeviceId),
            timestamp: row.try_get("timestamp")?,
            log: row.try_get("log")?,
        })
    }
}
