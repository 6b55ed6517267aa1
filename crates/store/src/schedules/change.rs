//! What people do with schedules. Each change has its entry in the audit trail.

use super::{Plan, Schedule, check, first_run, row};
use crate::audit::{self, Action, Details, Entry};
use crate::jobs::TargetSelection;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use netraven_model::JobKind;
use netraven_model::schedule::{Span, Timing};
use sqlx::PgConnection;
use std::time::Duration;

/// What to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ScheduleChange {
    /// New name.
    pub name: Option<String>,
    /// New description; an empty text removes it.
    pub description: Option<String>,
    /// What its runs do, with their commands.
    pub kind: Option<(JobKind, Vec<String>)>,
    /// What makes a run due.
    pub timing: Option<Timing>,
    /// Whose clock is meant.
    pub zone: Option<Tz>,
    /// All its windows.
    pub windows: Option<Vec<Span>>,
    /// All its blackouts.
    pub blackouts: Option<Vec<Span>>,
    /// From when on; `Some(None)` removes the limit.
    pub valid_from: Option<Option<DateTime<Utc>>>,
    /// Until when; `Some(None)` removes the limit.
    pub valid_until: Option<Option<DateTime<Utc>>>,
    /// Over how long the jobs of a run are spread.
    pub jitter: Option<Duration>,
    /// Jobs with lower ones run first.
    pub priority: Option<i32>,
    /// Which devices its runs take.
    pub target: Option<TargetSelection>,
}

/// Makes a schedule.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for what could never run or takes no device,
/// [`StoreError::NotFound`] for a tag, site or device that does not exist.
pub async fn add(store: &Store, plan: &Plan, now: DateTime<Utc>) -> Result<Schedule, StoreError> {
    const ADD: &str = "INSERT INTO schedules (name, description, kind, commands, cron, every_seconds, first_run, once_at,
            time_zone, valid_from, valid_until, windows, blackouts, jitter_seconds, priority, target, next_run)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    check::words(plan)?;
    check::calendar(plan, now)?;
    let mut tx = store.begin("make a schedule").await?;
    check::target(&mut tx, plan).await?;
    row::bind(sqlx::query(ADD), plan, first_run(&plan.calendar, now))
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("make a schedule", "schedule", &plan.name))?;
    let made = lock(&mut tx, &plan.name).await?;
    audit::write(&mut tx, store.actor(), &entry(Action::ScheduleAdded, plan)).await?;
    tx.commit().await.map_err(StoreError::query("make a schedule"))?;
    Ok(made)
}

/// Changes a schedule. Its next run is reckoned anew only when something changes that has to do with time.
///
/// # Errors
/// As [`add`], and [`StoreError::NotFound`] for the schedule itself.
pub async fn update(
    store: &Store,
    name: &str,
    change: &ScheduleChange,
    now: DateTime<Utc>,
) -> Result<Schedule, StoreError> {
    const UPDATE: &str = "UPDATE schedules SET (name, description, kind, commands, cron, every_seconds, first_run, once_at,
            time_zone, valid_from, valid_until, windows, blackouts, jitter_seconds, priority, target, next_run)
        = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) WHERE id = $1";
    let mut tx = store.begin("change a schedule").await?;
    let before = lock(&mut tx, name).await?;
    let plan = change.applied(&before.plan);
    check::words(&plan)?;
    if change.target.is_some() {
        check::target(&mut tx, &plan).await?;
    }
    let other_times = plan.calendar != before.plan.calendar;
    if other_times || plan.jitter != before.plan.jitter {
        check::calendar(&plan, now)?;
    }
    let next = if other_times { first_run(&plan.calendar, now) } else { before.next_run };
    row::bind(sqlx::query(UPDATE).bind(before.id.0), &plan, next)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("change a schedule", "schedule", &plan.name))?;
    let after = lock(&mut tx, &plan.name).await?;
    let changed = differences(&before.plan, &after.plan);
    if !changed.is_empty() {
        let entry = Entry::new(Action::ScheduleChanged, &plan.name).with(Details::ScheduleChange { changed });
        audit::write(&mut tx, store.actor(), &entry).await?;
    }
    tx.commit().await.map_err(StoreError::query("change a schedule"))?;
    Ok(after)
}

