use super::LogEntry;
use crate::text::{clean, contains_pattern};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, EventLevel, JobId, RunId};
use sqlx::{Postgres, QueryBuilder};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Which events; an empty filter takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this job.
    pub job: Option<JobId>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of the jobs of this run, shared ones included.
    pub run: Option<RunId>,
    /// As important as this or more.
    pub level: Option<EventLevel>,
    /// With this name.
    pub event: Option<String>,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
    /// With this text anywhere in the message, upper and lower case alike.
    pub text: Option<String>,
}

/// A place in the log, between two events. As a text it is for callers, who take it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Time of the event at the place.
    pub timestamp: DateTime<Utc>,
    /// Its identity.
    pub id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.timestamp.timestamp_micros(), self.id.simple())
    }
}

/// A text that is no place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (micros, id) = text.split_once('_').ok_or(NoCursor)?;
        let timestamp = micros.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(NoCursor)?;
        Ok(Self { timestamp, id: Uuid::try_parse(id).map_err(|_| NoCursor)? })
    }
}

impl LogEntry {
    /// Where it stands.
    pub fn cursor(&self) -> Cursor {
        Cursor { timestamp: self.timestamp, id: self.id }
    }
}

/// Which page of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest events.
    Newest,
    /// Those next to a place that are older.
    Before(Cursor),
    /// Those next to a place that are newer.
    After(Cursor),
}

/// One page of the log, newest first.
///
/// # Errors
/// [`StoreError::NotFound`] for a run that does not exist.
pub async fn list(
    store: &Store,
    filter: &LogFilter,
    place: Place,
    limit: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    // Only the conditions that are asked for, so that each list walks the index that suits it.
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, job_id, device_id, timestamp, level, event, message, success, details, output FROM job_logs WHERE true",
    );
    if let Some(run) = filter.run {
        // Where the run was in time: the server would otherwise go through everything that has happened since.
        let (begun, ended) = time_of(store, run).await?;
        query.push(" AND job_id IN (SELECT job_id FROM run_jobs WHERE run_id = ").push_bind(run.0);
        query.push(") AND timestamp >= ").push_bind(begun);
        if let Some(ended) = ended {
            query.push(" AND timestamp < ").push_bind(ended);
        }
    }
    conditions(&mut query, filter);
    let newest_first = match place {
        Place::Newest => true,
        Place::Before(cursor) => {
            beyond(&mut query, "<", cursor);
            true
        }
        Place::After(cursor) => {
            beyond(&mut query, ">", cursor);
            false
        }
    };
    let order = if newest_first { "timestamp DESC, id DESC" } else { "timestamp, id" };
    query.push(" ORDER BY ").push(order).push(" LIMIT ").push_bind(i64::from(limit));
    let mut found: Vec<LogEntry> = query
        .build_query_as()
        // Each question has a text of its own; remembering them all would push out those that come often.
        .persistent(false)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read the job log"))?;
    if !newest_first {
        found.reverse();
    }
    Ok(found)
}

fn conditions(query: &mut QueryBuilder<Postgres>, filter: &LogFilter) {
    if let Some(job) = filter.job {
        query.push(" AND job_id = ").push_bind(job.0);
    }
    if let Some(device) = filter.device {
        query.push(" AND device_id = ").push_bind(device.0);
    }
    // As words of the statement and not as parameters, so that the index of what is notable can serve.
    query.push(match filter.level {
        None | Some(EventLevel::Debug) => "",
        Some(EventLevel::Info) => " AND level <> 'debug'",
        Some(EventLevel::Warning) => " AND level IN ('warning', 'error')",
        Some(EventLevel::Error) => " AND level = 'error'",
    });
    if let Some(event) = &filter.event {
        query.push(" AND event = ").push_bind(clean(event).into_owned());
    }
    if let Some(from) = filter.from {
        query.push(" AND timestamp >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND timestamp < ").push_bind(to);
    }
    if let Some(text) = &filter.text {
        query.push(" AND message ILIKE ").push_bind(contains_pattern(text));
    }
}

/// The time alone leads into the index and leaves out partitions; together with the id it is exact.
fn beyond(query: &mut QueryBuilder<Postgres>, side: &str, cursor: Cursor) {
    query.push(format_args!(" AND timestamp {side}= ")).push_bind(cursor.timestamp);
    query.push(format_args!(" AND (timestamp, id) {side} (")).push_bind(cursor.timestamp);
    query.push(", ").push_bind(cursor.id).push(")");
}

/// Between which times the events of a run's jobs are; no end where some are to come. A shared job may be older than the run,
/// and clocks differ.
async fn time_of(store: &Store, run: RunId) -> Result<(DateTime<Utc>, Option<DateTime<Utc>>), StoreError> {
    const TIME: &str = "SELECT least(r.created_at, min(j.created_at)) - interval '1 hour',
            CASE WHEN bool_and(j.completed_at IS NOT NULL) THEN max(j.completed_at) + interval '1 hour' END
        FROM runs r LEFT JOIN run_jobs rj ON rj.run_id = r.id LEFT JOIN jobs j ON j.id = rj.job_id
        WHERE r.id = $1 GROUP BY r.created_at";
    sqlx::query_as(TIME)
        .bind(run.0)
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a run"))?
        .ok_or_else(|| StoreError::not_found("run", run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nonsense_is_none() {
        let cursor = Cursor { timestamp: "2026-03-01T10:00:00.000007Z".parse().unwrap(), id: Uuid::now_v7() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "_", "1_", "x_0", "99999999999999999999_0", "1-2", &format!("_{}", Uuid::nil())] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
