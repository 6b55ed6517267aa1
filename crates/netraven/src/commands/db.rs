//! `netraven db`

use crate::context::Context;
use crate::database::{Database, private_settings};
use crate::error::{CliError, Result};
use crate::output::format::size;
use crate::output::note;
use crate::output::table::pairs;
use crate::settings::mask_url;
use clap::Subcommand;
use netraven_store::private::{Upgraded, upgrade_cluster};
use netraven_store::{DatabaseInfo, StoreError};
use serde_json::{Value, json};
use std::path::PathBuf;

const CHECK_EXAMPLES: &str = "\
Examples:
  netraven db check
  netraven db check --json
  DATABASE_URL='postgresql://netraven:...@db.example.net/netraven' netraven db check";

const INIT_EXAMPLES: &str = "\
Examples:
  netraven db init
  DATABASE_URL='postgresql://netraven:...@db.example.net/netraven' netraven db init";

const UPGRADE_EXAMPLES: &str = "\
Examples:
  netraven db upgrade-cluster
  netraven db upgrade-cluster --old-binaries /usr/lib/postgresql/15/bin";

/// The database.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connects and says what is there, or exactly why not
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Creates the schema, or brings an older one to this release; safe to repeat
    #[command(after_help = INIT_EXAMPLES)]
    Init,
    /// Moves the private PostgreSQL's data to the newer PostgreSQL of this machine
    #[command(after_help = UPGRADE_EXAMPLES)]
    UpgradeCluster {
        /// Folder with the programs of the version the data was made by
        #[arg(long, value_name = "FOLDER")]
        old_binaries: Option<PathBuf>,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Check => check(context).await,
        Command::Init => init(context).await,
        Command::UpgradeCluster { old_binaries } => upgrade(context, old_binaries).await,
    }
}

async fn check(context: &Context) -> Result {
    let database = Database::connect(context).await?;
    let looked = async {
        let ready = database.prepare().await;
        let info = database.store.check().await?;
        Ok::<_, StoreError>((info, ready))
    }
    .await;
    let private = database.private_version();
    database.close().await;
    let (info, ready) = looked?;
    let problem = ready.err().map(CliError::from);
    context.output.show(
        || {
            let mut json = view(context, &info, private.is_some());
            json["ready"] = problem.is_none().into();
            json["problem"] = problem.as_ref().map(|problem| problem.message.clone()).into();
            json
        },
        || format!("Database connection successful\n{}", details(context, &info, private.is_some())),
    )?;
    match problem {
        None => Ok(()),
        Some(problem) => Err(problem),
    }
}

fn details(context: &Context, info: &DatabaseInfo, private: bool) -> String {
    pairs([
        ("server", format!("PostgreSQL {}", info.server_version)),
        ("where", place(context, private)),
        ("database", info.database.clone()),
        ("user", info.user.clone()),
        (
            "schema",
            info.schema_version.map_or_else(|| "none".to_owned(), |version| format!("version {version}")),
        ),
        ("size", size(info.size_bytes.max(0).unsigned_abs())),
    ])
}

fn view(context: &Context, info: &DatabaseInfo, private: bool) -> Value {
    json!({
        "connected": true, "server_version": info.server_version, "where": place(context, private),
        "private": private, "database": info.database, "user": info.user,
        "schema_version": info.schema_version, "size_bytes": info.size_bytes,
    })
}

fn place(context: &Context, private: bool) -> String {
    match &context.settings.database.url {
        Some(url) if !private => mask_url(url.expose()),
        _ => format!("private PostgreSQL in {}", context.settings.data_dir.display()),
    }
}

async fn init(context: &Context) -> Result {
    let database = Database::connect(context).await?;
    let done = database.store.initialize().await;
    database.close().await;
    let done = done?;
    context.output.show(
        || json!({"schema_version_before": done.before, "schema_version": done.now}),
        || match done.before {
            None => format!("schema version {} created", done.now),
            Some(before) if before == done.now => {
                format!("schema version {before} is this release's already")
            }
            Some(before) => format!("schema brought from version {before} to {}", done.now),
        },
    )
}

async fn upgrade(context: &Context, old_binaries: Option<PathBuf>) -> Result {
    if context.settings.database.url.is_some() {
        return Err(CliError::usage("the settings name a PostgreSQL server of your own (database.url)")
            .hint("this command moves the private PostgreSQL only; unset DATABASE_URL to do so"));
    }
    let mut settings = private_settings(context);
    settings.old_binaries = old_binaries;
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
