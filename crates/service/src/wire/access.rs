//! How a device is reached and let in, with all secrets that this takes.

use super::base64;
use netraven_device::{Access, LoginGuard, Networks};
use netraven_model::{CredentialId, HostKey, Login, Secret, SshProfile, Target, TlsTrust};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// [`Access`] on its way. Whom to ask before the login is shown stays behind: see [`super::Line::Asks`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AccessBody {
    target: Target,
    login: LoginBody,
    host_keys: Vec<HostKey>,
    tls: TlsBody,
    profile: Option<SshProfile>,
    /// The jump hosts; what they have here themselves is not looked at.
    #[serde(default)]
    via: Vec<AccessBody>,
    site: Option<String>,
    networks: NetworksBody,
    /// Whether somebody is to be asked before the login is shown.
    guarded: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct LoginBody {
    credential: Option<CredentialId>,
    username: String,
    #[serde(with = "base64::secret")]
    password: Option<Secret>,
    #[serde(with = "base64::secret")]
    enable: Option<Secret>,
    #[serde(with = "base64::secret")]
    private_key: Option<Secret>,
    #[serde(with = "base64::secret")]
    key_passphrase: Option<Secret>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TlsBody {
    certificate: String,
    legacy: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct NetworksBody {
    allowed: Vec<String>,
    denied: Vec<String>,
}

impl From<&Access> for AccessBody {
    fn from(access: &Access) -> Self {
        let (allowed, denied) = access.login_networks.texts();
        let login = access.login.clone();
        Self {
            target: access.target.clone(),
            login: LoginBody {
                credential: login.credential,
                username: login.username,
                password: login.password,
                enable: login.enable,
                private_key: login.private_key,
                key_passphrase: login.key_passphrase,
            },
            host_keys: access.host_keys.clone(),
            tls: TlsBody { certificate: access.tls.certificate_word(), legacy: access.tls.legacy },
            profile: access.profile,
            via: access.via.iter().map(Self::from).collect(),
            site: access.site.clone(),
            networks: NetworksBody { allowed, denied },
            guarded: access.guard.is_some(),
        }
    }
}

impl AccessBody {
    /// Name of the platform that the device is said to be of.
    pub(crate) fn platform(&self) -> &str {
        &self.target.platform
    }

    /// The access again. `guard` makes whoever is asked for the access of that number, see [`super::Line::Asks`].
    ///
    /// # Errors
    /// What cannot be used, by the name of its field.
    pub(crate) fn into_access(
        self,
        guard: &dyn Fn(usize) -> Arc<dyn LoginGuard>,
    ) -> Result<Access, &'static str> {
        self.numbered(0, guard)
    }

    fn numbered(
        self,
        number: usize,
        guard: &dyn Fn(usize) -> Arc<dyn LoginGuard>,
    ) -> Result<Access, &'static str> {
        let LoginBody { credential, username, password, enable, private_key, key_passphrase } = self.login;
        let via = match number {
            0 => self.via.into_iter().zip(1..).map(|(hop, number)| hop.numbered(number, guard)).collect(),
            _ => Ok(Vec::new()),
        };
        Ok(Access {
            target: self.target,
            login: Login { credential, username, password, enable, private_key, key_passphrase },
            host_keys: self.host_keys,
            tls: TlsTrust::from_words(&self.tls.certificate, self.tls.legacy).map_err(|_| "access.tls")?,
            profile: self.profile,
            via: via?,
            site: self.site,
            login_networks: Networks::from_texts(&self.networks.allowed, &self.networks.denied)
                .map_err(|_| "access.networks")?,
            guard: self.guarded.then(|| guard(number)),
        })
    }
}
