use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::input::{fields, transport};
use crate::output::note;
use netraven_model::{DeviceName, Protocol, SshProfile};
use netraven_platform::Platforms;
use netraven_store::devices::{self, DeviceChange, NewDevice, Reach};
use serde_json::json;
use std::io::{BufRead, IsTerminal};

/// A device to add.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").multiple(true)))]
pub struct Add {
    /// Its name
    #[arg(value_parser = fields::device_name)]
    name: DeviceName,
    /// IP address or DNS name
    #[arg(long, short, value_parser = fields::address)]
    address: String,
    /// How to talk to it, e.g. cisco_ios
    #[arg(long, short, value_name = "NAME")]
    platform: String,
    /// TCP port [default: that of the platform for the protocol]
    #[arg(long, value_parser = fields::port)]
    port: Option<u16>,
    /// Where it stands
    #[arg(long, value_parser = fields::line)]
    site: Option<String>,
    /// For people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    /// Tag; may be repeated [default: default]
    #[arg(long = "tag", short, value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
}

/// How a device is reached beyond its address.
#[derive(Debug, clap::Args)]
pub struct ReachArgs {
    /// ssh, telnet or http [default: the first that the platform knows]
    #[arg(long, group = "change", value_parser = fields::protocol)]
    protocol: Option<Protocol>,
    /// Weakest SSH algorithms: modern, compatible, legacy; auto learns them
    #[arg(long, group = "change", value_name = "PROFILE", value_parser = fields::ssh_profile)]
    ssh_profile: Option<Option<SshProfile>>,
    /// Device through which it is reached; '' for none
    #[arg(long, group = "change", value_name = "DEVICE", value_parser = fields::line)]
    jump_host: Option<String>,
    /// HTTPS certificate: verify, insecure, or sha256:DIGEST of the one to accept
    #[arg(long, group = "change", value_name = "TRUST", value_parser = fields::tls)]
    tls: Option<String>,
    /// Whether protocols before TLS 1.2 may be spoken
    #[arg(long, group = "change", value_name = "BOOL")]
    tls_legacy: Option<bool>,
}

impl From<ReachArgs> for Reach {
    fn from(args: ReachArgs) -> Self {
        let ReachArgs { protocol, ssh_profile, jump_host, tls, tls_legacy } = args;
        Self { protocol, ssh_profile, jump_host, tls, tls_legacy, ..Self::default() }
    }
}

/// What to change of a device.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
pub struct Update {
    /// Name, public id or number
    device: String,
    /// New name
    #[arg(long, group = "change", value_parser = fields::device_name)]
    name: Option<DeviceName>,
    /// New IP address or DNS name
    #[arg(long, short, group = "change", value_parser = fields::address)]
    address: Option<String>,
    /// New platform
    #[arg(long, short, group = "change", value_name = "NAME")]
    platform: Option<String>,
    /// New TCP port
    #[arg(long, group = "change", value_parser = fields::port)]
    port: Option<u16>,
    /// New site; '' removes it
    #[arg(long, group = "change", value_parser = fields::line)]
    site: Option<String>,
    /// New description; '' removes it
    #[arg(long, group = "change", value_parser = fields::line)]
    description: Option<String>,
    /// New notes; '' removes them
    #[arg(long, group = "change")]
    notes: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    /// Replaces all its tags; may be repeated
    #[arg(long = "tag", short, group = "change", value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
    /// Leaves it out of all backups
    #[arg(long, group = "change", conflicts_with = "enable")]
    disable: bool,
    /// Takes it into backups again
    #[arg(long, group = "change")]
    enable: bool,
}

/// `netraven device add`
pub async fn add(args: Add, context: &Context) -> Result {
    let platforms = context.platforms()?;
    let device_type = context.platform(&args.platform)?;
    let mut reach: Reach = args.reach.into();
    match reach.protocol {
        Some(protocol) => check_protocol(&device_type, protocol, &platforms)?,
        None => reach.protocol = transport::usual(&device_type, &platforms),
    }
    let new = NewDevice {
        hostname: args.name,
        address: args.address,
        port: args.port,
        device_type,
        site: args.site,
        description: args.description,
        reach,
        tags: args.tags,
    };
    let device = with_store(context, async |store| Ok(devices::add(store, new).await?)).await?;
    context.output.show(
        || json!(device),
        || format!("device {} added with the tags {}", device.hostname, device.tags.join(", ")),
    )
}

/// `netraven device update`
pub async fn update(args: Update, context: &Context) -> Result {
    let device_type = match &args.platform {
        Some(name) => Some(context.platform(name)?),
        None => None,
    };
    let change = DeviceChange {
        hostname: args.name,
        address: args.address,
        port: args.port.map(Some),
        device_type,
        site: args.site,
        description: args.description,
        notes: args.notes,
        reach: args.reach.into(),
        enabled: (args.enable || args.disable).then_some(args.enable),
        tags: Some(args.tags).filter(|tags| !tags.is_empty()),
    };
    let platforms = context.platforms()?;
    let device = with_store(context, async |store| {
        if change.device_type.is_some() || change.reach.protocol.is_some() {
            let now = devices::get(store, &args.device).await?;
            let platform = change.device_type.as_ref().unwrap_or(&now.device_type);
            check_protocol(platform, change.reach.protocol.unwrap_or(now.protocol), &platforms)?;
        }
        Ok(devices::update(store, &args.device, change).await?)
    })
    .await?;
    context.output.show(|| json!(device), || format!("device {} changed", device.hostname))
}

fn check_protocol(platform: &str, protocol: Protocol, platforms: &Platforms) -> Result {
    transport::check(platform, protocol, platforms).map_err(|message| {
        CliError::usage(message).hint("see --protocol and `netraven platform list --json`")
    })
}

/// `netraven device remove`
pub async fn remove(name: &str, yes: bool, context: &Context) -> Result {
    let removed = with_store(context, async |store| {
        let device = devices::get(store, name).await?;
        if !yes {
            confirm(&device.hostname, device.versions).await?;
        }
        Ok((device.hostname, devices::remove(store, &device.id.to_string()).await?))
    })
    .await?;
    let (hostname, removed) = removed;
    context.output.show(
        || json!({"removed": hostname, "versions": removed.versions, "jobs": removed.jobs}),
        || format!("device {hostname} removed with {} versions and {} jobs", removed.versions, removed.jobs),
    )
}

/// `netraven device resume`
pub async fn resume(name: &str, context: &Context) -> Result {
    let device = with_store(context, async |store| Ok(devices::resume(store, name).await?)).await?;
    context
        .output
        .show(|| json!(device), || format!("device {} is taken by schedules again", device.hostname))
}

/// `netraven device accept-key`
pub async fn accept_key(name: &str, context: &Context) -> Result {
    let forgotten =
        with_store(context, async |store| Ok(devices::accept_host_key(store, name).await?)).await?;
    context.output.show(
        || json!({"device": name, "forgotten": forgotten}),
        || match forgotten {
            0 => format!("device {name} had no stored host key; the next session learns one"),
            _ => format!(
                "the stored host key of device {name} is forgotten; the next session learns a new one"
            ),
        },
    )
}

/// A device's history cannot be brought back, so a person is asked, and a script must say that it means it.
async fn confirm(name: &str, versions: i64) -> Result {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!("device {name} has {versions} versions, which would be lost"))
            .hint("add --yes to remove it without being asked"));
    }
    note(&format!("Remove device {name} with its {versions} versions, jobs and logs? [y/N]"));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    match answer.await {
        Ok(Ok(line)) if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
        _ => Err(CliError::failed("nothing was removed")),
    }
}
