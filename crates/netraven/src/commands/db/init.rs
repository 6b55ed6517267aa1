//! `netraven db init` and `netraven db migrate`

use crate::administration::Administration;
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::note;
use netraven_store::StoreError;
use netraven_store::setup::{self, Done, Setup};
use netraven_vault::password;
use serde_json::json;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Examples:
  netraven db init
  DATABASE_URL='postgresql://db.example.net/netraven' \\
    NETRAVEN__DATABASE__ADMIN_URL='postgresql://postgres:...@db.example.net/netraven' \\
    netraven db init
  netraven db init --sql > roles.sql             what an administrator has to run, if you are none

The administrator is a superuser, or a user who may create roles and owns the database. The roles'
passwords go into a file of this machine (see `netraven db roles`); docs/schema_initialization.md
tells what happens step by step.";

pub const MIGRATE_EXAMPLES: &str = "\
Examples:
  netraven db backup && netraven db migrate";

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Waits so long for a server that is still starting
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// Prints the SQL that only an administrator may run, and does nothing else to the database
    #[arg(long)]
    sql: bool,
    /// Gives all roles new passwords; other machines need the new file then, and running services a restart
    #[arg(long)]
    new_passwords: bool,
}

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Waits so long for a server that is still starting
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
}

/// Runs `init`.
pub async fn run(args: Args, context: &Context) -> Result {
    let administration =
        Administration::open(context, args.new_passwords, Duration::from_secs(args.wait)).await?;
    let result =
        if args.sql { script(&administration, context).await } else { init(&administration, context).await };
    administration.close().await;
    result
}

async fn init(administration: &Administration, context: &Context) -> Result {
    let first_password = password::generate()?;
    let hash = password::hash(&first_password)?;
    let done = setup::initialize(&administration.settings, Some(&hash), &note).await?;
    let shown = done.administrator.then(|| first_password.expose_text().unwrap_or_default());
    context.output.show(
        || {
            json!({
                "schema_version_before": done.schema.before, "schema_version": done.schema.now,
                "checked": done.report.checked, "warnings": done.report.warnings,
                "administrator": shown.map(|password| json!({"username": "admin", "password": password})),
            })
        },
        || told(&done, shown),
    )
}

fn told(done: &Done, password: Option<&str>) -> String {
    let mut text = match done.schema.before {
        None => format!("The database is ready: schema version {}.", done.schema.now),
        Some(before) if before == done.schema.now => {
            format!("The database is ready: schema version {before} was there already.")
        }
        Some(before) => format!("The database is ready: schema version {before} became {}.", done.schema.now),
    };
    for warning in &done.report.warnings {
        text.push_str(&format!("\nremark: {warning}"));
    }
    if let Some(password) = password {
        text.push_str(&format!(
            "\nThe first administrator is 'admin' with the password\n  {password}\nIt is shown this once; change it with `netraven user password admin`."
        ));
    }
    text
}

async fn script(administration: &Administration, context: &Context) -> Result {
    let sql = setup::administrators_script(&administration.settings, &note).await?;
    if sql.is_empty() {
        note("nothing is missing that needs an administrator; `netraven db init` does the rest");
    }
    context.output.show(|| json!({"sql": sql}), || sql.trim_end().to_owned())
}

/// Runs `migrate`.
pub async fn migrate(args: MigrateArgs, context: &Context) -> Result {
    let administration = Administration::open(context, false, Duration::from_secs(args.wait)).await?;
    let result = bring_up(&administration, context).await;
    administration.close().await;
    result
}

async fn bring_up(administration: &Administration, context: &Context) -> Result {
    let mut setup = Setup::begin_existing(&administration.settings, &note).await?;
    if setup.schema_version().await?.is_none() {
        return Err(CliError::from(StoreError::SchemaMissing));
    }
    setup.prepare().await?;
    let schema = setup.migrate().await?;
    setup.validate().await?;
    setup.finish().await;
    context.output.show(
        || json!({"schema_version_before": schema.before, "schema_version": schema.now}),
        || match schema.before {
            Some(before) if before != schema.now => format!("schema version {before} became {}", schema.now),
            _ => format!("schema version {} is this release's already", schema.now),
        },
    )
}
