//! `netraven db upgrade-cluster`

use crate::context::Context;
use crate::database::private_settings;
use crate::error::{CliError, Result};
use crate::output::note;
use netraven_store::private::{Upgraded, upgrade_cluster};
use serde_json::json;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  netraven db upgrade-cluster
  netraven db upgrade-cluster --old-binaries /usr/lib/postgresql/15/bin";

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with the programs of the version the data was made by
    #[arg(long, value_name = "FOLDER")]
    old_binaries: Option<PathBuf>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result {
    if context.settings.database.url.is_some() {
        return Err(CliError::usage("the settings name a PostgreSQL server of your own (database.url)")
            .hint("this command moves the private PostgreSQL only; unset DATABASE_URL to do so"));
    }
    let mut settings = private_settings(context);
    settings.old_binaries = args.old_binaries;
    let done = upgrade_cluster(&settings, note).await?;
    context.output.show(
        || json!({"from": done.from, "to": done.to, "tables": done.tables, "rows": done.rows, "kept": done.kept}),
        || told(&done),
    )
}

fn told(done: &Upgraded) -> String {
    let Upgraded { from, to, tables, rows, kept } = done;
    if from == to {
        return format!("the data is of PostgreSQL {to} already");
    }
    let kept = kept.as_ref().map(|kept| format!("\nthe old data is kept in {}", kept.display()));
    format!("moved from PostgreSQL {from} to {to}: {tables} tables, {rows} rows{}", kept.unwrap_or_default())
}
