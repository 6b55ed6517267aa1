//! Which device a command speaks to, by which definition, with which login.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::{fields, secrets};
use crate::sealing::open_vault;
use netraven_model::{HostKey, Login, Protocol, Target};
use netraven_platform::{AUTO, Platform};
use netraven_service::open_credential;
use netraven_store::access::Role;
use netraven_store::{credentials, devices};
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

/// How a command line names a device that is not in the inventory, and a login.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// A device that is not in the inventory
    #[arg(long, value_parser = fields::address)]
    pub address: Option<String>,
    /// Its TCP port [default: that of the method]
    #[arg(long, requires = "address", value_parser = fields::port)]
    port: Option<u16>,
    /// Another platform than the inventory's
    #[arg(long)]
    platform: Option<String>,
    /// A stored credential
    #[arg(long, conflicts_with = "username")]
    credential: Option<String>,
    /// Name to log in with; asks for the password
    #[arg(long)]
    username: Option<String>,
    /// Reads the password from a file
    #[arg(long, requires = "username", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Reads the enable secret from a file; without it the password is tried
    #[arg(long, requires = "username", value_name = "FILE")]
    enable_file: Option<PathBuf>,
}

/// All that a session needs.
pub struct Chosen {
    pub target: Target,
    /// The platform; `None` where it is to be found out.
    pub platform: Option<Arc<Platform>>,
    pub login: Login,
    /// Host keys that the device has shown before.
    pub host_keys: Vec<HostKey>,
}

/// Reads what the command line and the inventory say: `device` is one of the inventory. Without either a device or a
/// credential of the inventory no database is needed. `protocol` is what is spoken with a device that is not there.
pub async fn choose(
    device: Option<&str>,
    options: &Options,
    protocol: Protocol,
    context: &Context,
) -> Result<Chosen> {
    if options.credential.is_none() && options.username.is_none() {
        return Err(CliError::usage("expected --credential NAME or --username NAME"));
    }
    let by_hand = match &options.username {
        Some(username) => Some(by_hand(options, username)?),
        None => None,
    };
    let outside = match (device, &options.address) {
        (None, Some(address)) => Some(target(address, options, protocol)),
        (Some(_), None) => None,
        _ => return Err(CliError::usage("expected either a device of the inventory or --address")),
    };
    if let (Some(login), Some(target)) = (&by_hand, &outside) {
        return finish(target.clone(), login.clone(), Vec::new(), context);
    }
    let database = Database::open(context).await?;
    let found = with_database(device, outside, options, by_hand, context, &database).await;
    database.close().await;
    let (target, login, host_keys) = found?;
    finish(target, login, host_keys, context)
}

async fn with_database(
    device: Option<&str>,
    outside: Option<Target>,
    options: &Options,
    by_hand: Option<Login>,
    context: &Context,
    database: &Database,
) -> Result<(Target, Login, Vec<HostKey>)> {
    let store = &database.store;
    let (target, host_keys) = match (device, outside) {
        (_, Some(target)) => (target, Vec::new()),
        (Some(name), None) => {
            let device = devices::get(store, name).await?;
            let keys = devices::host_keys(store, device.id).await?;
            let platform = options.platform.as_deref().unwrap_or(&device.device_type).to_owned();
            let target = Target {
                device: Some(device.id),
                uuid: device.uuid,
                hostname: device.hostname,
                address: device.ip_address,
                protocol: device.protocol,
                port: device.port.unwrap_or(device.protocol.default_port()),
                platform,
            };
            (target, keys)
        }
        (None, None) => return Err(CliError::usage("expected a device or --address")),
    };
    let login = match (by_hand, &options.credential) {
        (Some(login), _) => login,
        (None, Some(name)) => {
            // Of the roles only the scheduler's may read what a session needs.
            let scheduler = database.store_as(context, Role::Scheduler).await?;
            let stored = credentials::sealed(&scheduler, name).await;
            scheduler.close().await;
            open_credential(&open_vault(context, store).await?, &stored?)?
        }
        (None, None) => return Err(CliError::usage("expected --credential or --username")),
    };
    Ok((target, login, host_keys))
}

fn by_hand(options: &Options, username: &str) -> Result<Login> {
    let password = match &options.password_file {
        Some(path) => secrets::from_file(path)?,
        None => secrets::ask("password", "--password-file FILE")?,
    };
    let enable = options.enable_file.as_deref().map(secrets::from_file).transpose()?;
    Ok(Login {
        credential: None,
        username: username.to_owned(),
        password: Some(password),
        enable,
        private_key: None,
        key_passphrase: None,
    })
}

/// A device that is not in the inventory.
fn target(address: &str, options: &Options, protocol: Protocol) -> Target {
    Target {
        device: None,
        uuid: Uuid::nil(),
        hostname: address.to_owned(),
        address: address.to_owned(),
        protocol,
        port: options.port.unwrap_or(protocol.default_port()),
        platform: options.platform.as_deref().unwrap_or(AUTO).to_owned(),
    }
}

fn finish(target: Target, login: Login, host_keys: Vec<HostKey>, context: &Context) -> Result<Chosen> {
    let platform = context.platforms()?.get(&context.platform(&target.platform)?);
    Ok(Chosen { target, platform, login, host_keys })
}
