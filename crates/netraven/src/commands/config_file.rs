//! `netraven config-file`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::settings::{to_json, to_yaml};
use clap::Subcommand;

const CHECK_EXAMPLES: &str = "\
Examples:
  netraven config-file check
  netraven config-file check --env dev
  netraven config-file check --database        with the values set in the database
  netraven config-file check --json | jq '.settings[\"database.url\"]'";

/// NetRaven's own settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints the settings in force and where each came from, secrets masked; fails if anything is wrong with them
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Also reads what was set with `netraven setting set`
        #[arg(long)]
        database: bool,
    },
}

/// Runs it.
pub async fn run(command: Command, mut context: Context) -> Result {
    let Command::Check { database } = command;
    if database {
        let rows =
            with_store(&context, async |store| Ok(netraven_store::settings::list(store).await?)).await?;
        context.effective.overlay_database(rows.iter().map(|row| (row.key.as_str(), &row.value)))?;
    }
    context.output.show(|| to_json(&context.effective), || to_yaml(&context.effective))
}
