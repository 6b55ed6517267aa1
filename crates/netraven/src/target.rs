//! Which device a command speaks to, by which definition, with which login.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::{fields, secrets};
use crate::output::format;
use crate::sealing::open_vault;
use crate::work;
use netraven_device::Access;
use netraven_model::{DeviceId, Event, Login, Protocol, Target};
use netraven_platform::{AUTO, Platform, Platforms};
use netraven_service::{Care, Guard, Keys, Logins, References, open_access, open_hop, reached_at};
use netraven_store::access::Role;
use netraven_store::devices::Contact;
use netraven_store::logins::{Wanted, refused_by};
use netraven_store::{Store, StoreError, credentials, devices, jobs};
use netraven_vault::Vault;
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
    held: Option<Held>,
}

/// What credentials are opened with besides the vault, which is opened where it is needed.
struct Means {
    references: References,
    logins: Arc<Logins>,
}

impl Means {
    fn keys<'a>(&'a self, vault: &'a Vault) -> Keys<'a> {
        Keys { vault, references: &self.references, logins: &self.logins }
    }
}

/// The database, for as long as the session lasts: what the device says to the login is counted there.
struct Held {
    database: Database,
    /// Of the roles only the scheduler's may read what a session needs.
    scheduler: Store,
    guards: Vec<Guard>,
}

impl Chosen {
    /// What happened to credentials that is worth telling.
    pub fn take_events(&self) -> Vec<Event> {
        let guards = self.held.iter().flat_map(|held| &held.guards);
        guards.flat_map(Guard::take_events).collect()
    }

    /// Where uses of credentials are counted; `None` where no database was needed.
    pub fn scheduler(&self) -> Option<&Store> {
        self.held.as_ref().map(|held| &held.scheduler)
    }

    /// Gives the database back.
    pub async fn close(self) {
        if let Some(held) = self.held {
            held.close().await;
        }
    }
}

/// Reads what the command line and the inventory say: `device` is one of the inventory. Without either a device or a
/// credential of the inventory no database is needed. `protocol` is what is spoken with a device that is not there.
pub async fn choose(
    device: Option<&str>,
    options: &Options,
    protocol: Protocol,
    context: &Context,
) -> Result<Chosen> {
    let login = match (&options.username, &options.credential) {
        (Some(username), _) => Given::ByHand(by_hand(options, username)?),
        (None, Some(name)) => Given::Stored { name: name.clone(), force: false },
        (None, None) => return Err(CliError::usage("expected --credential NAME or --username NAME")),
    };
    let target = match (device, &options.address) {
        (None, Some(address)) => Wherever::Outside(target(address, options, protocol, &context.platforms()?)),
        (Some(name), None) => Wherever::Inventory { name, platform: options.platform.as_deref() },
        _ => return Err(CliError::usage("expected either a device of the inventory or --address")),
    };
    match (login, target) {
        (Given::ByHand(login), Wherever::Outside(target)) => {
            finish(Access::new(target, login), None, context).await
        }
        (login, target) => with_database(login, target, context).await,
    }
}

/// A stored credential and a device of the inventory. `force`: although the credential is suspended or the device refused too
/// many logins.
pub async fn stored(credential: &str, device: &str, force: bool, context: &Context) -> Result<Chosen> {
    let login = Given::Stored { name: credential.to_owned(), force };
    with_database(login, Wherever::Inventory { name: device, platform: None }, context).await
}

enum Given {
    ByHand(Login),
    Stored { name: String, force: bool },
}

enum Wherever<'a> {
    Outside(Target),
    Inventory { name: &'a str, platform: Option<&'a str> },
}

async fn with_database(login: Given, target: Wherever<'_>, context: &Context) -> Result<Chosen> {
    let database = Database::open(context).await?;
    let scheduler = match database.store_as(context, Role::Scheduler).await {
        Ok(scheduler) => scheduler,
        Err(error) => {
            database.close().await;
            return Err(error);
        }
    };
    let mut held = Held { database, scheduler, guards: Vec::new() };
    match held.access(login, target, context).await {
        Ok(access) => finish(access, Some(held), context).await,
        Err(error) => {
            held.close().await;
            Err(error)
        }
    }
}

