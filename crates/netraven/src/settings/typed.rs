//! The settings as the program uses them. docs/configuration.md says what each key means.

use super::effective::Effective;
use netraven_model::SshProfile;
use netraven_service::{Aliases, DispatchSettings, Gateways};
use netraven_store::access::Role;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// A text that is never shown: a database URL with its password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(***)")
    }
}

/// The settings; a field is the key of its name. Keys that nothing reads yet have no field.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    pub service_name: String,
    pub data_dir: PathBuf,
    pub database: Database,
    pub logging: Logging,
    pub vault: Vault,
    pub platforms: Platforms,
    pub device: Device,
    pub connection: Connection,
    pub credentials: Credentials,
    pub scheduler: Scheduler,
    pub retry: Retry,
    pub logs: Logs,
    pub notify: Notify,
    pub db_backup: DbBackup,
    pub gateway: Gateway,
    pub joblog: Joblog,
}

/// `database.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Database {
    pub url: Option<Hidden>,
    pub admin_url: Option<Hidden>,
    pub role_prefix: String,
    pub logins_file: Option<PathBuf>,
    pub max_connections: u32,
    pub connect_timeout_seconds: u64,
    pub statement_timeout_seconds: u64,
    pub lock_timeout_seconds: u64,
    pub gateway: Limits,
    pub scheduler: Limits,
    pub joblog: Limits,
    pub api: Limits,
    pub private: Private,
}

impl Database {
    /// The limits of one service; `None` for roles that have none of their own.
    pub fn limits(&self, role: Role) -> Option<&Limits> {
        match role {
            Role::Gateway => Some(&self.gateway),
            Role::Scheduler => Some(&self.scheduler),
            Role::Joblog => Some(&self.joblog),
            Role::Api => Some(&self.api),
            Role::Owner | Role::Rotator | Role::Revealer | Role::Notifier | Role::Backup | Role::Readonly => {
                None
            }
        }
    }
}

/// `database.gateway.*` and those of the other services; what is not set is as for all.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    pub max_connections: Option<u32>,
    pub statement_timeout_seconds: Option<u64>,
    pub lock_timeout_seconds: Option<u64>,
}

/// `database.private.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Private {
    pub binaries: Option<PathBuf>,
    pub memory_mib: u32,
    pub port: Option<u16>,
    pub run_as: Option<String>,
}

/// `logging.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Logging {
    pub level: Option<String>,
    pub format: Format,
    pub redaction_patterns: Vec<String>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `vault.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Vault {
    pub key_file: PathBuf,
    pub key_environment: Option<String>,
    pub key_command: Option<Vec<String>>,
    pub rotate_every_days: u64,
    site_fingerprints: String,
}

impl Vault {
    /// Whether equal secrets of different devices are recognised.
    pub fn site_fingerprints(&self) -> bool {
        self.site_fingerprints == "on"
    }
}

/// `platforms.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Platforms {
    pub dir: Option<PathBuf>,
}

/// `device.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Device {
    pub parallel_sessions: usize,
    pub command_timeout_seconds: u64,
    pub session_timeout_seconds: u64,
    pub ssh_weakest_profile: SshProfile,
    pub max_output_mib: usize,
    pub ca_file: Option<PathBuf>,
}

/// `connection.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Connection {
    pub max_pool_size: usize,
    pub idle_timeout: u64,
    pub connection_timeout: u64,
    pub retry_attempts: u32,
    pub retry_backoff: u32,
    pub site_sessions: Option<usize>,
    pub site_logins_per_minute: Option<u32>,
    pub jump_host_sessions: Option<usize>,
    pub jump_host_logins_per_minute: Option<u32>,
    pub allowed_networks: Option<Vec<String>>,
    pub denied_networks: Option<Vec<String>>,
}

/// `credentials.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Credentials {
    pub device_failures_per_hour: u32,
    pub suspend_after: u32,
    pub references: Option<Aliases>,
}

/// `scheduler.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Scheduler {
    pub lease_seconds: u64,
    pub breaker_after: u32,
    pub breaker_pause_minutes: u64,
    pub breaker_limit_minutes: u64,
    pub gateways: Option<Gateways>,
    pub local_gateway: Option<String>,
}

