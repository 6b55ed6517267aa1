//! `netraven db restore`

use super::backup::content;
use crate::administration::Administration;
use crate::context::Context;
use crate::db_backup::missing_keys;
use crate::error::{CliError, Result};
use crate::output::format::time;
use crate::output::note;
use crate::sealing::vault;
use crate::signals::StopSignals;
use netraven_store::backup::{self, RestoreSettings, Restored, SealedSample};
use netraven_store::secrets::SealedKey;
use netraven_vault::Place;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Examples:
  netraven db restore /mnt/backups/netraven-netraven-20260301T020000Z.dump
  DATABASE_URL='postgresql://db.example.net/netraven' \\
    NETRAVEN__DATABASE__ADMIN_URL='postgresql://postgres:...@db.example.net/netraven' \\
    netraven db restore netraven-netraven-20260301T020000Z.dump

The database must have no NetRaven tables yet; a missing database is created. Nothing is changed
if the backup is not good. docs/backup_and_restore.md tells how to get a whole installation back.";

/// What it is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The dump; its manifest stands beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Gives the roles new passwords, where the file with the old ones is lost
    #[arg(long)]
    new_passwords: bool,
    /// Waits so long for a server that is still starting
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let wait = Duration::from_secs(args.wait);
    let administration = Administration::open(context, args.new_passwords, wait).await?;
    let restored = tokio::select! {
        restored = restore(&args, &administration, context) => restored,
        () = signals.next() => Err(CliError::interrupted()),
    };
    administration.close().await;
    let restored = restored?;
    let warnings = keys_that_do_not_fit(context, &restored);
    warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    let (manifest, schema) = (&restored.manifest, &restored.schema);
    context.output.show(
        || {
            json!({
                "restored": args.file, "manifest": manifest, "schema_version_before": schema.before,
                "schema_version": schema.now, "warnings": warnings,
            })
        },
        || {
            let migrated = match schema.before {
                Some(before) if before != schema.now => {
                    format!("; schema version {before} became {}", schema.now)
                }
                _ => String::new(),
            };
            format!(
                "restored and compared: {}, as of {}{migrated}",
                content(manifest),
                time(manifest.created_at)
            )
        },
    )
}

async fn restore(args: &Args, administration: &Administration, context: &Context) -> Result<Restored> {
    let settings = RestoreSettings {
        setup: administration.settings.clone(),
        binaries: context.settings.database.private.binaries.clone(),
    };
    Ok(backup::restore(&args.file, &settings, &note).await?)
}

/// A key file may hold a key of the right number that is another installation's: what was restored is tried.
fn keys_that_do_not_fit(context: &Context, restored: &Restored) -> Vec<String> {
    let missing = missing_keys(context, &restored.manifest.keys);
    let Ok(vault) = vault(context) else { return missing };
    if !missing.is_empty() {
        return missing;
    }
    let opens = |sample: &&SealedSample| {
        let place = Place { table: &sample.table, column: &sample.column, row: sample.row };
        vault.unseal(&place, &sample.ciphertext).err()
    };
    let source = vault.source();
    let unwraps = |sealed: &SealedKey| vault.open_capture(sealed.uuid, &sealed.key).err();
    let failed = restored.samples.iter().find_map(|sample| opens(&sample));
    failed
        .or_else(|| restored.data_keys.iter().find_map(unwraps))
        .map(|error| {
            format!("the {source} does not open the restored secrets: {error}; put the right one there")
        })
        .into_iter()
        .collect()
}
