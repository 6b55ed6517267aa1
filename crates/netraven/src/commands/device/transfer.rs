use super::read::Filter;
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::input::csv::{self, Problem};
use crate::output::note;
use netraven_store::devices::{self, OnExisting};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Far more than the largest network's inventory.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A file to import.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// CSV file; - reads standard input
    file: PathBuf,
    /// Checks everything and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Gives devices that exist already the values of the file; otherwise they are left as they are
    #[arg(long)]
    update: bool,
}

/// Where to export to.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// CSV file, must not exist yet; without it standard output
    file: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
}

/// `netraven device import`
pub async fn import(args: Import, context: &Context) -> Result {
    let content = read(&args.file, "inventory")?;
    let new =
        csv::read(&content, &context.platforms()?).map_err(|problems| refused(&args.file, &problems))?;
    let lines = new.len();
    if args.dry_run {
        let json = || json!({"lines": lines, "dry_run": true});
        return context
            .output
            .show(json, || format!("{lines} devices are good; nothing was written (--dry-run)"));
    }
    let existing = if args.update { OnExisting::Update } else { OnExisting::Skip };
    let done = with_store(context, async |store| Ok(devices::add_many(store, new, existing).await?)).await?;
    let json = || {
        json!({
            "lines": lines, "dry_run": false,
            "added": done.added, "updated": done.updated, "skipped": done.skipped,
        })
    };
    context.output.show(json, || match (done.updated, done.skipped) {
        (0, 0) => format!("{} devices added", done.added),
        (updated, 0) => format!("{} devices added, {updated} updated", done.added),
        (_, skipped) => {
            format!(
                "{} devices added, {skipped} left as they were (--update gives them the new values)",
                done.added
            )
        }
    })
}

/// `netraven device export`
pub async fn export(args: Export, context: &Context) -> Result {
    let filter = args.filter.to_store();
    let found = with_store(context, async |store| Ok(devices::list(store, &filter).await?)).await?;
    if context.output.json && args.file.is_none() {
        return context.output.json(&json!(found));
    }
    let content =
        csv::write(&found).map_err(|error| CliError::failed(format!("the CSV cannot be made: {error}")))?;
    match &args.file {
        None => context.output.bytes(&content),
        Some(path) => {
            write(path, &content)?;
            let json = || json!({"file": path, "devices": found.len()});
            context.output.show(json, || format!("{} devices written to {}", found.len(), path.display()))
        }
    }
}

/// A file's content; `what` is what it should be.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut content)
    } else {
        File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content))
    };
    match read {
        Ok(_) if content.len() as u64 > LARGEST => {
            Err(CliError::usage(format!("{} is larger than 64 MiB, which no {what} is", path.display())))
        }
        Ok(_) => Ok(content),
        Err(error) => Err(CliError::usage(format!("{} cannot be read: {error}", path.display()))
            .hint("check that the file exists and that this user may read it")),
    }
}

/// Names every wrong line, then ends: the last line of the output says what happened.
fn refused(path: &Path, problems: &[Problem]) -> CliError {
    for problem in problems {
        note(&problem.to_string());
    }
    let count = match problems.len() {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    CliError::usage(format!("{} has {count}, nothing was imported", path.display())).hint(
        "see `netraven device import --help` for the columns, `netraven platform list` for the platforms",
    )
}

fn write(path: &Path, content: &[u8]) -> Result {
    let file = File::options().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(content))
        .map_err(|error| CliError::usage(format!("{} cannot be written: {error}", path.display())))
}