impl Scheduler {
    /// Where jobs are carried out.
    pub fn dispatch(&self) -> DispatchSettings {
        let local = self.local_gateway.as_ref().map(|word| word == "on");
        DispatchSettings { gateways: self.gateways.clone().unwrap_or_default(), local }
    }
}

/// `retry.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Retry {
    pub attempts: u32,
    pub base_seconds: u64,
    pub factor: u32,
    pub limit_seconds: u64,
}

/// `logs.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Logs {
    pub job_log_months: u32,
    pub connection_log_months: u32,
}

/// `notify.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Notify {
    pub keep_days: u32,
    pub parallel_channels: u32,
    pub webhook_ca_file: Option<PathBuf>,
    pub smtp: Smtp,
}

/// `notify.smtp.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Smtp {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub security: Security,
    pub username: Option<String>,
    pub password: Option<Hidden>,
    pub from: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub timeout: u64,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything else is said.
    Starttls,
    /// Not at all.
    None,
}

/// `db_backup.*`
#[derive(Clone, Debug, Deserialize)]
pub struct DbBackup {
    pub dir: PathBuf,
    pub keep: u32,
    pub every_hours: Option<u64>,
}

/// `gateway.*`
#[derive(Clone, Debug, Deserialize)]
pub struct Gateway {
    pub listen: Option<String>,
    pub database: String,
    pub api_key: Option<Hidden>,
    pub key_file: PathBuf,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub jwt_secret_file: PathBuf,
    pub jwt_public_keys_file: Option<PathBuf>,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
    pub parallel_requests: usize,
    pub queued_requests: usize,
    pub queue_wait_seconds: u64,
    pub requests_per_second: u32,
    pub max_body_kib: usize,
    pub max_batch_devices: usize,
    pub max_timeout_seconds: u64,
}

/// `joblog.*`: the first ones for the service, the last three for those who write to it.
#[derive(Clone, Debug, Deserialize)]
pub struct Joblog {
    pub listen: Option<String>,
    pub key_file: PathBuf,
    pub jwt_audience: String,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
    pub requests_per_second: u32,
    pub max_body_kib: usize,
    pub max_followers: usize,
    pub url: Option<String>,
    pub key: Option<Hidden>,
    pub ca_file: Option<PathBuf>,
}

impl Effective {
    /// The values in force with their types.
    ///
    /// Each value has passed its key's check, so that an error here means that the list of keys and these
    /// structures disagree; it says where.
    pub fn typed(&self) -> Result<Settings, serde_json::Error> {
        let mut tree = Map::new();
        for setting in &self.settings {
            let mut at = &mut tree;
            let (sections, name) = setting.key.path.rsplit_once('.').unwrap_or(("", setting.key.path));
            for section in sections.split('.').filter(|section| !section.is_empty()) {
                let below = at.entry(section).or_insert_with(|| Value::Object(Map::new()));
                match below {
                    Value::Object(map) => at = map,
                    _ => return Err(serde::de::Error::custom(format!("{section} is a key and a section"))),
                }
            }
            at.insert(name.to_owned(), setting.value.clone().unwrap_or(Value::Null));
        }
        Settings::deserialize(Value::Object(tree))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Sources, sources_for_tests};

    fn typed(sources: &Sources) -> Settings {
        Effective::load(sources).unwrap().typed().unwrap()
    }

    #[test]
    fn the_keys_and_the_structures_agree_at_both_ends_of_every_range() {
        let settings = typed(&sources_for_tests(&[]));
        assert_eq!((settings.service_name.as_str(), settings.logging.format), ("netraven", Format::Text));
        assert_eq!(settings.data_dir, PathBuf::from("/home/x/netraven"));
        assert_eq!(settings.vault.key_file, PathBuf::from("/home/x/netraven/keys/master.key"));
        for key in super::super::keys::KEYS {
            if let super::super::kind::Kind::Whole { min, max } = key.kind {
                for value in [min, max] {
                    let mut sources = sources_for_tests(&[]);
                    sources.overrides.values = vec![(key.path.into(), value.to_string(), "--set")];
                    typed(&sources);
                }
            }
        }
    }

    #[test]
    fn debug_output_shows_no_password() {
        let settings = typed(&sources_for_tests(&[("DATABASE_URL", "postgres://u:canary@h/d")]));
        assert!(!format!("{settings:?}").contains("canary"));
        assert_eq!(settings.database.url.unwrap().expose(), "postgres://u:canary@h/d");
    }
}
