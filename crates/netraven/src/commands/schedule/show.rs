//! `netraven schedule list`, `show` and `preview`

use super::options::{When, usage};
use super::save::calendar;
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::output::format::{duration, or_dash, time, time_or_dash};
use crate::output::table::{Column, pairs, render};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::schedule::{self, Calendar, Occurrence, Span, Timing};
use netraven_store::devices;
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Schedule};
use serde_json::{Value, json};
use std::time::Duration;

pub const PREVIEW_EXAMPLES: &str = "\
Examples:
  netraven schedule preview --cron '0 2 * * *' --zone Europe/Zurich
  netraven schedule preview --cron '30 2 * * *' --zone Europe/Zurich --after 2030-03-28
  netraven schedule preview --every 6h --window 'Mon-Fri 20:00-06:00' --count 20 --json";

/// How many runs `show` tells.
const SHOWN: usize = 5;

/// Times that are not saved.
#[derive(Debug, clap::Args)]
pub struct Preview {
    #[command(flatten)]
    when: When,
    /// How many runs
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Runs after that time [default: now]
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
}

/// `netraven schedule preview`
pub fn preview(args: &Preview, context: &Context) -> Result {
    if !args.when.has_timing() {
        return Err(CliError::usage("expected --cron, --every or --at: when is it to run?"));
    }
    let now = Utc::now();
    let zone = args.when.zone()?.unwrap_or(chrono_tz::UTC);
    let after = args.after.as_deref().map(|text| schedule::time("after", text, zone, false));
    let after = after.transpose().map_err(usage)?.unwrap_or(now);
    let calendar = calendar(&args.when, after)?;
    calendar.check(after, Duration::ZERO).map_err(usage)?;
    let just_before = after - TimeDelta::microseconds(1);
    let runs: Vec<_> = calendar.upcoming(just_before).take(usize::from(args.count)).collect();
    let json = || json!({"time_zone": calendar.zone.name(), "runs": runs_to_json(&calendar, &runs)});
    context.output.show(json, || table(&calendar, &runs, context.output.width))
}

/// `netraven schedule show`
pub async fn show(name: &str, context: &Context) -> Result {
    let (schedule, devices, now) = with_store(context, async |store| {
        let schedule = schedules::get(store, name).await?;
        let devices = match &schedule.plan.target {
            TargetSelection::Devices(ids) => Some(devices::names(store, ids).await?),
            _ => None,
        };
        Ok((schedule, devices, schedules::clock(store).await?))
    })
    .await?;
    let runs = next_runs(&schedule, now);
    let calendar = &schedule.plan.calendar;
    context.output.show(
        || {
            let mut json = view(&schedule);
            if let Value::Object(fields) = &mut json {
                fields.insert("next_runs".to_owned(), runs_to_json(calendar, &runs));
                fields.extend(devices.as_ref().map(|names| ("devices".to_owned(), json!(names))));
            }
            json
        },
        || {
            let mut text = details(&schedule, devices.as_deref());
            if !schedule.enabled {
                text += "\nIt is disabled. Enabled, it would start:\n";
            }
            text + "\n" + &table(calendar, &runs, context.output.width)
        },
    )
}

/// `netraven schedule list`
pub async fn list(context: &Context) -> Result {
    let found = with_store(context, async |store| Ok(schedules::list(store).await?)).await?;
    context.output.show(
        || found.iter().map(view).collect(),
        || {
            let columns = [
                Column::Left("NAME"),
                Column::Left("WHAT"),
                Column::Left("WHICH"),
                Column::Left("WHEN"),
                Column::Left("NEXT RUN (UTC)"),
                Column::Left("LAST RUN (UTC)"),
            ];
            let rows = found.iter().map(|schedule| {
                let plan = &schedule.plan;
                vec![
                    plan.name.clone(),
                    plan.kind.as_str().to_owned(),
                    target(&plan.target),
                    when(&plan.calendar),
                    next(schedule),
                    time_or_dash(schedule.last_run),
                ]
            });
            render(&columns, rows, context.output.width)
        },
    )
}

/// As JSON, with durations in seconds.
pub fn view(schedule: &Schedule) -> Value {
    let (plan, calendar) = (&schedule.plan, &schedule.plan.calendar);
    let (mut cron, mut every, mut first, mut once) = (None, None, None, None);
    match &calendar.timing {
        Timing::Cron(time) => cron = Some(time.as_str()),
        Timing::Every { every: rhythm, first: from } => (every, first) = (Some(rhythm.as_secs()), Some(from)),
        Timing::Once(at) => once = Some(at),
    }
    json!({
        "id": schedule.id, "name": plan.name, "description": plan.description, "kind": plan.kind,
        "commands": plan.commands, "cron": cron, "every_seconds": every, "first_run": first, "once_at": once,
        "time_zone": calendar.zone.name(), "windows": words(&calendar.windows),
        "blackouts": words(&calendar.blackouts), "valid_from": calendar.valid_from,
        "valid_until": calendar.valid_until, "jitter_seconds": plan.jitter.as_secs(), "priority": plan.priority,
        "target": plan.target, "enabled": schedule.enabled, "next_run": schedule.next_run,
        "last_run": schedule.last_run, "created_at": schedule.created_at,
    })
}

/// Which devices, in words.
pub fn target(selection: &TargetSelection) -> String {
    match selection {
        TargetSelection::All => "all devices".to_owned(),
        TargetSelection::Tags(tags) => format!("tagged {}", tags.join(", ")),
        TargetSelection::AllTags(tags) => format!("tagged {}", tags.join(" and ")),
        TargetSelection::Sites(sites) => format!("at {}", sites.join(", ")),
        TargetSelection::Devices(ids) if ids.len() == 1 => "1 device".to_owned(),
        TargetSelection::Devices(ids) => format!("{} devices", ids.len()),
    }
}

