//! Which device a command speaks to, by which definition, with which login.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::{fields, secrets};
use crate::sealing::open_vault;
use netraven_device::Access;
use netraven_model::{DeviceId, Login, Protocol, Target};
use netraven_platform::{AUTO, Platform, Platforms};
use netraven_service::{open_credential, open_hop, reached_at};
use netraven_store::access::Role;
use netraven_store::{StoreError, credentials, devices, jobs};
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
    /// How the device is reached.
    pub access: Access,
    /// The platform; `None` where it is to be found out.
    pub platform: Option<Arc<Platform>>,
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
        (None, Some(address)) => Some(target(address, options, protocol, &context.platforms()?)),
        (Some(_), None) => None,
        _ => return Err(CliError::usage("expected either a device of the inventory or --address")),
    };
    if let (Some(login), Some(target)) = (&by_hand, &outside) {
        return finish(Access::new(target.clone(), login.clone()), context);
    }
    let database = Database::open(context).await?;
    let found = with_database(device, outside, options, by_hand, context, &database).await;
    database.close().await;
    finish(found?, context)
}

async fn with_database(
    device: Option<&str>,
    outside: Option<Target>,
    options: &Options,
    by_hand: Option<Login>,
    context: &Context,
    database: &Database,
) -> Result<Access> {
    let login = match (by_hand, &options.credential) {
        (Some(login), _) => login,
        (None, Some(name)) => {
            // Of the roles only the scheduler's may read what a session needs.
            let scheduler = database.store_as(context, Role::Scheduler).await?;
            let stored = credentials::sealed(&scheduler, name).await;
            scheduler.close().await;
            open_credential(&open_vault(context, &database.store).await?, &stored?)?
        }
        (None, None) => return Err(CliError::usage("expected --credential or --username")),
    };
    match (device, outside) {
        (_, Some(target)) => Ok(Access::new(target, login)),
        (Some(name), None) => of_inventory(name, login, options, context, database).await,
        (None, None) => Err(CliError::usage("expected a device or --address")),
    }
}

/// How a device of the inventory is reached.
async fn of_inventory(
    name: &str,
    login: Login,
    options: &Options,
    context: &Context,
    database: &Database,
) -> Result<Access> {
    let missing = || StoreError::NotFound { what: "device", name: name.to_owned() };
    let contact = devices::contact(&database.store, name).await?.ok_or_else(missing)?;
    let platform = options.platform.clone().unwrap_or(contact.target.platform);
    let target = Target { platform, ..contact.target };
    let target = reached_at(&target, contact.port, &context.platforms()?);
    let via = match contact.behind {
        true => way(contact.device, context, database).await?,
        false => Vec::new(),
    };
    Ok(Access {
        host_keys: contact.host_keys,
        profile: contact.ssh_profile,
        tls: contact.tls,
        site: contact.site,
        via,
        ..Access::new(target, login)
    })
}

/// The jump hosts on the way to a device, each with its own credential.
async fn way(device: DeviceId, context: &Context, database: &Database) -> Result<Vec<Access>> {
    let scheduler = database.store_as(context, Role::Scheduler).await?;
    let hops = jobs::way(&scheduler, device).await;
    scheduler.close().await;
    let vault = open_vault(context, &database.store).await?;
    let platforms = context.platforms()?;
    let open =
        |hop| open_hop(&vault, &platforms, hop).map_err(|failure| CliError::failed(failure.to_string()));
    hops?.iter().map(open).collect()
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
fn target(address: &str, options: &Options, protocol: Protocol, platforms: &Platforms) -> Target {
    let platform = options.platform.as_deref().unwrap_or(AUTO);
    Target {
        device: None,
        uuid: Uuid::nil(),
        hostname: address.to_owned(),
        address: address.to_owned(),
        protocol,
        port: options.port.unwrap_or_else(|| platforms.port(platform, protocol)),
        platform: platform.to_owned(),
    }
}

fn finish(access: Access, context: &Context) -> Result<Chosen> {
    let platform = context.platforms()?.get(&context.platform(&access.target.platform)?);
    Ok(Chosen { access, platform })
}
