//! `netraven db backup` and `netraven db verify-backup`

use crate::administration::Administration;
use crate::context::Context;
use crate::db_backup;
use crate::error::{CliError, Result};
use crate::logins;
use crate::output::format::{size, time};
use crate::output::note;
use crate::output::table::pairs;
use crate::signals::StopSignals;
use netraven_store::access::{Logins, Role};
use netraven_store::audit::{self, Actor, Entry};
use netraven_store::backup::{self, BackupSettings, Created, Manifest, Verified};
use netraven_store::{ConnectSettings, Store};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Examples:
  netraven db backup
  netraven db backup --to /mnt/backups --keep 30

The folder gets two files, a dump and its manifest. The keys are in neither: without a copy of
the key file (vault.key_file) nobody can open the stored credentials. docs/backup_and_restore.md
tells more.";

pub const VERIFY_EXAMPLES: &str = "\
Examples:
  netraven db verify-backup /mnt/backups/netraven-netraven-20260301T020000Z.dump

Needs no database, only PostgreSQL's program pg_restore.";

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for the backup [default: db_backup.dir]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Keeps so many backups of this installation in the folder, 0 for all [default: db_backup.keep]
    #[arg(long, value_name = "N")]
    keep: Option<u32>,
}

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The dump; its manifest stands beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs `backup`.
pub async fn run(args: Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let administration = Administration::open(context, false, Duration::ZERO).await?;
    let made = tokio::select! {
        made = back_up(args, &administration, context) => made,
        () = signals.next() => Err(CliError::interrupted()),
    };
    administration.close().await;
    let created = made?;
    let warnings = db_backup::missing_keys(context, &created.manifest.keys);
    warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    context.output.show(
        || {
            json!({
                "dump": created.dump, "manifest_file": created.dump.with_extension("json"),
                "manifest": created.manifest, "removed": created.removed, "warnings": warnings,
            })
        },
        || told(&created),
    )
}

/// As the role for backups where it has a login here. The schema may be an older release's: that is when a backup is
/// wanted most.
async fn back_up(args: Args, administration: &Administration, context: &Context) -> Result<Created> {
    let admin = &administration.settings.admin;
    let logins = match &context.settings.database.url {
        Some(url) => logins::load(context, url.expose())?,
        None => Logins::load(&logins::file(context))?,
    };
    let settings = db_backup::settings(context, login(admin, logins.as_ref(), Role::Backup));
    let settings = BackupSettings {
        directory: args.to.unwrap_or(settings.directory),
        keep: args.keep.unwrap_or(settings.keep),
        ..settings
    };
    let created = backup::create(&settings).await?;
    // The backup is there, whether or not it can be told of.
    let api = login(admin, logins.as_ref(), Role::Api);
    if let Err(error) = record(&api, &db_backup::entry(&created)).await {
        note(&format!("warning: the audit trail does not have this backup: {}", error.message));
    }
    Ok(created)
}

fn login(admin: &ConnectSettings, logins: Option<&Logins>, role: Role) -> ConnectSettings {
    let login = logins.and_then(|logins| logins.login(role));
    let login = login.map(|(user, password)| (user, password.clone()));
    ConnectSettings { login, ..admin.clone() }
}

async fn record(settings: &ConnectSettings, entry: &Entry) -> Result {
    let store = Store::connect(settings).await?.with_actor(Actor::shell());
    let recorded = audit::record(&store, entry).await;
    store.close().await;
    Ok(recorded?)
}

fn told(created: &Created) -> String {
    let mut lines =
        vec![("backup", created.dump.display().to_string()), ("content", content(&created.manifest))];
    lines.push(("keys", keys(&created.manifest)));
    if !created.removed.is_empty() {
        lines.push(("removed", format!("{} older", created.removed.len())));
    }
    pairs(lines)
}

/// Runs `verify-backup`.
pub async fn verify(args: VerifyArgs, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let binaries = context.settings.database.private.binaries.as_deref();
    let Verified { dump, manifest } = tokio::select! {
        verified = backup::verify(&args.file, binaries, &note) => verified?,
        () = signals.next() => return Err(CliError::interrupted()),
    };
    let warnings = db_backup::missing_keys(context, &manifest.keys);
    warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    context.output.show(
        || json!({"valid": true, "dump": dump, "manifest": manifest, "warnings": warnings}),
        || {
            pairs([
                ("backup", dump.display().to_string()),
                ("content", content(&manifest)),
                ("made", format!("{} by NetRaven {}", time(manifest.created_at), manifest.netraven)),
                ("from", format!("database {}, PostgreSQL {}", manifest.database, manifest.postgresql)),
                ("schema", format!("version {}", manifest.schema_version)),
                ("keys", keys(&manifest)),
                (
                    "checked",
                    "manifest, size and SHA-256 of the dump, rows of every table: all good".to_owned(),
                ),
            ])
        },
    )
}

/// How much there is in it.
pub fn content(manifest: &Manifest) -> String {
    let (rows, tables) = (manifest.total_rows(), manifest.rows.len());
    format!("{rows} rows in {tables} tables, {}", size(manifest.size_bytes))
}

fn keys(manifest: &Manifest) -> String {
    let numbers: Vec<String> = manifest.keys.iter().map(u32::to_string).collect();
    if numbers.is_empty() {
        "none needed".to_owned()
    } else {
        format!("needs {} of the key file", numbers.join(", "))
    }
}
