//! `netraven event`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, parse_time, time};
use crate::output::table::{Column, render};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Subcommand;
use netraven_model::{ChangeId, ChangeKind};
use netraven_store::changes::{self, ChangeFilter, ChangeRow};
use serde_json::json;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven event list
  netraven event list --type device_failing --since 2026-03-01
  netraven event list --device r1 --json
  netraven event list --before 4711                goes on where the last list ended

Each change is told once: a device that fails every night began to fail once. Who is told of them
says `netraven notify`.";

/// What changed with devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists changes of devices, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(Filter),
}

/// Which changes.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Of this device
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Of this kind, e.g. configuration_changed
    #[arg(long = "type", value_name = "EVENT", value_parser = kind)]
    kind: Option<ChangeKind>,
    /// Not before this time (UTC): 2026-03-01 or 2026-03-01T12:00
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// Only changes older than this one
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// As many at most
    #[arg(long, value_name = "NUMBER", default_value_t = ChangeFilter::DEFAULT_LIMIT,
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    let Command::List(filter) = command;
    let filter = ChangeFilter {
        device: filter.device,
        event: filter.kind,
        since: filter.since,
        before: filter.before.map(ChangeId),
        limit: Some(filter.limit),
    };
    let rows = with_store(context, async |store| Ok(changes::list(store, &filter).await?)).await?;
    context.output.show(|| json!(rows), || render(&COLUMNS, rows.iter().map(row), context.output.width))
}

const COLUMNS: [Column; 7] = [
    Column::Right("ID"),
    Column::Left("TIME (UTC)"),
    Column::Left("DEVICE"),
    Column::Left("EVENT"),
    Column::Right("VERSION"),
    Column::Left("REASON"),
    Column::Left("MESSAGE"),
];

fn row(change: &ChangeRow) -> Vec<String> {
    vec![
        change.id.to_string(),
        time(change.at),
        change.hostname.clone(),
        change.event.as_str().to_owned(),
        or_dash(change.seq.map(|seq| seq.to_string()).as_deref()),
        or_dash(change.error_code.map(|code| code.as_str())),
        or_dash(change.message.as_deref()),
    ]
}

/// A day means its beginning.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(day) => Ok(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => parse_time(text),
    }
}

/// A kind of change by its name.
pub fn kind(text: &str) -> Result<ChangeKind, String> {
    let known = || ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    ChangeKind::from_name(text).ok_or_else(|| format!("expected one of {}, found '{text}'", known()))
}
