//! Where a call goes: what the caller says, completed by what the inventory knows.

use super::request::Call;
use crate::gateway::error::ApiError;
use crate::gateway::state::Api;
use netraven_device::Access;
use netraven_model::{DeviceId, ErrorCode, Failure, HostKey, Phase, SshProfile, Target};
use netraven_platform::{AUTO, Platform, Platforms};
use netraven_store::StoreError;
use netraven_store::devices::{self, Contact};
use std::sync::Arc;
use uuid::Uuid;

/// Where a call goes and how the device is spoken to.
pub(super) struct Destination {
    pub(super) access: Access,
    pub(super) platforms: Arc<Platforms>,
    /// The platform; `None` where it is to be found out.
    pub(super) platform: Option<Arc<Platform>>,
    /// The device of which a first contact teaches something; `None` where the address is not the inventory's.
    owner: Option<DeviceId>,
}

/// Finds out where a call goes.
///
/// # Errors
/// The outer one is for the caller's mistakes and for a database that does not answer, the inner one for a device that
/// cannot be spoken to.
pub(super) async fn destination(api: &Api, call: &Call) -> Result<Result<Destination, Failure>, ApiError> {
    let contact = contact(api, call).await.map_err(|error| ApiError::database(&error))?;
    let platforms = api.definitions.current();
    let of_inventory = contact.as_ref().map(|contact| contact.target.platform.as_str());
    let name = call.platform.as_deref().or(of_inventory).unwrap_or(AUTO);
    let platform = match (name, platforms.get(name)) {
        (AUTO, _) => None,
        (_, Some(platform)) => Some(platform),
        (_, None) if call.platform.is_some() => {
            return Err(ApiError::field(
                "device_type",
                "there is no platform of that name; leave it out, or see `netraven platform list`",
            ));
        }
        (_, None) => {
            let message = format!("the device's platform '{name}' has no definition");
            return Ok(Err(Failure::new(ErrorCode::UnknownPlatform, Phase::Connect, message)));
        }
    };
    if contact.as_ref().is_some_and(|contact| contact.behind) {
        let message = "the device lies behind a jump host, and a call has the credential of one device only";
        return Ok(Err(Failure::new(ErrorCode::JumpHost, Phase::Connect, message)));
    }
    let protocol = call.protocol.or(contact.as_ref().map(|c| c.target.protocol)).unwrap_or_default();
    // The inventory's port belongs to the inventory's protocol.
    let port_of_inventory =
        contact.as_ref().filter(|c| c.target.protocol == protocol).and_then(|contact| contact.port);
    let port = call.port.or(port_of_inventory).unwrap_or_else(|| platforms.port(name, protocol));
    let same_place = |c: &&Contact| c.target.address == call.address && c.target.port == port;
    let owner = contact.as_ref().filter(same_place).map(|contact| contact.device);
    let target = Target {
        device: contact.as_ref().map(|contact| contact.device),
        uuid: contact.as_ref().map_or(Uuid::nil(), |contact| contact.target.uuid),
        hostname: contact.as_ref().map_or_else(|| call.address.clone(), |c| c.target.hostname.clone()),
        address: call.address.clone(),
        protocol,
        port,
        platform: name.to_owned(),
    };
    let known = contact.as_ref().map(|contact| contact.host_keys.clone()).unwrap_or_default();
    let access = Access {
        host_keys: host_keys(api, call, known, (&call.address, port))
            .await
            .map_err(|error| ApiError::database(&error))?,
        profile: contact.as_ref().and_then(|contact| contact.ssh_profile),
        tls: contact.as_ref().map(|contact| contact.tls).unwrap_or_default(),
        site: contact.and_then(|contact| contact.site),
        ..Access::new(target, call.login.clone())
    };
    Ok(Ok(Destination { access, platforms, platform, owner }))
}

impl Destination {
    /// The name under which its sessions are counted.
    pub(super) fn platform_name(&self) -> &str {
        self.platform.as_ref().map_or(crate::gateway::metrics::NO_PLATFORM, |platform| &platform.name)
    }

    /// Keeps what a first contact taught: with the device of the inventory, else with the address.
    pub(super) async fn learn(&mut self, api: &Api, key: Option<&HostKey>, profile: Option<SshProfile>) {
        self.access.host_keys.extend(key.cloned());
        self.access.profile = self.access.profile.or(profile);
        let target = &self.access.target;
        let stored = match (&api.store, self.owner, key) {
            (Some(store), Some(device), _) => devices::learn(store, device, key, profile).await,
            (Some(store), None, Some(key)) => {
                devices::remember_host(store, &target.address, target.port, key).await
            }
            (None, _, Some(key)) => {
                api.host_keys.learn(&target.address, target.port, key.clone());
                Ok(())
            }
            (_, _, None) => Ok(()),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, "what a first contact taught was not stored");
        }
    }
}

async fn contact(api: &Api, call: &Call) -> Result<Option<Contact>, StoreError> {
    match (&call.device, &api.store) {
        (Some(device), Some(store)) => devices::contact(store, device).await,
        _ => Ok(None),
    }
}

/// A device of the inventory shows a key that is `known` of it, whatever its address; another one what the caller or an earlier
/// call has seen there.
async fn host_keys(
    api: &Api,
    call: &Call,
    known: Vec<HostKey>,
    place: (&str, u16),
) -> Result<Vec<HostKey>, StoreError> {
    if !known.is_empty() {
        return Ok(known);
    }
    if !call.host_keys.is_empty() {
        return Ok(call.host_keys.clone());
    }
    match &api.store {
        Some(store) => devices::known_host(store, place.0, place.1).await,
        None => Ok(api.host_keys.of(place.0, place.1).into_iter().collect()),
    }
}
