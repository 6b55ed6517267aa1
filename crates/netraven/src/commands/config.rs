//! `netraven config`

use crate::changes::{Changes, label, load};
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::output::format::{or_dash, parse_time, size, time};
use crate::output::table::{Column, render};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use netraven_model::PartKind;

use netraven_store::versions::{self, Part, Version, VersionRow, VersionSelector};
use serde_json::{Value, json};

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven config show r1
  netraven config show r1 --version 3 > r1.cfg
  netraven config show r1 --at '2026-03-01 14:00'
  netraven config show r1 --part version --json

Without --part all configuration parts are printed, without those that only tell the device's
state. Secrets stand there as fingerprints.";

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
        Command::Show { device, version, at, part } => {
            let selector = match (version, at) {
                (Some(seq), _) => VersionSelector::Seq(seq),
                (None, Some(time)) => VersionSelector::At(time),
                (None, None) => VersionSelector::Latest,
            };
            let version = with_store(context, async |store| load(store, &device, selector).await).await?;
            show(&device, &version, part.as_deref(), context)
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

fn show(device: &str, version: &Version, part: Option<&str>, context: &Context) -> Result {
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
    if context.output.json {
        let mut json = view(&version.row);
        json["device"] = device.into();
        json["part_list"] = parts.iter().map(|part| part_json(part)).collect();
        return context.output.json(&json);
    }
    for part in parts {
        match context.output.width {
            // A file gets the exact bytes.
            None => context.output.bytes(&part.content)?,
            Some(_) => context.output.text(&String::from_utf8_lossy(&part.content))?,
        }
    }
    Ok(())
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

fn part_json(part: &Part) -> Value {
    json!({
        "name": part.name, "context": part.context, "command": part.command, "kind": part.kind,
        "content": String::from_utf8_lossy(&part.content), "volatile": part.volatile,
    })
}
