//! What callers send.

use super::fields::{DeviceRef, is_address, is_command, secret};
use super::sealing::{SealingBody, key_of};
use crate::gateway::error::ApiError;
use crate::gateway::settings::ApiLimits;
use netraven_device::Previous;
use netraven_model::{Hash256, HostKey, JobId, Login, Protocol, Secret};
use netraven_seal::{FingerprintKey, Sealing};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Commands in one request.
const MAX_COMMANDS: usize = 64;
/// Seconds for one device where the caller names none.
const USUAL_TIMEOUT: u64 = 120;

/// How to log in. Nothing of it is stored or logged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialBody {
    /// Name to log in with.
    username: String,
    /// Password, also the answer to a keyboard-interactive question for it.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    password: Option<Secret>,
    /// What is spoken; without it what the inventory says, else `ssh`. `rest` is another word for `http`.
    #[serde(default)]
    method: Option<Method>,
    /// Password of the `enable` dialog; without it the password is tried.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    enable_secret: Option<Secret>,
    /// Private key in OpenSSH or PEM format.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    private_key: Option<Secret>,
    /// Passphrase of the private key.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    key_passphrase: Option<Secret>,
}

/// What is spoken with a device.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    Ssh,
    Telnet,
    Http,
    Rest,
}

/// A host key that the device has shown before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownKey {
    /// Algorithm, e.g. `ssh-ed25519`.
    algorithm: String,
    /// The public key in base64, as in `known_hosts`.
    key: String,
    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    fingerprint: String,
}

/// Commands for one device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecuteBody {
    /// A device of the inventory; one that is not there is logged without a device.
    #[serde(default)]
    device_id: Option<DeviceRef>,
    /// IP address or DNS name.
    ip: String,
    /// One command; this or `commands`.
    #[serde(default)]
    command: Option<String>,
    /// Several commands, asked in order in one session.
    #[serde(default)]
    commands: Option<Vec<String>>,
    /// How to log in.
    credential: CredentialBody,
    /// The job it belongs to.
    #[serde(default)]
    job_id: Option<i64>,
    /// TCP port; without it the inventory's, else that of the protocol.
    #[serde(default)]
    port: Option<u16>,
    /// Platform; without it the inventory's, else it is found out.
    #[serde(default)]
    device_type: Option<String>,
    /// Seconds for all of it.
    #[serde(default)]
    timeout: Option<u64>,
    /// Host keys of a device that is in no inventory.
    #[serde(default)]
    host_keys: Vec<KnownKey>,
}

/// A whole backup of one device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectBody {
    /// A device of the inventory; one that is not there is logged without a device.
    #[serde(default)]
    device_id: Option<DeviceRef>,
    /// IP address or DNS name.
    ip: String,
    /// How to log in.
    credential: CredentialBody,
    /// The device's own key for fingerprints: 32 bytes in base64. The gateway never has the key that it is derived from.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, format = Password, write_only)]
    fingerprint_key: Option<Secret>,
    /// To whom the values of secrets are sealed; without it they are not kept.
    #[serde(default)]
    sealing: Option<SealingBody>,
    /// The newest version that the caller has, so that an unchanged configuration is not sent again.
    #[serde(default)]
    previous: Option<PreviousBody>,
    /// The job it belongs to.
    #[serde(default)]
    job_id: Option<i64>,
    /// TCP port; without it the inventory's, else that of the protocol.
    #[serde(default)]
    port: Option<u16>,
    /// Platform; without it the inventory's, else it is found out.
    #[serde(default)]
    device_type: Option<String>,
    /// Seconds for all of it.
    #[serde(default)]
    timeout: Option<u64>,
    /// Host keys of a device that is in no inventory.
    #[serde(default)]
    host_keys: Vec<KnownKey>,
}

/// The newest version that a caller has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviousBody {
    /// Its `significant_hash`.
    significant_hash: String,
    /// Its `size` in bytes.
    size: u64,
}

/// What every call of a device has, checked.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) device: Option<String>,
    pub(super) address: String,
    pub(super) port: Option<u16>,
    pub(super) protocol: Option<Protocol>,
    pub(super) platform: Option<String>,
    pub(super) login: Login,
    pub(super) job: Option<JobId>,
    pub(super) host_keys: Vec<HostKey>,
    pub(super) within: Duration,
}

/// What is needed to make a configuration safe and to tell whether it changed.
#[derive(Debug)]
pub(super) struct Keep {
    /// The device's own.
    pub(super) fingerprint_key: FingerprintKey,
    /// To whom secrets are sealed.
    pub(super) sealing: Option<Sealing>,
    /// The newest version.
    pub(super) previous: Option<Previous>,
}

