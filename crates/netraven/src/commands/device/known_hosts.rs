use super::transfer::read;
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::output::note;
use netraven_device::KnownHosts;
use netraven_model::{DeviceId, HostKey};
use netraven_platform::Platforms;
use netraven_store::Store;
use netraven_store::devices::{self, Device, DeviceFilter, ImportedKeys};
use serde_json::json;
use std::collections::HashSet;
use std::path::PathBuf;

/// Devices that are read at a time.
const PAGE: u32 = 10_000;

/// A `known_hosts` file to import.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// File in OpenSSH's format, names hashed or not; - reads standard input
    file: PathBuf,
    /// Says what would be stored, and stores nothing
    #[arg(long)]
    dry_run: bool,
}

/// `netraven device import-known-hosts`
pub async fn import(args: Import, context: &Context) -> Result {
    let known = KnownHosts::parse(&read(&args.file, "known_hosts")?)
        .map_err(|error| CliError::usage(format!("{}: {error}", args.file.display())))?;
    for skipped in known.skipped() {
        note(&format!("{}: {skipped}; it is not used", args.file.display()));
    }
    let platforms = context.platforms()?;
    let name = args.file.display().to_string();
    let imported = with_store(context, async |store| {
        let keys = find(store, &known, &platforms).await?;
        match args.dry_run {
            true => Ok(count(&keys)),
            false => Ok(devices::import_host_keys(store, &keys, &name).await?),
        }
    })
    .await?;
    let ImportedKeys { devices, keys } = imported;
    let (entries, skipped) = (known.len(), known.skipped().len());
    context.output.show(
        || json!({"entries": entries, "skipped": skipped, "devices": devices, "keys": keys, "dry_run": args.dry_run}),
        || match args.dry_run {
            true => format!("{keys} host keys of {devices} devices would be stored; nothing was written (--dry-run)"),
            false => format!("{keys} host keys of {devices} devices stored"),
        },
    )
}

/// The keys of all devices that have none stored.
async fn find(store: &Store, known: &KnownHosts, platforms: &Platforms) -> Result<Vec<(DeviceId, HostKey)>> {
    let without = devices::without_host_keys(store).await?;
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let filter = DeviceFilter { limit: Some(PAGE), after, ..DeviceFilter::default() };
        let page = devices::list(store, &filter).await?;
        for device in page.iter().filter(|device| without.contains(&device.id)) {
            keys.extend(keys_of(known, device, platforms).into_iter().map(|key| (device.id, key)));
        }
        after = page.last().map(|device| device.hostname.clone());
        if page.len() < PAGE as usize {
            return Ok(keys);
        }
    }
}

fn keys_of(known: &KnownHosts, device: &Device, platforms: &Platforms) -> Vec<HostKey> {
    let port = device.port.unwrap_or_else(|| platforms.port(&device.device_type, device.protocol));
    let of_address = known.keys_of(&device.ip_address, port);
    if of_address.is_empty() { known.keys_of(&device.hostname, port) } else { of_address }
}

fn count(keys: &[(DeviceId, HostKey)]) -> ImportedKeys {
    let devices: HashSet<_> = keys.iter().map(|(device, _)| device).collect();
    ImportedKeys { devices: devices.len(), keys: keys.len() }
}
