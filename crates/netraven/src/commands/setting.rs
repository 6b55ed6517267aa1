//! `netraven setting`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::time;
use crate::output::table::{Column, render};
use crate::settings::{Origin, check_runtime, keys};
use clap::Subcommand;
use netraven_store::settings;
use serde_json::json;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven setting list
  netraven setting list --json";

const SET_EXAMPLES: &str = "\
Examples:
  netraven setting set retry.attempts 5
  netraven setting set device.parallel_sessions 200

Running workers take them over within seconds. They win over the configuration file, the
environment and the command line. docs/configuration.md marks the keys with `run time`.";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven setting remove retry.attempts";

/// Settings that are kept in the database and hold for all workers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the values set in the database
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Sets a value
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// Its key, e.g. retry.attempts
        key: String,
        /// Its value
        value: String,
    },
    /// Removes a value, so that the configuration holds again
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its key
        key: String,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list(context).await,
        Command::Set { key, value } => {
            let origin = Origin::CommandLine { option: "VALUE".to_owned() };
            let (key, value) = check_runtime(&key, &value, origin)?;
            let shown = value.clone();
            with_store(context, async |store| Ok(settings::set(store, key.path, value).await?)).await?;
            let json = || json!({"key": key.path, "value": shown});
            context.output.show(json, || {
                format!("{} is {shown}; running workers take it over within seconds", key.path)
            })
        }
        Command::Remove { key } => {
            with_store(context, async |store| Ok(settings::remove(store, &key).await?)).await?;
            context
                .output
                .show(|| json!({"removed": key}), || format!("{key} is no longer set in the database"))
        }
    }
}

async fn list(context: &Context) -> Result {
    let rows = with_store(context, async |store| Ok(settings::list(store).await?)).await?;
    context.output.show(
        || json!(rows),
        || {
            let columns =
                [Column::Left("KEY"), Column::Left("VALUE"), Column::Left("SET (UTC)"), Column::Left("")];
            let rows = rows.iter().map(|row| {
                let known = keys::find(&row.key).is_some_and(|key| key.runtime);
                let remark = if known { "" } else { "unknown to this release" };
                vec![row.key.clone(), row.value.to_string(), time(row.updated_at), remark.to_owned()]
            });
            render(&columns, rows, context.output.width)
        },
    )
}
