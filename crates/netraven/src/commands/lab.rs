//! `netraven lab`

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::input::{csv, fields};
use crate::signals::StopSignals;
use clap::value_parser;
use netraven_lab::{Failures, Lab, LabDevice, LabSettings};
use netraven_store::devices::{NewDevice, Reach};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  netraven lab --inventory lab.csv             25 devices; then, elsewhere:
                                                 netraven device import lab.csv
                                                 netraven credential add lab --username netraven
  netraven lab --devices 10000 --platform cisco_ios --changes-per-minute 60
  netraven lab --devices 100 --think-time 200 --bandwidth 9600 --failing 0.1

The devices answer as recorded ones do. Nothing about them is real, their passwords least of all,
and they listen on this machine's loopback interface only.";

/// What the lab is to be.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Number of devices
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = value_parser!(u32).range(1..=64_000))]
    devices: u32,
    /// Their platforms, in turn; may be repeated [default: all that can be simulated]
    #[arg(long = "platform", value_name = "NAME")]
    platforms: Vec<String>,
    /// TCP port of all devices; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// TCP port for Telnet to all devices; 0 takes any that is free [default: no Telnet]
    #[arg(long, value_name = "PORT")]
    telnet_port: Option<u16>,
    /// The same seed makes the same devices
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How often somebody changes one of the devices
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    changes_per_minute: f64,
    /// How long a device thinks before it answers a command, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = value_parser!(u64).range(0..=60_000))]
    think_time: u64,
    /// Bytes per second of each session
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<NonZeroU32>,
    /// Share of the devices that misbehave, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    failing: f64,
    /// Writes the devices as CSV for `netraven device import`; replaces the file
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let settings = LabSettings {
        count: args.devices,
        platforms: args.platforms,
        port: args.port,
        telnet_port: args.telnet_port,
        seed: args.seed,
        changes_per_minute: args.changes_per_minute,
        think_time: Duration::from_millis(args.think_time),
        bandwidth: args.bandwidth,
        failures: Failures { fraction: args.failing, ..Failures::default() },
        ..LabSettings::default()
    };
    let lab = Lab::start(settings)?;
    let devices = lab.devices();
    let told = match &args.inventory {
        Some(path) => write_inventory(path, &devices),
        None => Ok(()),
    };
    let told = told.and_then(|()| {
        context.output.show(|| view(&devices), || describe(&devices, args.inventory.as_deref()))
    });
    if told.is_ok() {
        signals.next().await;
    }
    lab.shutdown().await;
    told
}

/// What the inventory says of a simulated device.
pub const SIMULATED: &str = "simulated";

/// The lab's devices as entries of an inventory.
pub fn inventory(devices: &[LabDevice], tags: &[&str]) -> Result<Vec<NewDevice>> {
    devices
        .iter()
        .map(|device| {
            // What a device calls itself may have blanks, a name in the inventory may not.
            let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
            let hostname: String = device.hostname.chars().map(fits).collect();
            let hostname =
                fields::device_name(hostname.trim_start_matches(['-', '.'])).map_err(CliError::failed)?;
            Ok(NewDevice {
                hostname,
                address: device.address.to_string(),
                port: Some(device.port),
                device_type: device.platform.clone(),
                site: Some(device.site.to_owned()),
                description: Some(SIMULATED.to_owned()),
                reach: Reach::default(),
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            })
        })
        .collect()
}

fn write_inventory(path: &Path, devices: &[LabDevice]) -> Result {
    let content = csv::write(&inventory(devices, &[])?)
        .map_err(|error| CliError::failed(format!("the CSV cannot be made: {error}")))?;
    std::fs::write(path, content)
        .map_err(|error| CliError::usage(format!("{} cannot be written: {error}", path.display())))
}

fn describe(devices: &[LabDevice], inventory: Option<&Path>) -> String {
    let (Some(first), Some(last)) = (devices.first(), devices.last()) else { return String::new() };
    let written = inventory.map(|path| format!("inventory    {}\n", path.display())).unwrap_or_default();
    let telnet = first.telnet_port.map(|port| format!(", Telnet on port {port}")).unwrap_or_default();
    format!(
        "{} simulated devices; Ctrl-C stops them.\naddresses    {} to {}, port {}{telnet}\nuser name    {}\n\
         password     {}\nenable       {}\n{written}",
        devices.len(),
        first.address,
        last.address,
        first.port,
        first.username,
        shown(&first.password),
        shown(&first.enable),
    )
}

fn view(devices: &[LabDevice]) -> Value {
    devices
        .iter()
        .map(|device| {
            json!({
                "hostname": device.hostname, "ip_address": device.address, "port": device.port,
                "telnet_port": device.telnet_port,
                "device_type": device.platform, "site": device.site, "username": device.username,
                "password": shown(&device.password), "enable_secret": shown(&device.enable),
                "misbehaves": device.failing.map(|failing| format!("{failing:?}")),
            })
        })
        .collect()
}

/// The lab's secrets protect nothing and are meant to be typed.
fn shown(secret: &netraven_model::Secret) -> &str {
    secret.expose_text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_lab::{Lab, LabSettings};

    #[tokio::test]
    async fn every_shipped_session_can_stand_in_an_inventory() {
        let platforms: Vec<String> =
            netraven_lab::embedded_platforms().into_iter().map(str::to_owned).collect();
        let count = 2 * platforms.len() as u32;
        let lab = Lab::start(LabSettings { count, platforms, ..LabSettings::default() }).unwrap();
        let mut names: Vec<String> = inventory(&lab.devices(), &[])
            .unwrap()
            .iter()
            .map(|device| device.hostname.to_string())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count as usize, "names are unique");
        lab.shutdown().await;
    }
}
