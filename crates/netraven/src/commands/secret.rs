//! `netraven secret`

use crate::changes::{label, load};
use crate::context::Context;
use crate::database::{Database, with_database};
use crate::error::{CliError, Result};
use crate::output::format::time;
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_seal::{Fingerprint, markers};
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, Entry};
use netraven_store::secrets::{self, Sighting};
use netraven_store::versions::{self, Part, VersionSelector};
use serde::Serialize;
use serde_json::json;

const WHERE_EXAMPLES: &str = "\
Examples:
  netraven secret where --device r1 --line 27
  netraven secret where --device r1 --line 3 --part startup-config --version 5
  netraven secret where --device r1 3f2a9c01d4e5f60718293a4b5c6d7e8f

On which devices does the same secret stand, and in which versions? Equal secrets of different
devices are only recognised while vault.site_fingerprints is on, in versions stored since then.";

/// How many versions of a device are looked at, newest first.
const MOST_VERSIONS: u32 = 1000;

/// Where secrets of configurations stand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the devices and versions in which a secret stands
    #[command(after_help = WHERE_EXAMPLES)]
    Where(Where),
}

/// Which secret.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// What stands in its place on --device, as `config show --json` prints it
    #[arg(value_parser = fingerprint, required_unless_present = "line")]
    fingerprint: Option<Fingerprint>,
    /// The device on whose configuration it stands
    #[arg(long, short)]
    device: String,
    /// The line in which it stands, from 1
    #[arg(long, value_name = "NUMBER", conflicts_with = "fingerprint")]
    line: Option<usize>,
    /// Of this part [default: the first configuration part]
    #[arg(long, value_name = "NAME", requires = "line")]
    part: Option<String>,
    /// Of this version [default: the newest]
    #[arg(long, value_name = "NUMBER", requires = "line")]
    version: Option<i64>,
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let digits = text.strip_prefix("<secret:").and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    Fingerprint::from_hex(digits.as_bytes())
        .ok_or_else(|| "expected 32 hexadecimal digits, as `config show` prints them into a file".to_owned())
}

/// One place where a secret stands.
#[derive(Debug, Serialize)]
struct Place {
    device: String,
    version: i64,
    newest: bool,
    part: String,
    lines: Vec<usize>,
    first_seen: String,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    let Command::Where(wanted) = command;
    with_database(context, async |database| locate(&wanted, database, context).await).await
}

async fn locate(wanted: &Where, database: &Database, context: &Context) -> Result {
    let newest = load(&database.store, &wanted.device, VersionSelector::Latest).await?;
    let searched = match (wanted.fingerprint, wanted.line) {
        (Some(fingerprint), _) => vec![fingerprint],
        (None, line) => in_line(wanted, line.unwrap_or_default(), database).await?,
    };
    let entry = Entry::new(Action::SecretLocated, wanted.device.clone());
    audit::record(&database.store, &entry).await?;
    let store = database.store_as(context, Role::Revealer).await?;
    let found = sightings(&store, newest.row.device, &searched).await;
    store.close().await;
    let (sightings, known_elsewhere) = found?;
    if sightings.is_empty() {
        return Err(CliError::not_found(format!("no value of that secret of {} is kept", wanted.device))
            .hint("values are kept from the first version on that was stored with them"));
    }
    let mut places = Vec::new();
    for sighting in &sightings {
        places.extend(versions_with(sighting, database).await?);
    }
    show(&places, known_elsewhere, context)
}

/// The secret's sightings; and whether those on other devices would be known.
async fn sightings(
    store: &netraven_store::Store,
    device: netraven_model::DeviceId,
    searched: &[Fingerprint],
) -> Result<(Vec<Sighting>, bool)> {
    let (_, kept) = secrets::kept(store, device, searched).await?;
    let (mut all, mut known) = (Vec::new(), true);
    for secret in kept.values() {
        match secret.site_fingerprint {
            Some(site) => all.extend(secrets::sightings(store, site).await?),
            None => {
                known = false;
                all.extend(secrets::sighting_on(store, device, secret.fingerprint).await?);
            }
        }
    }
    Ok((all, known))
}

/// The secrets of one line of the device's configuration.
async fn in_line(wanted: &Where, line: usize, database: &Database) -> Result<Vec<Fingerprint>> {
    let selector = wanted.version.map_or(VersionSelector::Latest, VersionSelector::Seq);
    let version = load(&database.store, &wanted.device, selector).await?;
    let is_wanted = |part: &&Part| match &wanted.part {
        Some(name) => part.name == *name || label(part) == *name,
        None => part.kind == netraven_model::PartKind::Config,
    };
    let part = version.parts.iter().find(is_wanted).ok_or_else(|| {
        let known: Vec<_> = version.parts.iter().map(label).collect();
        CliError::not_found(format!("{} has no such part", wanted.device))
            .hint(format!("it has {}", known.join(", ")))
    })?;
    let text = line.checked_sub(1).and_then(|index| part.content.split(|byte| *byte == b'\n').nth(index));
    let text = text
        .ok_or_else(|| CliError::usage(format!("{} of {} has no line {line}", label(part), wanted.device)))?;
    let found: Vec<_> = markers(text).map(|(_, fingerprint)| fingerprint).collect();
    if found.is_empty() {
        let message = format!("line {line} of {} of {} holds no secret", label(part), wanted.device);
        return Err(CliError::not_found(message)
            .hint(format!("`netraven config show {} | grep -n secret:` finds them", wanted.device)));
    }
    Ok(found)
}

/// The device's versions in which it stands, newest first.
async fn versions_with(sighting: &Sighting, database: &Database) -> Result<Vec<Place>> {
    let rows = versions::list(&database.store, &sighting.hostname, MOST_VERSIONS, None).await?;
    let newest = rows.first().map(|row| row.seq);
    let mut places = Vec::new();
    for row in rows {
        for part in versions::parts(&database.store, row.device, row.id, row.seq).await? {
            let lines = lines_with(&part.content, sighting.fingerprint);
            if !lines.is_empty() {
                places.push(Place {
                    device: sighting.hostname.clone(),
                    version: row.seq,
                    newest: Some(row.seq) == newest,
                    part: label(&part),
                    lines,
                    first_seen: time(row.retrieved_at),
                });
            }
        }
    }
    Ok(places)
}

fn lines_with(text: &[u8], wanted: Fingerprint) -> Vec<usize> {
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    lines
        .filter(|(_, line)| markers(line).any(|(_, fingerprint)| fingerprint == wanted))
        .map(|(number, _)| number)
        .collect()
}

fn show(places: &[Place], known_elsewhere: bool, context: &Context) -> Result {
    context.output.show(
        || json!({"places": places, "other_devices_known": known_elsewhere}),
        || {
            let columns = [
                Column::Left("DEVICE"),
                Column::Right("VERSION"),
                Column::Left("PART"),
                Column::Left("LINES"),
                Column::Left("SINCE (UTC)"),
            ];
            let rows = places.iter().map(|place| {
                let version = if place.newest { format!("{} (newest)", place.version) } else { place.version.to_string() };
                let lines: Vec<_> = place.lines.iter().map(usize::to_string).collect();
                let lines = lines.join(", ");
                vec![place.device.clone(), version, place.part.clone(), lines, place.first_seen.clone()]
            });
            let mut text = render(&columns, rows, context.output.width);
            if !known_elsewhere {
                text.push_str("\nwhether it stands on other devices is not known: vault.site_fingerprints was off when it was kept\n");
            }
            text
        },
    )
}
