//! When runs start by themselves. The arithmetic is `netraven_model::schedule`'s; here stands what is kept of it.
//!
//! The time is passed in: [`clock`] asks the database for it, whose clock all schedulers share.

mod change;
mod check;
mod due;
mod row;

pub use change::{ScheduleChange, add, enable, remove, update};
pub use due::{run_now, start_due, start_due_at};

use crate::jobs::TargetSelection;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::schedule::{Calendar, Timing};
use netraven_model::{JobKind, ScheduleId};
use std::time::Duration;

/// The priority of a schedule's jobs where none is given: behind what people ask for.
pub const DEFAULT_PRIORITY: i32 = 200;

/// What can be chosen about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What its runs do.
    pub kind: JobKind,
    /// What jobs of the kind `command` ask, in order; nothing for other kinds.
    pub commands: Vec<String>,
    /// When its runs start.
    pub calendar: Calendar,
    /// The jobs of a run begin spread over that time, in whole seconds.
    pub jitter: Duration,
    /// Jobs with lower ones run first.
    pub priority: i32,
    /// Which devices its runs take.
    pub target: TargetSelection,
}

impl Plan {
    /// Without jitter and with the usual priority.
    pub fn new(name: impl Into<String>, kind: JobKind, calendar: Calendar, target: TargetSelection) -> Self {
        Self {
            name: name.into(),
            description: None,
            kind,
            commands: Vec::new(),
            calendar,
            jitter: Duration::ZERO,
            priority: DEFAULT_PRIORITY,
            target,
        }
    }

    /// Backups in a fixed rhythm in UTC from a first run on.
    pub fn backup_every(
        name: impl Into<String>,
        every: Duration,
        first: DateTime<Utc>,
        target: TargetSelection,
    ) -> Self {
        Self::new(name, JobKind::Backup, Calendar::new(Timing::Every { every, first }), target)
    }
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Row.
    pub id: ScheduleId,
    /// What was chosen about it.
    pub plan: Plan,
    /// Whether it starts runs.
    pub enabled: bool,
    /// When the next run starts; `None` when the last one is over.
    pub next_run: Option<DateTime<Utc>>,
    /// When the last one was started.
    pub last_run: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What the database's clock shows.
pub async fn clock(store: &Store) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(store.reader())
        .await
        .map_err(StoreError::query("ask the database for the time"))
}

/// All schedules by name.
pub async fn list(store: &Store) -> Result<Vec<Schedule>, StoreError> {
    sqlx::query_as("SELECT * FROM schedules ORDER BY name")
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list schedules"))
}

/// The schedule of a name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, name: &str) -> Result<Schedule, StoreError> {
    sqlx::query_as("SELECT * FROM schedules WHERE name = $1")
        .bind(clean(name))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a schedule"))?
        .ok_or_else(|| StoreError::not_found("schedule", name))
}

/// The first run of a calendar that is saved at that time; one that is due at this very moment counts.
fn first_run(calendar: &Calendar, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    calendar.next_after(now - TimeDelta::microseconds(1))
}