struct Common {
    device_id: Option<DeviceRef>,
    ip: String,
    credential: CredentialBody,
    job_id: Option<i64>,
    port: Option<u16>,
    device_type: Option<String>,
    timeout: Option<u64>,
    host_keys: Vec<KnownKey>,
}

impl ExecuteBody {
    /// The call and its commands.
    pub(super) fn check(self, limits: &ApiLimits) -> Result<(Call, Vec<String>), ApiError> {
        let commands = match (self.command, self.commands) {
            (Some(command), None) => vec![command],
            (None, Some(commands)) if (1..=MAX_COMMANDS).contains(&commands.len()) => commands,
            (None, Some(_)) => {
                return Err(ApiError::field("commands", &format!("expected 1 to {MAX_COMMANDS}")));
            }
            (Some(_), Some(_)) => {
                return Err(ApiError::field("commands", "expected either this or `command`"));
            }
            (None, None) => return Err(ApiError::field("command", "expected this or `commands`")),
        };
        if !commands.iter().all(|command| is_command(command)) {
            let reason =
                "expected one command on one line, of at most 4096 bytes, without control characters";
            return Err(ApiError::field("command", reason));
        }
        let Self { device_id, ip, credential, job_id, port, device_type, timeout, host_keys, .. } = self;
        let common = Common { device_id, ip, credential, job_id, port, device_type, timeout, host_keys };
        Ok((common.check(limits)?, commands))
    }
}

impl CollectBody {
    /// The call, and what is to be done with the configuration.
    pub(super) fn check(self, limits: &ApiLimits) -> Result<(Call, Keep), ApiError> {
        let key = self.fingerprint_key.as_ref().and_then(Secret::expose_text).and_then(key_of);
        let key = key.ok_or_else(|| ApiError::field("fingerprint_key", "expected 32 bytes in base64"))?;
        let previous = self.previous.as_ref().map(PreviousBody::check).transpose()?;
        let sealing = self.sealing.as_ref().map(SealingBody::check).transpose()?;
        let keep = Keep { fingerprint_key: key, sealing, previous };
        let Self { device_id, ip, credential, job_id, port, device_type, timeout, host_keys, .. } = self;
        let common = Common { device_id, ip, credential, job_id, port, device_type, timeout, host_keys };
        Ok((common.check(limits)?, keep))
    }
}

impl PreviousBody {
    fn check(&self) -> Result<Previous, ApiError> {
        let wrong = || ApiError::field("previous.significant_hash", "expected 64 hexadecimal digits");
        let digest = crate::gateway::auth::parse_digest(&self.significant_hash).ok_or_else(wrong)?;
        Ok(Previous { significant: Hash256(digest), size: self.size })
    }
}

impl Common {
    fn check(self, limits: &ApiLimits) -> Result<Call, ApiError> {
        if !is_address(&self.ip) {
            return Err(ApiError::field("ip", "expected an IP address or a DNS name"));
        }
        if self.port == Some(0) {
            return Err(ApiError::field("port", "expected a number from 1 to 65535"));
        }
        let longest = limits.longest.as_secs().max(1);
        let timeout = self.timeout.unwrap_or(USUAL_TIMEOUT.min(longest));
        if !(1..=longest).contains(&timeout) {
            return Err(ApiError::field("timeout", &format!("expected 1 to {longest} seconds")));
        }
        let credential = self.credential;
        if credential.username.len() > 256 || credential.username.contains(char::is_control) {
            return Err(ApiError::field(
                "credential.username",
                "expected at most 256 bytes without control characters",
            ));
        }
        let method = credential.method.map(|method| match method {
            Method::Ssh => Protocol::Ssh,
            Method::Telnet => Protocol::Telnet,
            Method::Http | Method::Rest => Protocol::Http,
        });
        Ok(Call {
            device: self.device_id.map(|device| device.0),
            address: self.ip,
            port: self.port,
            protocol: method,
            platform: self.device_type,
            login: Login {
                credential: None,
                username: credential.username,
                password: credential.password,
                enable: credential.enable_secret,
                private_key: credential.private_key,
                key_passphrase: credential.key_passphrase,
            },
            job: self.job_id.map(JobId),
            host_keys: self.host_keys.into_iter().map(KnownKey::into_model).collect(),
            within: Duration::from_secs(timeout),
        })
    }
}

impl KnownKey {
    fn into_model(self) -> HostKey {
        HostKey { algorithm: self.algorithm, key: self.key, fingerprint: self.fingerprint }
    }
}