/// Removes a schedule; its runs stay.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, name: &str) -> Result<(), StoreError> {
    let failed = StoreError::query("remove a schedule");
    let mut tx = store.begin("remove a schedule").await?;
    let schedule = lock(&mut tx, name).await?;
    sqlx::query("DELETE FROM schedules WHERE id = $1")
        .bind(schedule.id.0)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    audit::write(&mut tx, store.actor(), &entry(Action::ScheduleRemoved, &schedule.plan)).await?;
    tx.commit().await.map_err(failed)
}

/// Switches a schedule on or off. One that is switched on again runs next at its usual time, not for what it missed.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Invalid`] when no run is left of what is to be switched on.
pub async fn enable(
    store: &Store,
    name: &str,
    enabled: bool,
    now: DateTime<Utc>,
) -> Result<Schedule, StoreError> {
    let failed = StoreError::query("switch a schedule");
    let mut tx = store.begin("switch a schedule").await?;
    let before = lock(&mut tx, name).await?;
    let mut next = before.next_run;
    if enabled && !before.enabled && next.is_none_or(|next| next <= now) {
        next = before.plan.calendar.next_after(now);
    }
    if enabled && next.is_none() {
        return Err(check::wrong("no run of it is left; give it another time first"));
    }
    sqlx::query("UPDATE schedules SET enabled = $2, next_run = $3 WHERE id = $1")
        .bind(before.id.0)
        .bind(enabled)
        .bind(next)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    if enabled != before.enabled {
        let action = if enabled { Action::ScheduleEnabled } else { Action::ScheduleDisabled };
        audit::write(&mut tx, store.actor(), &Entry::new(action, &before.plan.name)).await?;
    }
    tx.commit().await.map_err(failed)?;
    Ok(Schedule { enabled, next_run: next, ..before })
}

impl ScheduleChange {
    fn applied(&self, to: &Plan) -> Plan {
        let mut plan = to.clone();
        replace(&mut plan.name, &self.name);
        if let Some(text) = &self.description {
            plan.description = Some(text.clone()).filter(|text| !text.is_empty());
        }
        if let Some((kind, commands)) = &self.kind {
            (plan.kind, plan.commands) = (*kind, commands.clone());
        }
        replace(&mut plan.jitter, &self.jitter);
        replace(&mut plan.priority, &self.priority);
        replace(&mut plan.target, &self.target);
        let calendar = &mut plan.calendar;
        replace(&mut calendar.timing, &self.timing);
        replace(&mut calendar.zone, &self.zone);
        replace(&mut calendar.windows, &self.windows);
        replace(&mut calendar.blackouts, &self.blackouts);
        replace(&mut calendar.valid_from, &self.valid_from);
        replace(&mut calendar.valid_until, &self.valid_until);
        plan
    }
}

fn replace<T: Clone>(field: &mut T, by: &Option<T>) {
    if let Some(value) = by {
        field.clone_from(value);
    }
}

/// The names of what differs.
fn differences(a: &Plan, b: &Plan) -> Vec<&'static str> {
    let (x, y) = (&a.calendar, &b.calendar);
    let fields = [
        ("name", a.name != b.name),
        ("description", a.description != b.description),
        ("kind", a.kind != b.kind),
        ("commands", a.commands != b.commands),
        ("timing", x.timing != y.timing),
        ("time_zone", x.zone != y.zone),
        ("windows", x.windows != y.windows),
        ("blackouts", x.blackouts != y.blackouts),
        ("valid_from", x.valid_from != y.valid_from),
        ("valid_until", x.valid_until != y.valid_until),
        ("jitter", a.jitter != b.jitter),
        ("priority", a.priority != b.priority),
        ("target", a.target != b.target),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn entry(action: Action, plan: &Plan) -> Entry {
    let when = match &plan.calendar.timing {
        Timing::Cron(cron) => format!("cron {cron}"),
        Timing::Every { every, .. } => format!("every {} s", every.as_secs()),
        Timing::Once(at) => format!("once at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
    };
    Entry::new(action, &plan.name).with(Details::Schedule { kind: plan.kind, when })
}

/// Reads a schedule that nobody else changes or starts until the end of the transaction.
async fn lock(tx: &mut PgConnection, name: &str) -> Result<Schedule, StoreError> {
    sqlx::query_as("SELECT * FROM schedules WHERE name = $1 FOR UPDATE")
        .bind(clean(name))
        .fetch_optional(tx)
        .await
        .map_err(StoreError::query("look up a schedule"))?
        .ok_or_else(|| StoreError::not_found("schedule", name))
}
