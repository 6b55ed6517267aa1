//! A row of `schedules`.

use super::{Plan, Schedule};
use crate::jobs::TargetSelection;
use crate::rows::{undecodable, word};
use chrono::{DateTime, Utc};
use netraven_model::schedule::{self, Calendar, CronTime, ScheduleError, Span, Timing};
use netraven_model::{JobKind, ScheduleId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, Row};
use std::time::Duration;

impl FromRow<'_, PgRow> for Schedule {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let target: Json<TargetSelection> = row.try_get("target")?;
        let jitter: i32 = row.try_get("jitter_seconds")?;
        Ok(Self {
            id: ScheduleId(row.try_get("id")?),
            plan: Plan {
                name: row.try_get("name")?,
                description: row.try_get("description")?,
                kind: word(row, "kind", JobKind::from_name)?,
                commands: row.try_get("commands")?,
                calendar: calendar(row)?,
                jitter: Duration::from_secs(u64::from(jitter.unsigned_abs())),
                priority: row.try_get("priority")?,
                target: target.0,
            },
            enabled: row.try_get("enabled")?,
            next_run: row.try_get("next_run")?,
            last_run: row.try_get("last_run")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// The values of the columns that a plan has, in the order of [`super::change`]'s statements, after what is bound already.
pub(super) fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    plan: &'q Plan,
    next_run: Option<DateTime<Utc>>,
) -> Query<'q, Postgres, PgArguments> {
    let calendar = &plan.calendar;
    let (mut cron, mut every, mut first, mut once) = (None, None, None, None);
    match &calendar.timing {
        Timing::Cron(time) => cron = Some(time.as_str()),
        Timing::Every { every: rhythm, first: from } => {
            (every, first) = (i64::try_from(rhythm.as_secs()).ok(), Some(*from));
        }
        Timing::Once(at) => once = Some(*at),
    }
    let texts = |spans: &'q [Span]| spans.iter().map(Span::as_str).collect::<Vec<_>>();
    query
        .bind(&plan.name)
        .bind(&plan.description)
        .bind(plan.kind.as_str())
        .bind(&plan.commands)
        .bind(cron)
        .bind(every)
        .bind(first)
        .bind(once)
        .bind(calendar.zone.name())
        .bind(calendar.valid_from)
        .bind(calendar.valid_until)
        .bind(texts(&calendar.windows))
        .bind(texts(&calendar.blackouts))
        .bind(i32::try_from(plan.jitter.as_secs()).unwrap_or(i32::MAX))
        .bind(plan.priority)
        .bind(Json(&plan.target))
        .bind(next_run)
}

fn calendar(row: &PgRow) -> sqlx::Result<Calendar> {
    let zone: &str = row.try_get("time_zone")?;
    let spans = |column: &str, read: fn(&str) -> Result<Span, ScheduleError>| {
        let texts: Vec<String> = row.try_get(column)?;
        texts
            .iter()
            .map(|text| read(text).map_err(|error| undecodable(column, error)))
            .collect::<sqlx::Result<_>>()
    };
    Ok(Calendar {
        timing: timing(row)?,
        zone: schedule::zone(zone).map_err(|error| undecodable("time_zone", error))?,
        windows: spans("windows", Span::window)?,
        blackouts: spans("blackouts", Span::blackout)?,
        valid_from: row.try_get("valid_from")?,
        valid_until: row.try_get("valid_until")?,
    })
}

fn timing(row: &PgRow) -> sqlx::Result<Timing> {
    let (cron, once): (Option<&str>, Option<DateTime<Utc>>) = (row.try_get("cron")?, row.try_get("once_at")?);
    match (cron, once) {
        (Some(cron), _) => {
            CronTime::parse(cron).map(Timing::Cron).map_err(|error| undecodable("cron", error))
        }
        (None, Some(at)) => Ok(Timing::Once(at)),
        (None, None) => {
            let seconds: i64 = row.try_get("every_seconds")?;
            let every = Duration::from_secs(seconds.unsigned_abs());
            Ok(Timing::Every { every, first: row.try_get("first_run")? })
        }
    }
}