/// As [`target`], with the names of single devices.
fn target_by_name(selection: &TargetSelection, devices: Option<&[String]>) -> String {
    let (TargetSelection::Devices(ids), Some(names)) = (selection, devices) else { return target(selection) };
    let gone = ids.len().saturating_sub(names.len());
    let gone = if gone == 0 { Vec::new() } else { vec![format!("{gone} of them removed")] };
    format!("{}: {}", target(selection), [names, &gone].concat().join(", "))
}

/// `all devices, every 1h, next at 2026-11-21 18:00:00 UTC while a worker runs`
pub fn describe(schedule: &Schedule) -> String {
    let plan = &schedule.plan;
    let next = match schedule.next_run.filter(|_| schedule.enabled) {
        Some(next) => format!("next at {} UTC while `netraven up` runs", time(next)),
        None => next(schedule),
    };
    format!("{}, {}, {next}", target(&plan.target), when(&plan.calendar))
}

fn details(schedule: &Schedule, devices: Option<&[String]>) -> String {
    let (plan, calendar) = (&schedule.plan, &schedule.plan.calendar);
    let spread = if plan.jitter.is_zero() { "-".to_owned() } else { duration(plan.jitter) };
    pairs([
        ("name", plan.name.clone()),
        ("description", or_dash(plan.description.as_deref())),
        ("what", plan.kind.as_str().to_owned()),
        ("commands", or_dash(Some(&plan.commands.join("; ")))),
        ("which", target_by_name(&plan.target, devices)),
        ("when", when(calendar)),
        ("zone", calendar.zone.name().to_owned()),
        ("windows", or_dash(Some(&words(&calendar.windows).join("; ")))),
        ("blackouts", or_dash(Some(&words(&calendar.blackouts).join("; ")))),
        ("from", calendar.valid_from.map_or_else(|| "-".to_owned(), |at| local(calendar, at))),
        ("until", calendar.valid_until.map_or_else(|| "-".to_owned(), |at| local(calendar, at))),
        ("jitter", spread),
        ("priority", plan.priority.to_string()),
        ("next run (UTC)", next(schedule)),
        ("last run (UTC)", time_or_dash(schedule.last_run)),
        ("made (UTC)", time(schedule.created_at)),
    ])
}

/// What comes first is what the scheduler goes by: a run that is late may be among it.
fn next_runs(schedule: &Schedule, now: DateTime<Utc>) -> Vec<Occurrence> {
    let calendar = &schedule.plan.calendar;
    match schedule.next_run.filter(|_| schedule.enabled) {
        None if schedule.enabled => Vec::new(),
        None => calendar.upcoming(now).take(SHOWN).collect(),
        Some(next) => {
            let reckoned = calendar.occurrence_after(now).filter(|run| run.at == next);
            let first = reckoned.unwrap_or(Occurrence { due: next, at: next });
            std::iter::once(first).chain(calendar.upcoming(next.max(now))).take(SHOWN).collect()
        }
    }
}

fn table(calendar: &Calendar, runs: &[Occurrence], width: Option<u16>) -> String {
    let waits = runs.iter().any(|run| run.due != run.at);
    let closes = runs.iter().any(|run| calendar.window_end(run.at).is_some());
    let all = [
        (Column::Left("STARTS"), true),
        (Column::Left("STARTS (UTC)"), true),
        (Column::Left("DUE"), waits),
        (Column::Left("JOBS START UNTIL"), closes),
    ];
    let columns: Vec<_> = all.iter().filter(|(_, shown)| *shown).map(|(column, _)| *column).collect();
    let rows = runs.iter().map(|run| {
        let end = calendar.window_end(run.at).map_or_else(|| "-".to_owned(), |end| local(calendar, end));
        let cells = [local(calendar, run.at), time(run.at), local(calendar, run.due), end];
        cells.into_iter().zip(&all).filter(|(_, (_, shown))| *shown).map(|(cell, _)| cell).collect()
    });
    if runs.is_empty() { "no run is left\n".to_owned() } else { render(&columns, rows, width) }
}

fn runs_to_json(calendar: &Calendar, runs: &[Occurrence]) -> Value {
    runs.iter()
        .map(|run| {
            let local = run.at.with_timezone(&calendar.zone).to_rfc3339();
            json!({"at": run.at, "local": local, "due": run.due, "until": calendar.window_end(run.at)})
        })
        .collect()
}

/// `cron 0 2 * * *, Europe/Zurich`, `every 6h`, `once 2026-12-01 02:00 CET`
fn when(calendar: &Calendar) -> String {
    match &calendar.timing {
        Timing::Cron(cron) => format!("cron {cron}, {}", calendar.zone.name()),
        Timing::Every { every, .. } => format!("every {}", duration(*every)),
        Timing::Once(at) => format!("once {}", local(calendar, *at)),
    }
}

fn next(schedule: &Schedule) -> String {
    match schedule.next_run {
        _ if !schedule.enabled => "disabled".to_owned(),
        Some(next) => time(next),
        None => "over".to_owned(),
    }
}

/// As the zone's clock shows it.
fn local(calendar: &Calendar, at: DateTime<Utc>) -> String {
    at.with_timezone(&calendar.zone).format("%a %Y-%m-%d %H:%M %Z").to_string()
}

fn words(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(Span::as_str).collect()
}
