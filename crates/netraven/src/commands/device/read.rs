use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, time, time_or_dash};
use crate::output::table::{Column, pairs, render};
use chrono::Utc;
use netraven_model::{ErrorCode, Protocol, SshProfile};
use netraven_store::devices::{self, Device, DeviceFilter};
use serde_json::json;

/// Which devices.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// With this tag; may be repeated, one of them is enough
    #[arg(long = "tag", short, value_name = "TAG")]
    tags: Vec<String>,
    /// Of this platform
    #[arg(long, short, value_name = "NAME")]
    platform: Option<String>,
    /// At this site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// With this status
    #[arg(long, value_name = "STATUS", value_parser = ["new", "ok", "failing", "disabled"])]
    status: Option<String>,
    /// With this text in name, address or description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// As many at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only names behind this one, in alphabetical order
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
}

impl Filter {
    /// As the store wants it.
    pub fn to_store(&self) -> DeviceFilter {
        DeviceFilter {
            tags: self.tags.clone(),
            platform: self.platform.clone(),
            site: self.site.clone(),
            status: self.status.clone(),
            text: self.search.clone(),
            limit: self.limit,
            after: self.after.clone(),
        }
    }
}

/// `netraven device list`
pub async fn list(filter: Filter, context: &Context) -> Result {
    let filter = filter.to_store();
    let found = with_store(context, async |store| Ok(devices::list(store, &filter).await?)).await?;
    context.output.show(|| json!(found), || render(&COLUMNS, found.iter().map(row), context.output.width))
}

/// `netraven device show`
pub async fn show(name: &str, context: &Context) -> Result {
    let device = with_store(context, async |store| Ok(devices::get(store, name).await?)).await?;
    context.output.show(|| json!(device), || describe(&device))
}

const COLUMNS: [Column; 8] = [
    Column::Left("NAME"),
    Column::Left("ADDRESS"),
    Column::Left("PLATFORM"),
    Column::Left("SITE"),
    Column::Left("STATUS"),
    Column::Right("VERSIONS"),
    Column::Left("LAST SEEN (UTC)"),
    Column::Left("TAGS"),
];

fn row(device: &Device) -> Vec<String> {
    let status = match &device.last_error_code {
        Some(code) if device.status == "failing" && is_left_alone(device) => {
            format!("failing: {code} (left alone)")
        }
        Some(code) if device.status == "failing" => format!("failing: {code}"),
        _ => device.status.clone(),
    };
    vec![
        device.hostname.clone(),
        address(device),
        device.device_type.clone(),
        or_dash(device.site.as_deref()),
        status,
        device.versions.to_string(),
        time_or_dash(device.last_seen),
        device.tags.join(", "),
    ]
}

fn is_left_alone(device: &Device) -> bool {
    device.circuit_open_until.is_some_and(|until| until > Utc::now())
}

/// What the circuit breaker says of the device.
fn circuit(device: &Device) -> String {
    let failures = device.failures_in_row;
    let jobs = if failures == 1 { "job" } else { "jobs" };
    match device.circuit_open_until.filter(|_| is_left_alone(device)) {
        Some(until) => format!(
            "{failures} {jobs} failed in a row: schedules leave it alone until {} UTC (`device resume` ends that)",
            time(until)
        ),
        None if failures > 0 => format!("{failures} {jobs} failed in a row"),
        None => "-".to_owned(),
    }
}

fn address(device: &Device) -> String {
    match device.port.filter(|port| *port != device.protocol.default_port()) {
        Some(port) if device.ip_address.contains(':') => format!("[{}]:{port}", device.ip_address),
        Some(port) => format!("{}:{port}", device.ip_address),
        None => device.ip_address.clone(),
    }
}

/// What is spoken to the device, and how strictly.
fn protocol(device: &Device) -> String {
    match (device.protocol, device.ssh_profile) {
        (Protocol::Ssh, None) => "ssh".to_owned(),
        (Protocol::Ssh, Some(SshProfile::Modern)) => "ssh, modern algorithms".to_owned(),
        (Protocol::Ssh, Some(weak)) => format!("ssh, weak algorithms allowed ({})", weak.as_str()),
        (Protocol::Telnet, _) => "telnet, which encrypts nothing".to_owned(),
        (Protocol::Http, _) => {
            let legacy = if device.tls_legacy { ", protocols before TLS 1.2 allowed" } else { "" };
            format!("https, certificate: {}{legacy}", device.tls)
        }
    }
}

fn describe(device: &Device) -> String {
    let mut text = pairs([
        ("name", device.hostname.clone()),
        ("address", address(device)),
        ("platform", device.device_type.clone()),
        ("protocol", protocol(device)),
        ("jump host", or_dash(device.jump_host.as_deref())),
        ("site", or_dash(device.site.as_deref())),
        ("description", or_dash(device.description.as_deref())),
        ("notes", or_dash(device.notes.as_deref())),
        ("tags", or_dash(Some(&device.tags.join(", ")))),
        ("status", device.status.clone()),
        ("circuit breaker", circuit(device)),
        ("model", or_dash(device.model.as_deref())),
        ("serial number", or_dash(device.serial_number.as_deref())),
        ("software", or_dash(device.software_version.as_deref())),
        ("versions", device.versions.to_string()),
        ("last changed", time_or_dash(device.last_changed)),
        ("last seen", time_or_dash(device.last_seen)),
        ("added", format!("{} ({})", time(device.created_at), device.source)),
        ("public id", device.uuid.to_string()),
    ]);
    if let Some(code) = &device.last_error_code {
        text += &format!("\nlast error: {code}: {}\n", or_dash(device.last_error.as_deref()));
        text +=
            &ErrorCode::from_name(code).map(|code| format!("hint: {}\n", code.hint())).unwrap_or_default();
    }
    text
}