impl Held {
    async fn access(&mut self, login: Given, target: Wherever<'_>, context: &Context) -> Result<Access> {
        let store = &self.database.store;
        let settings = work::settings(context, store).await?;
        let means = Means {
            references: References::new(settings.aliases),
            logins: Logins::new(self.scheduler.clone(), settings.logins),
        };
        let forced = matches!(login, Given::Stored { force: true, .. });
        let contact = match &target {
            Wherever::Inventory { name, .. } => {
                let missing = || StoreError::NotFound { what: "device", name: (*name).to_owned() };
                Some(devices::contact(store, name).await?.ok_or_else(missing)?)
            }
            Wherever::Outside(_) => None,
        };
        if let (Some(contact), false) = (&contact, forced)
            && let Some(failure) = means.logins.blocked(&refused_by(store, contact.device).await?)
        {
            return Err(CliError::failed(failure.to_string()).hint(failure.code.hint()));
        }
        let destination = match (&contact, target) {
            (_, Wherever::Outside(target)) => target,
            (Some(contact), Wherever::Inventory { platform, .. }) => {
                let platform = platform.map_or_else(|| contact.target.platform.clone(), str::to_owned);
                let target = Target { platform, ..contact.target.clone() };
                reached_at(&target, contact.port, &context.platforms()?)
            }
            (None, Wherever::Inventory { .. }) => return Err(CliError::usage("expected a device")),
        };
        let access = self.log_in(login, destination, &means, context).await?;
        match contact {
            Some(contact) => self.of_inventory(access, contact, &means, context).await,
            None => Ok(access),
        }
    }

    /// The login, guarded where the target is a device of the inventory.
    async fn log_in(
        &mut self,
        login: Given,
        target: Target,
        means: &Means,
        context: &Context,
    ) -> Result<Access> {
        let (name, force) = match login {
            Given::Stored { name, force } => (name, force),
            Given::ByHand(login) => {
                let wanted = target.device.map(|device| Wanted { device, credential: None, job: None });
                let guard = wanted.map(|wanted| means.logins.guard(wanted, Care::Careful));
                self.guards.extend(guard.clone());
                let guard = guard.map(|guard| Arc::new(guard) as _);
                return Ok(Access { guard, ..Access::new(target, login) });
            }
        };
        let stored = credentials::sealed(&self.scheduler, &name).await?;
        if let (Some(since), false) = (stored.suspended_at, force) {
            let since = format::time(since);
            return Err(CliError::failed(format!("credential '{name}' is suspended since {since} UTC"))
                .hint("`netraven credential update` gives it a new password, `netraven credential resume` tries it again"));
        }
        let vault = open_vault(context, &self.database.store).await?;
        let care = if force { Care::Forced } else { Care::Careful };
        let (access, guard) = open_access(means.keys(&vault), &stored, target, None, care).await?;
        self.guards.extend(guard);
        Ok(access)
    }

    /// How a device of the inventory is reached.
    async fn of_inventory(
        &mut self,
        access: Access,
        contact: Contact,
        means: &Means,
        context: &Context,
    ) -> Result<Access> {
        let via = match contact.behind {
            true => self.way(contact.device, means, context).await?,
            false => Vec::new(),
        };
        Ok(Access {
            host_keys: contact.host_keys,
            profile: contact.ssh_profile,
            tls: contact.tls,
            site: contact.site,
            via,
            ..access
        })
    }

    /// The jump hosts on the way to a device, each with its own credential.
    async fn way(&mut self, device: DeviceId, means: &Means, context: &Context) -> Result<Vec<Access>> {
        let vault = open_vault(context, &self.database.store).await?;
        let (platforms, mut via) = (context.platforms()?, Vec::new());
        for hop in jobs::way(&self.scheduler, device).await? {
            let opened = open_hop(means.keys(&vault), &platforms, &hop).await;
            let (access, guard) = opened.map_err(|failure| CliError::failed(failure.to_string()))?;
            via.push(access);
            self.guards.extend(guard);
        }
        Ok(via)
    }

    async fn close(self) {
        self.scheduler.close().await;
        self.database.close().await;
    }
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

async fn finish(access: Access, held: Option<Held>, context: &Context) -> Result<Chosen> {
    let named = context.platform(&access.target.platform);
    match named.and_then(|name| Ok(context.platforms()?.get(&name))) {
        Ok(platform) => Ok(Chosen { access, platform, held }),
        Err(error) => {
            if let Some(held) = held {
                held.close().await;
            }
            Err(error)
        }
    }
}
