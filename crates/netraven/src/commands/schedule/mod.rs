//! `netraven schedule`

mod options;
mod save;
mod show;

pub use options::{SHORTEST, Which};
pub use show::{describe, target, view};

use crate::commands::backup;
use crate::context::Context;
use crate::database::{Database, with_store};
use crate::error::{CliError, Result};
use crate::output::format::time;
use crate::output::note;
use crate::signals::StopSignals;
use clap::Subcommand;
use netraven_store::schedules;
use serde_json::json;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven schedule list
  netraven schedule list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven schedule show nightly
  netraven schedule show nightly --json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven schedule remove nightly";

const ENABLE_EXAMPLES: &str = "\
Examples:
  netraven schedule enable nightly";

const DISABLE_EXAMPLES: &str = "\
Examples:
  netraven schedule disable nightly";

const RUN_EXAMPLES: &str = "\
Examples:
  netraven schedule run nightly
  netraven schedule run nightly --no-wait --json

The schedule's own runs stay where they are. Exits as `netraven backup` does.";

/// Runs that start by themselves
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them with their next run
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Shows one with its next five runs
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its name
        name: String,
    },
    /// Makes one
    #[command(after_help = save::ADD_EXAMPLES)]
    Add(Box<save::Add>),
    /// Changes one
    #[command(after_help = save::UPDATE_EXAMPLES)]
    Update(Box<save::Update>),
    /// Shows when runs would start, and saves nothing
    #[command(after_help = show::PREVIEW_EXAMPLES)]
    Preview(show::Preview),
    /// Removes one; what it collected stays
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name
        name: String,
    },
    /// Lets one start runs again, from its next usual time on
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
    /// Does now what one does, whatever its windows say
    #[command(after_help = RUN_EXAMPLES)]
    Run {
        /// Its name
        name: String,
        /// Starts the run and does not wait for it: a worker must be running
        #[arg(long)]
        no_wait: bool,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => show::list(context).await,
        Command::Show { name } => show::show(&name, context).await,
        Command::Add(args) => save::add(*args, context).await,
        Command::Update(args) => save::update(*args, context).await,
        Command::Preview(args) => show::preview(&args, context),
        Command::Remove { name } => {
            with_store(context, async |store| Ok(schedules::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("schedule {name} removed"))
        }
        Command::Enable { name } => switch(&name, true, context).await,
        Command::Disable { name } => switch(&name, false, context).await,
        Command::Run { name, no_wait } => run_now(&name, no_wait, context).await,
    }
}

async fn switch(name: &str, enabled: bool, context: &Context) -> Result {
    let schedule = with_store(context, async |store| {
        let now = schedules::clock(store).await?;
        Ok(schedules::enable(store, name, enabled, now).await?)
    })
    .await?;
    let json = || json!({"name": name, "enabled": enabled, "next_run": schedule.next_run});
    context.output.show(json, || match schedule.next_run.filter(|_| enabled) {
        Some(next) => format!("schedule {name} enabled, next run at {} UTC", time(next)),
        None => format!("schedule {name} disabled"),
    })
}

async fn run_now(name: &str, no_wait: bool, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = start_now(name, no_wait, context, &database, &mut signals).await;
    database.close().await;
    result
}

async fn start_now(
    name: &str,
    no_wait: bool,
    context: &Context,
    database: &Database,
    signals: &mut StopSignals,
) -> Result {
    let store = &database.store;
    let schedule = schedules::get(store, name).await?;
    let created = schedules::run_now(store, name, &backup::user()).await?;
    if created.jobs + created.shared == 0 {
        return Err(CliError::not_found(format!("schedule {name} takes no device at the moment"))
            .hint(format!("see `netraven schedule show {name}`; disabled devices are left out")));
    }
    if !schedule.plan.calendar.allows(schedules::clock(store).await?) {
        note("note: its windows and blackouts do not hold back a run that a person starts");
    }
    backup::see_through(created, no_wait, context, database, signals).await
}
