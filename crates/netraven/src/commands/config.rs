//! `netraven config`

use crate::changes::{Changes, label, load};
use crate::context::Context;
use crate::database::{Database, with_database, with_store};
use crate::error::{CliError, Result};
use crate::output::format::{or_dash, parse_time, size, time};
use crate::output::note;
use crate::output::sections::{self, Secrets};
use crate::output::table::{Column, render};
use crate::reveal::{self, Revealed};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use netraven_model::PartKind;
use netraven_store::devices;
use netraven_store::versions::{self, Part, Version, VersionRow, VersionSelector};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven config show r1
  netraven config show r1 --version 3 > r1.cfg
  netraven config show r1 --at '2026-03-01 14:00'
  netraven config show r1 --part version --json

Without --part all configuration parts are printed, without those that only tell the device's
state; several stand each behind a comment line that names it. Secrets stand there as
fingerprints, of which a terminal shows the first digits. With --reveal they are printed as the
device sent them, and the audit trail remembers who asked.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  netraven config restore-file r1 --output r1.cfg
  netraven config restore-file r1 --version 3 --part running-config --output r1.cfg

Writes one part exactly as the device sent it, secrets included, to a file that only you can read.
The audit trail remembers it.";

const LOG_EXAMPLES: &str = "\
Examples:
  netraven config log r1
  netraven config log r1 --limit 5 --json";

const DIFF_EXAMPLES: &str = "\
Examples:
  netraven config diff r1                      the last change
  netraven config diff r1 --from 3             everything since version 3
  netraven config diff r1 --from 3 --to 5 --context 10";

/// Stored configurations of devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints a configuration: the newest, or one of the past
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        #[command(flatten)]
        wanted: Wanted,
        /// With the secrets, as the device sent them
        #[arg(long)]
        reveal: bool,
    },
    /// Writes a configuration to a file exactly as the device sent it, secrets included
    #[command(after_help = RESTORE_EXAMPLES)]
    RestoreFile {
        #[command(flatten)]
        wanted: Wanted,
        /// The file; it must not be there yet
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Lists a device's versions, newest first
    #[command(after_help = LOG_EXAMPLES)]
    Log {
        /// The device
        device: String,
        /// As many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Only versions before this one
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
    },
    /// Compares two versions; what changes without meaning is left out
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        /// The device
        device: String,
        /// The older version [default: the one before --to]
        #[arg(long, value_name = "NUMBER")]
        from: Option<i64>,
        /// The newer version [default: the newest]
        #[arg(long, value_name = "NUMBER")]
        to: Option<i64>,
        /// Equal lines around each change
        #[arg(long, value_name = "LINES", default_value_t = 3)]
        context: usize,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Show { wanted, reveal: true } => {
            with_database(context, async |database| revealed(&wanted, database, context).await).await
        }
        Command::Show { wanted, reveal: false } => {
            let (version, platform) = with_store(context, async |store| {
                let version = load(store, &wanted.device, wanted.selector()).await?;
                Ok((version, devices::get(store, &wanted.device).await?.device_type))
            })
            .await?;
            show(&wanted, &version, &platform, context)
        }
        Command::RestoreFile { wanted, output } => {
            with_database(context, async |database| restore(&wanted, &output, database, context).await).await
        }
        Command::Log { device, limit, before } => {
            let rows =
                with_store(context, async |store| Ok(versions::list(store, &device, limit, before).await?))
                    .await?;
            log(&rows, context)
        }
        Command::Diff { device, from, to, context: lines } => {
            let changes =
                with_store(context, async |store| Changes::load(store, &device, from, to).await).await?;
            context.output.show(|| changes.to_json(lines), || changes.render(lines, context.output.colour))
        }
    }
}

/// What of which configuration is asked for.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// The device
    device: String,
    /// Number of the version
    #[arg(long, value_name = "NUMBER", conflicts_with = "at")]
    version: Option<i64>,
    /// The version that was in force at this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<DateTime<Utc>>,
    /// Only this part
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
}

impl Wanted {
    fn selector(&self) -> VersionSelector {
        match (self.version, self.at) {
            (Some(seq), _) => VersionSelector::Seq(seq),
            (None, Some(time)) => VersionSelector::At(time),
            (None, None) => VersionSelector::Latest,
        }
    }
}

async fn revealed(wanted: &Wanted, database: &Database, context: &Context) -> Result {
    let version = load(&database.store, &wanted.device, wanted.selector()).await?;
    let parts = select(&wanted.device, &version, wanted.part.as_deref())?;
    let to = "standard output";
    let revealed = reveal::parts(context, database, &wanted.device, &version.row, &parts, to).await?;
    warn_of_salted(&wanted.device, &revealed);
    if context.output.json {
        let mut json = view(&version.row);
        json["device"] = wanted.device.as_str().into();
        json["part_list"] =
            revealed.iter().map(|revealed| part_json(revealed.part, revealed.text.expose_bytes())).collect();
        return context.output.json(&json);
    }
    let platform = devices::get(&database.store, &wanted.device).await?.device_type;
    let parts: Vec<(&Part, &[u8])> =
        revealed.iter().map(|revealed| (revealed.part, revealed.text.expose_bytes())).collect();
    sections::print(&parts, &platform, Secrets::Revealed, context)
}

