//! Following the job log: every event once, in the order in which they were stored.
//!
//! An event's time does not tell when it was stored: those of one job wait for their transaction while others pass them, and
//! a spool brings back what is hours old. So whoever follows goes by the transaction that stored a row, and reads up to the
//! oldest one that is still open: what comes later has a higher number, and nothing can appear before it any more.

use super::{LogEntry, LogFilter};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{EventLevel, JobId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// How far somebody has followed. As a text it is for callers, who take it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    stored_in: u64,
    timestamp: DateTime<Utc>,
    id: Uuid,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.stored_in, self.timestamp.timestamp_micros(), self.id.simple())
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut pieces = text.splitn(3, '_');
        let mut next = || pieces.next().ok_or(NoPosition);
        let stored_in = next()?.parse().map_err(|_| NoPosition)?;
        let timestamp = next()?.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(NoPosition)?;
        Ok(Self { stored_in, timestamp, id: Uuid::try_parse(next()?).map_err(|_| NoPosition)? })
    }
}

/// An event and how far who has it has followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The position behind the event.
    pub position: Position,
    /// The event.
    pub entry: LogEntry,
}

/// Somebody who follows.
#[derive(Clone, Debug)]
pub struct Follower {
    store: Store,
    position: Position,
}

impl Follower {
    /// One who begins now: with what transactions store that are open now or begin later. What was stored since the oldest of
    /// them began, in whatever database of the server, is among it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn from_now(store: Store) -> Result<Self, StoreError> {
        const NOW: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";
        let failed = StoreError::query("begin to follow the job log");
        let now: String = sqlx::query_scalar(NOW).fetch_one(store.reader()).await.map_err(failed)?;
        let stored_in = now.parse().unwrap_or_default();
        Ok(Self::from(store, Position { stored_in, timestamp: DateTime::UNIX_EPOCH, id: Uuid::nil() }))
    }

    /// One who goes on where somebody was.
    pub fn from(store: Store, position: Position) -> Self {
        Self { store, position }
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next events, at most so many; none where all are known.
    ///
    /// # Errors
    /// The database failed; call again.
    pub async fn next(&mut self, limit: u32) -> Result<Vec<Stored>, StoreError> {
        // Rows of one transaction are few, so that the index on it alone suffices.
        const NEXT: &str =
            "SELECT stored_in::text AS stored_in, id, job_id, device_id, timestamp, level, event, message,
                success, details, output
            FROM job_logs
            WHERE stored_in >= $1::text::xid8 AND stored_in < pg_snapshot_xmin(pg_current_snapshot())
                AND (stored_in, timestamp, id) > ($1::text::xid8, $2, $3)
            ORDER BY job_logs.stored_in, timestamp, id LIMIT $4";
        let found: Vec<Stored> = sqlx::query_as(NEXT)
            .bind(self.position.stored_in.to_string())
            .bind(self.position.timestamp)
            .bind(self.position.id)
            .bind(i64::from(limit))
            .fetch_all(self.store.reader())
            .await
            .map_err(StoreError::query("follow the job log"))?;
        if let Some(last) = found.last() {
            self.position = last.position;
        }
        Ok(found)
    }
}

impl FromRow<'_, PgRow> for Stored {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let entry = LogEntry::from_row(row)?;
        let stored_in: String = row.try_get("stored_in")?;
        let stored_in = stored_in.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self { position: Position { stored_in, timestamp: entry.timestamp, id: entry.id }, entry })
    }
}

/// Decides for one event at a time what [`LogFilter`] says.
#[derive(Clone, Debug)]
pub struct Matcher {
    filter: LogFilter,
    /// In lower case.
    text: Option<String>,
    jobs: Option<HashSet<JobId>>,
}

impl Matcher {
    /// For a filter. The jobs of a run are those that it has now; all of them are made when it starts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a run that does not exist.
    pub async fn new(store: &Store, filter: LogFilter) -> Result<Self, StoreError> {
        const JOBS: &str =
            "SELECT rj.job_id FROM runs r LEFT JOIN run_jobs rj ON rj.run_id = r.id WHERE r.id = $1";
        let mut jobs = None;
        if let Some(run) = filter.run {
            let failed = StoreError::query("read the jobs of a run");
            let found: Vec<Option<i64>> =
                sqlx::query_scalar(JOBS).bind(run.0).fetch_all(store.reader()).await.map_err(failed)?;
            if found.is_empty() {
                return Err(StoreError::not_found("run", run));
            }
            jobs = Some(found.into_iter().flatten().map(JobId).collect());
        }
        Ok(Self { text: filter.text.as_ref().map(|text| text.to_lowercase()), filter, jobs })
    }

    /// Whether the event is one of those that are asked for.
    pub fn matches(&self, entry: &LogEntry) -> bool {
        let filter = &self.filter;
        let level = EventLevel::from_name(&entry.level);
        filter.job.is_none_or(|job| entry.job == Some(job))
            && filter.device.is_none_or(|device| entry.device == Some(device))
            && self.jobs.as_ref().is_none_or(|jobs| entry.job.is_some_and(|job| jobs.contains(&job)))
            && filter.level.is_none_or(|least| level.is_some_and(|level| level >= least))
            && filter.event.as_ref().is_none_or(|event| *event == entry.event)
            && filter.from.is_none_or(|from| entry.timestamp >= from)
            && filter.to.is_none_or(|to| entry.timestamp < to)
            && self.text.as_ref().is_none_or(|text| entry.message.to_lowercase().contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_and_nonsense_is_none() {
        let (timestamp, id) = ("2026-03-01T10:00:00.000007Z".parse().unwrap(), Uuid::now_v7());
        let position = Position { stored_in: u64::MAX, timestamp, id };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "1_2", "1_2_", "-1_2_x", "x_1_0", "__"] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }
}
