use chrono::{DateTime, Utc};
use netraven_store::logs::LogEntry;
use serde::Serialize;
use utoipa::ToSchema;

/// One event.
#[derive(Serialize, ToSchema)]
pub(super) struct LogLine {
    /// Identity of the event, a UUID.
    #[schema(value_type = String)]
    id: uuid::Uuid,
    /// The job; `null` for a call outside any job.
    job_id: Option<i64>,
    /// The device's number in the inventory; `null` where it is not there.
    device_id: Option<i64>,
    /// When it happened.
    timestamp: DateTime<Utc>,
    /// `debug`, `info`, `warning` or `error`.
    level: String,
    /// Name of the event.
    event: String,
    /// The sentence a person reads.
    message: String,
    /// Whether it tells of success; `null` where the question makes no sense.
    success: Option<bool>,
    /// The event's own fields.
    #[schema(value_type = Option<Object>)]
    details: Option<serde_json::Value>,
    /// What the device answered to a command that somebody asked for; secrets are taken out.
    output: Option<String>,
}

impl From<LogEntry> for LogLine {
    fn from(entry: LogEntry) -> Self {
        Self {
            id: entry.id,
            job_id: entry.job.map(|id| id.0),
            device_id: entry.device.map(|id| id.0),
            timestamp: entry.timestamp,
            level: entry.level,
            event: entry.event,
            message: entry.message,
            success: entry.success,
            details: entry.details,
            output: entry.output,
        }
    }
}
