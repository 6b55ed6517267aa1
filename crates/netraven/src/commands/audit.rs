//! `netraven audit`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, time};
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_store::audit::{self, Action, AuditFilter, AuditRow};
use serde_json::{Value, json};

const LIST_EXAMPLES: &str = "\
Examples:
  netraven audit list
  netraven audit list --actor alice --limit 20
  netraven audit list --action device.removed --json
  netraven audit list --before 4711                goes on where the last list ended";

/// Who changed what, and when.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists entries, the newest first; nobody can change or delete them
    #[command(after_help = LIST_EXAMPLES)]
    List(Filter),
}

/// Which entries.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// As many at most
    #[arg(long, value_name = "NUMBER", default_value_t = AuditFilter::DEFAULT_LIMIT,
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only entries older than this one
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Of this person or service
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Of this kind, e.g. user.added
    #[arg(long, value_parser = action)]
    action: Option<Action>,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    let Command::List(filter) = command;
    let filter = AuditFilter {
        actor: filter.actor,
        action: filter.action,
        limit: Some(filter.limit),
        before: filter.before,
    };
    let rows = with_store(context, async |store| Ok(audit::list(store, &filter).await?)).await?;
    context.output.show(|| json!(rows), || render(&COLUMNS, rows.iter().map(row), context.output.width))
}

const COLUMNS: [Column; 6] = [
    Column::Right("ID"),
    Column::Left("TIME (UTC)"),
    Column::Left("ACTOR"),
    Column::Left("ACTION"),
    Column::Left("TARGET"),
    Column::Left("DETAILS"),
];

fn row(entry: &AuditRow) -> Vec<String> {
    let failed = if entry.success { "" } else { " (failed)" };
    vec![
        entry.id.to_string(),
        time(entry.timestamp),
        format!("{} ({})", entry.actor, entry.actor_kind),
        format!("{}{failed}", entry.action),
        or_dash(entry.target.as_deref()),
        or_dash(Some(&details(entry.details.as_ref()))),
    ]
}

/// `from 3, to 5`
fn details(details: Option<&Value>) -> String {
    let Some(Value::Object(fields)) = details else { return String::new() };
    let fields = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let name = name.replace('_', " ");
        match value {
            Value::String(text) => format!("{name} {text}"),
            value => format!("{name} {value}"),
        }
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn action(text: &str) -> Result<Action, String> {
    Action::from_name(text).ok_or_else(|| {
        let known: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        format!("expected one of {}, found '{text}'", known.join(", "))
    })
}
