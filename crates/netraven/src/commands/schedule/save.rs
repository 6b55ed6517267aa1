//! `netraven schedule add` and `update`

use super::options::{What, When, Which};
use super::show::{describe, view};
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::input::fields;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use netraven_model::JobKind;
use netraven_model::schedule::{Calendar, Timing};
use netraven_store::schedules::{self, Plan, Schedule, ScheduleChange};

pub const ADD_EXAMPLES: &str = "\
Examples:
  netraven schedule add nightly --cron '0 2 * * *' --zone Europe/Zurich --jitter 30m --all
  netraven schedule add core --every 6h --tag core --tag paris --every-tag
  netraven schedule add weekend --cron @daily --window 'Sat,Sun 00:00-24:00' --site attic
  netraven schedule add freeze --cron '0 1 * * *' --blackout 2030-12-20..2031-01-03 --all
  netraven schedule add move --at 2030-12-01T02:00 --zone America/New_York --device r1
  netraven schedule add alive --every 15m --kind reachability --all
  netraven schedule add clocks --cron '0 6 * * MON' --command 'show clock' --tag core

docs/scheduling.md tells about windows, blackouts and the days on which clocks change.";

pub const UPDATE_EXAMPLES: &str = "\
Examples:
  netraven schedule update nightly --cron '30 1 * * *' --jitter 1h
  netraven schedule update nightly --window 22:00-05:00 --window 'Sat,Sun'
  netraven schedule update nightly --blackout ''     takes all blackouts away
  netraven schedule update nightly --tag core --name core-nightly";

/// A new schedule.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// A name to speak of it by
    #[arg(value_parser = fields::line)]
    name: String,
    /// A remark for people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    which: Which,
}

/// What to change of a schedule; lists replace what was, '' removes it.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Its name
    schedule: String,
    /// New name
    #[arg(long, value_parser = fields::line)]
    name: Option<String>,
    /// New remark for people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    which: Which,
}

/// `netraven schedule add`
pub async fn add(args: Add, context: &Context) -> Result {
    if !args.when.has_timing() {
        return Err(CliError::usage("expected --cron, --every or --at: when is it to run?"));
    }
    let made = with_store(context, async |store| {
        let now = schedules::clock(store).await?;
        let calendar = calendar(&args.when, now)?;
        let target = args.which.target(store).await?.ok_or_else(|| {
            CliError::usage("expected --all, --tag, --site or --device: which devices is it to take?")
        })?;
        let (kind, commands) = args.what.kind().unwrap_or((JobKind::Backup, Vec::new()));
        let mut plan =
            Plan { commands, description: args.description, ..Plan::new(args.name, kind, calendar, target) };
        plan.jitter = args.what.jitter.unwrap_or(plan.jitter);
        plan.priority = args.what.priority.unwrap_or(plan.priority);
        Ok(schedules::add(store, &plan, now).await?)
    })
    .await?;
    told("made", &made, context)
}

/// `netraven schedule update`
pub async fn update(args: Update, context: &Context) -> Result {
    let changed = with_store(context, async |store| {
        let now = schedules::clock(store).await?;
        let before = schedules::get(store, &args.schedule).await?.plan.calendar;
        let change = ScheduleChange {
            name: args.name,
            description: args.description,
            kind: args.what.kind(),
            jitter: args.what.jitter,
            priority: args.what.priority,
            target: args.which.target(store).await?,
            ..times(&args.when, &before, now)?
        };
        Ok(schedules::update(store, &args.schedule, &change, now).await?)
    })
    .await?;
    told("changed", &changed, context)
}

/// The calendar that the options describe.
pub fn calendar(when: &When, now: DateTime<Utc>) -> Result<Calendar> {
    let zone = when.zone()?.unwrap_or(Tz::UTC);
    let (valid_from, valid_until) = (when.valid_from(zone)?.flatten(), when.valid_until(zone)?.flatten());
    let timing = when.timing(zone, valid_from.unwrap_or(now))?;
    Ok(Calendar {
        timing: timing.ok_or_else(|| CliError::usage("expected --cron, --every or --at"))?,
        zone,
        windows: when.windows()?.unwrap_or_default(),
        blackouts: when.blackouts()?.unwrap_or_default(),
        valid_from,
        valid_until,
    })
}

/// What the options change of a calendar. An interval that becomes another keeps the beginning of its rhythm.
fn times(when: &When, before: &Calendar, now: DateTime<Utc>) -> Result<ScheduleChange> {
    let zone = when.zone()?;
    let in_force = zone.unwrap_or(before.zone);
    let valid_from = when.valid_from(in_force)?;
    let first = match (&before.timing, valid_from.flatten()) {
        (_, Some(from)) => from,
        (Timing::Every { first, .. }, None) => *first,
        (_, None) => now,
    };
    Ok(ScheduleChange {
        timing: when.timing(in_force, first)?,
        zone,
        windows: when.windows()?,
        blackouts: when.blackouts()?,
        valid_from,
        valid_until: when.valid_until(in_force)?,
        ..ScheduleChange::default()
    })
}

fn told(what: &str, schedule: &Schedule, context: &Context) -> Result {
    let text = || format!("schedule {} {what}: {}", schedule.plan.name, describe(schedule));
    context.output.show(|| view(schedule), text)
}