async fn restore(wanted: &Wanted, output: &Path, database: &Database, context: &Context) -> Result {
    let version = load(&database.store, &wanted.device, wanted.selector()).await?;
    let parts = select(&wanted.device, &version, wanted.part.as_deref())?;
    let [part] = parts[..] else {
        let names: Vec<_> = parts.iter().map(|part| label(part)).collect();
        return Err(CliError::usage(format!("{} has several parts: {}", wanted.device, names.join(", ")))
            .hint("name one with --part"));
    };
    let unwritable = |error| CliError::failed(format!("{} cannot be written: {error}", output.display()));
    // Made before anything is revealed: where it cannot be, nothing has to be.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    let mut file = file.map_err(unwritable)?;
    let to = format!("file {}", output.display());
    let revealed = reveal::parts(context, database, &wanted.device, &version.row, &[part], &to).await;
    let written = revealed.and_then(|revealed| {
        warn_of_salted(&wanted.device, &revealed);
        let text = revealed.first().map_or(&[][..], |revealed| revealed.text.expose_bytes());
        file.write_all(text).and_then(|()| file.sync_all()).map_err(unwritable)?;
        Ok(text.len())
    });
    if written.is_err() {
        // What is half a configuration must not be taken for one.
        let _ = std::fs::remove_file(output);
    }
    let bytes = written?;
    let (seq, name) = (version.row.seq, label(part));
    context.output.show(
        || json!({"device": wanted.device, "version": seq, "part": name, "file": output, "size_bytes": bytes}),
        || format!("{name} of {}, version {seq}, is in {} ({bytes} bytes)", wanted.device, output.display()),
    )
}

/// Such a device may have got another password since without anybody being able to tell.
fn warn_of_salted(device: &str, revealed: &[Revealed<'_>]) {
    for revealed in revealed.iter().filter(|revealed| revealed.salted) {
        note(&format!(
            "note: {device} shows secrets of {} differently each time; whether one was changed after this was read is not known",
            revealed.part.name
        ));
    }
}

fn select<'a>(device: &str, version: &'a Version, part: Option<&str>) -> Result<Vec<&'a Part>> {
    let wanted = |candidate: &&Part| match part {
        Some(name) => candidate.name == name || label(candidate) == name,
        None => candidate.kind == PartKind::Config,
    };
    let parts: Vec<&Part> = version.parts.iter().filter(wanted).collect();
    if parts.is_empty() {
        let known: Vec<_> = version.parts.iter().map(label).collect();
        let what = part.map_or_else(|| "configuration part".to_owned(), |name| format!("part '{name}'"));
        return Err(CliError::not_found(format!("version {} of {device} has no {what}", version.row.seq))
            .hint(format!("it has {}", known.join(", "))));
    }
    Ok(parts)
}

fn show(wanted: &Wanted, version: &Version, platform: &str, context: &Context) -> Result {
    let parts = select(&wanted.device, version, wanted.part.as_deref())?;
    if context.output.json {
        let mut json = view(&version.row);
        json["device"] = wanted.device.as_str().into();
        json["part_list"] = parts.iter().map(|part| part_json(part, &part.content)).collect();
        return context.output.json(&json);
    }
    let parts: Vec<(&Part, &[u8])> = parts.iter().map(|part| (*part, part.content.as_slice())).collect();
    sections::print(&parts, platform, Secrets::Fingerprints, context)
}

fn log(rows: &[VersionRow], context: &Context) -> Result {
    context.output.show(
        || rows.iter().map(view).collect(),
        || {
            let columns = [
                Column::Right("VERSION"),
                Column::Left("FIRST SEEN (UTC)"),
                Column::Left("LAST SEEN (UTC)"),
                Column::Right("SIZE"),
                Column::Right("PARTS"),
                Column::Left("CHANGED BY"),
                Column::Left("REMARKS"),
            ];
            let rows = rows.iter().map(|row| {
                vec![
                    row.seq.to_string(),
                    time(row.retrieved_at),
                    time(row.last_seen),
                    size(row.size.max(0).unsigned_abs()),
                    row.parts.to_string(),
                    or_dash(row.changed_by.as_deref()),
                    or_dash(Some(&row.flags.join(", "))),
                ]
            });
            render(&columns, rows, context.output.width)
        },
    )
}

fn view(row: &VersionRow) -> Value {
    json!({
        "version": row.seq, "version_id": row.id, "device_id": row.device, "retrieved_at": row.retrieved_at,
        "last_seen": row.last_seen, "size_bytes": row.size, "parts": row.parts, "flags": row.flags,
        "changed_by": row.changed_by, "platform_digest": row.platform_digest.to_string(),
    })
}

fn part_json(part: &Part, content: &[u8]) -> Value {
    json!({
        "name": part.name, "context": part.context, "command": part.command, "kind": part.kind,
        "content": String::from_utf8_lossy(content), "volatile": part.volatile,
    })
}
