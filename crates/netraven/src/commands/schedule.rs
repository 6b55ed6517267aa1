//! `netraven schedule`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{duration, time, time_or_dash};
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Schedule};
use serde_json::{Value, json};

const LIST_EXAMPLES: &str = "\
Examples:
  netraven schedule list
  netraven schedule list --json

`netraven backup --all --every 1h` makes one.";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven schedule remove backup-all-1h";

const ENABLE_EXAMPLES: &str = "\
Examples:
  netraven schedule enable backup-all-1h";

const DISABLE_EXAMPLES: &str = "\
Examples:
  netraven schedule disable backup-all-1h";

/// Repeating runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them with their next run
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Removes one; what it collected stays
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name
        name: String,
    },
    /// Lets one start runs again
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable {
        /// Its name
        name: String,
    },
    /// Keeps one from starting runs
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable {
        /// Its name
        name: String,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list(context).await,
        Command::Remove { name } => {
            with_store(context, async |store| Ok(schedules::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("schedule {name} removed"))
        }
        Command::Enable { name } => switch(&name, true, context).await,
        Command::Disable { name } => switch(&name, false, context).await,
    }
}

/// As JSON, with the interval in seconds.
pub fn view(schedule: &Schedule) -> Value {
    json!({
        "id": schedule.id, "name": schedule.name, "kind": schedule.kind, "every_seconds": schedule.every.as_secs(),
        "target": schedule.target, "enabled": schedule.enabled, "next_run": schedule.next_run,
        "last_run": schedule.last_run,
    })
}

/// Which devices, in words.
pub fn target(selection: &TargetSelection) -> String {
    match selection {
        TargetSelection::All => "all devices".to_owned(),
        TargetSelection::Tags(tags) => format!("tagged {}", tags.join(", ")),
        TargetSelection::Devices(ids) if ids.len() == 1 => "1 device".to_owned(),
        TargetSelection::Devices(ids) => format!("{} devices", ids.len()),
    }
}

async fn switch(name: &str, enabled: bool, context: &Context) -> Result {
    with_store(context, async |store| Ok(schedules::enable(store, name, enabled).await?)).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    context.output.show(|| json!({"name": name, "enabled": enabled}), || format!("schedule {name} {word}"))
}

async fn list(context: &Context) -> Result {
    let found = with_store(context, async |store| Ok(schedules::list(store).await?)).await?;
    context.output.show(
        || found.iter().map(view).collect(),
        || {
            let columns = [
                Column::Left("NAME"),
                Column::Left("WHAT"),
                Column::Left("WHICH"),
                Column::Left("EVERY"),
                Column::Left("NEXT RUN (UTC)"),
                Column::Left("LAST RUN (UTC)"),
            ];
            let rows = found.iter().map(|schedule| {
                let next = if schedule.enabled { time(schedule.next_run) } else { "disabled".to_owned() };
                vec![
                    schedule.name.clone(),
                    schedule.kind.as_str().to_owned(),
                    target(&schedule.target),
                    duration(schedule.every),
                    next,
                    time_or_dash(schedule.last_run),
                ]
            });
            render(&columns, rows, context.output.width)
        },
    )
}
