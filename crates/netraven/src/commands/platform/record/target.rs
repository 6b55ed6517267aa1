//! Which device, which definition, which login.

use super::Args;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::secrets;
use crate::sealing::open_vault;
use netraven_model::{HostKey, Login, Protocol, Target};
use netraven_platform::Platform;
use netraven_service::open_credential;
use netraven_store::access::Role;
use netraven_store::{credentials, devices};
use std::sync::Arc;
use uuid::Uuid;

/// All that a session needs.
pub struct Chosen {
    pub target: Target,
    pub platform: Arc<Platform>,
    pub login: Login,
    /// Host keys that the device has shown before.
    pub host_keys: Vec<HostKey>,
}

/// Reads what the command line and the inventory say. Without either a device or a credential of the inventory no
/// database is needed.
pub async fn choose(args: &Args, context: &Context) -> Result<Chosen> {
    let by_hand = match &args.username {
        Some(username) => Some(by_hand(args, username)?),
        None => None,
    };
    if let (Some(login), Some(address)) = (&by_hand, &args.address) {
        let target = target(address, args.port, args.platform.as_deref().unwrap_or_default());
        return finish(target, login.clone(), Vec::new(), context);
    }
    let database = Database::open(context).await?;
    let found = with_database(args, by_hand, context, &database).await;
    database.close().await;
    let (target, login, host_keys) = found?;
    finish(target, login, host_keys, context)
}

async fn with_database(
    args: &Args,
    by_hand: Option<Login>,
    context: &Context,
    database: &Database,
) -> Result<(Target, Login, Vec<HostKey>)> {
    let store = &database.store;
    let (target, host_keys) = match (&args.device, &args.address) {
        (Some(name), _) => {
            let device = devices::get(store, name).await?;
            let port = device.port.unwrap_or(device.protocol.default_port());
            let platform = args.platform.as_deref().unwrap_or(&device.device_type);
            let target = Target {
                device: Some(device.id),
                uuid: device.uuid,
                hostname: device.hostname.clone(),
                protocol: device.protocol,
                ..target(&device.ip_address, port, platform)
            };
            (target, devices::host_keys(store, device.id).await?)
        }
        (None, Some(address)) => {
            (target(address, args.port, args.platform.as_deref().unwrap_or_default()), Vec::new())
        }
        (None, None) => return Err(CliError::usage("expected a device or --address")),
    };
    let login = match (by_hand, &args.credential) {
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

fn by_hand(args: &Args, username: &str) -> Result<Login> {
    let password = match &args.password_file {
        Some(path) => secrets::from_file(path)?,
        None => secrets::ask("password", "--password-file FILE")?,
    };
    let enable = args.enable_file.as_deref().map(secrets::from_file).transpose()?;
    Ok(Login {
        credential: None,
        username: username.to_owned(),
        password: Some(password),
        enable,
        private_key: None,
        key_passphrase: None,
    })
}

fn target(address: &str, port: u16, platform: &str) -> Target {
    Target {
        device: None,
        uuid: Uuid::nil(),
        hostname: address.to_owned(),
        address: address.to_owned(),
        protocol: Protocol::Ssh,
        port,
        platform: platform.to_owned(),
    }
}

fn finish(target: Target, login: Login, host_keys: Vec<HostKey>, context: &Context) -> Result<Chosen> {
    let platforms = context.platforms()?;
    let platform = platforms.get(&context.platform(&target.platform)?).ok_or_else(|| {
        CliError::usage(format!("'{}' is no platform to record with", target.platform))
            .hint("name one with --platform; see `netraven platform list`")
    })?;
    Ok(Chosen { target, platform, login, host_keys })
}
