//! `netraven run`

use super::schedule::target;
use super::start;
use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::time;
use crate::output::table::{Column, render};
use crate::results::{Summary, Which};
use clap::Subcommand;
use netraven_model::RunId;
use netraven_store::jobs;
use serde_json::{Value, json};

const LIST_EXAMPLES: &str = "\
Examples:
  netraven run list
  netraven run list --limit 5 --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven run show 7
  netraven run show 7 --json";

const CANCEL_EXAMPLES: &str = "\
Examples:
  netraven run cancel 7";

/// Batches of jobs that a person or a schedule started.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts one of any kind and waits for it
    #[command(after_help = start::EXAMPLES)]
    Start(start::Args),
    /// Lists runs, newest first
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// As many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Shows the result of each device
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its number
        run: i64,
    },
    /// Cancels what is not finished yet
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel {
        /// Its number
        run: i64,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Start(args) => start::run(&args, context).await,
        Command::List { limit } => list(limit, context).await,
        Command::Show { run } => {
            let run = RunId(run);
            let summary = with_store(context, async |store| Summary::load(store, run).await).await?;
            context.output.show(|| summary.to_json(), || summary.render(Which::All, context.output))
        }
        Command::Cancel { run } => {
            let cancelled =
                with_store(context, async |store| Ok(jobs::cancel_run(store, RunId(run)).await?)).await?;
            let json = || json!({"run": run, "cancelled": cancelled});
            context.output.show(json, || format!("run {run}: {cancelled} jobs cancelled"))
        }
    }
}

async fn list(limit: u32, context: &Context) -> Result {
    let runs = with_store(context, async |store| Ok(jobs::runs_list(store, limit, None).await?)).await?;
    let json = || -> Value { json!(runs) };
    context.output.show(json, || {
        let columns = [
            Column::Right("RUN"),
            Column::Left("WHAT"),
            Column::Left("WHICH"),
            Column::Left("STARTED (UTC)"),
            Column::Left("BY"),
            Column::Right("JOBS"),
            Column::Right("OPEN"),
            Column::Right("FAILED"),
            Column::Left(""),
        ];
        let rows = runs.iter().map(|run| {
            let remark = if run.cancelled_at.is_some() { "cancelled" } else { "" };
            vec![
                run.id.to_string(),
                run.kind.as_str().to_owned(),
                target(&run.target),
                time(run.created_at),
                format!("{} {}", run.origin, run.requested_by),
                run.jobs.to_string(),
                run.active.to_string(),
                run.failed.to_string(),
                remark.to_owned(),
            ]
        });
        render(&columns, rows, context.output.width)
    })
}
