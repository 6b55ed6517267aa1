//! Every setting there is: its name, what its value may be, and where else it may come from.

use super::kind::Kind;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Dotted name, e.g. `database.max_connections`.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// The value when nothing sets it; `None` where there is none or where it depends on the machine.
    pub default: Option<&'static str>,
    /// A plain environment variable that sets it too, besides `NETRAVEN__SECTION__KEY`.
    pub plain_variable: Option<&'static str>,
    /// Whether it may be changed in the database while NetRaven runs (`system_settings`).
    pub runtime: bool,
    /// Whether only the configuration file on disk may set it.
    pub file_only: bool,
}

impl Key {
    const fn new(path: &'static str, kind: Kind) -> Self {
        Self { path, kind, default: None, plain_variable: None, runtime: false, file_only: false }
    }

    const fn default(self, value: &'static str) -> Self {
        Self { default: Some(value), ..self }
    }

    const fn variable(self, name: &'static str) -> Self {
        Self { plain_variable: Some(name), ..self }
    }

    const fn runtime(self) -> Self {
        Self { runtime: true, ..self }
    }

    const fn file_only(self) -> Self {
        Self { file_only: true, ..self }
    }

    /// Name of the environment variable that sets it: `NETRAVEN__DATABASE__URL`.
    pub fn variable_name(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path.to_uppercase().replace('.', "__"))
    }
}

/// What the environment variables of single keys begin with.
pub const VARIABLE_PREFIX: &str = "NETRAVEN__";

const fn whole(min: u64, max: u64) -> Kind {
    Kind::Whole { min, max }
}

/// [`netraven_platform::DEFAULT_PATTERNS`], which a test compares, as a list.
const REDACTION_PATTERNS: &str =
    "password, passwd, secret, passphrase, community, pre-shared-key, psk, api-key, token, private key";

/// All settings, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    Key::new("service_name", Kind::Text).default("netraven"),
    Key::new("data_dir", Kind::Path).variable("NETRAVEN_DATA_DIR"),
    Key::new("database.url", Kind::DatabaseUrl).variable("DATABASE_URL"),
    Key::new("database.admin_url", Kind::DatabaseUrl),
    Key::new("database.role_prefix", Kind::Text).default("netraven"),
    Key::new("database.logins_file", Kind::Path),
    Key::new("database.max_connections", whole(2, 1000)).default("10"),
    Key::new("database.connect_timeout_seconds", whole(1, 600)).default("10"),
    Key::new("database.statement_timeout_seconds", whole(1, 86_400)).default("60"),
    Key::new("database.lock_timeout_seconds", whole(1, 86_400)).default("10"),
    Key::new("database.gateway.max_connections", whole(2, 1000)),
    Key::new("database.gateway.statement_timeout_seconds", whole(1, 86_400)),
    Key::new("database.gateway.lock_timeout_seconds", whole(1, 86_400)),
    Key::new("database.scheduler.max_connections", whole(2, 1000)),
    Key::new("database.scheduler.statement_timeout_seconds", whole(1, 86_400)),
    Key::new("database.scheduler.lock_timeout_seconds", whole(1, 86_400)),
    Key::new("database.joblog.max_connections", whole(2, 1000)),
    Key::new("database.joblog.statement_timeout_seconds", whole(1, 86_400)),
    Key::new("database.joblog.lock_timeout_seconds", whole(1, 86_400)),
    Key::new("database.api.max_connections", whole(2, 1000)),
    Key::new("database.api.statement_timeout_seconds", whole(1, 86_400)),
    Key::new("database.api.lock_timeout_seconds", whole(1, 86_400)),
    Key::new("database.private.binaries", Kind::Path),
    Key::new("database.private.memory_mib", whole(128, 1_048_576)).default("512"),
    Key::new("database.private.port", whole(1, 65_535)),
    Key::new("database.private.run_as", Kind::Text),
    Key::new("logging.level", Kind::Level).variable("LOG_LEVEL"),
    Key::new("logging.format", Kind::Choice(&["text", "json"])).default("text"),
    Key::new("logging.redaction_patterns", Kind::Patterns).default(REDACTION_PATTERNS),
    Key::new("vault.key_file", Kind::Path),
    Key::new("vault.key_environment", Kind::Text),
    Key::new("vault.key_command", Kind::Command),
    Key::new("vault.rotate_every_days", whole(0, 3_650)).default("0"),
    Key::new("vault.site_fingerprints", Kind::Choice(&["on", "off"])).default("off"),
    Key::new("platforms.dir", Kind::Path),
    Key::new("device.parallel_sessions", whole(1, 20_000)).default("1000").runtime(),
    Key::new("device.command_timeout_seconds", whole(1, 3_600)).default("60").runtime(),
    Key::new("device.session_timeout_seconds", whole(1, 86_400)).default("600").runtime(),
    Key::new("device.ssh_weakest_profile", Kind::Choice(&["modern", "compatible", "legacy"]))
        .default("legacy")
        .runtime(),
    Key::new("device.ca_file", Kind::Path),
    Key::new("device.max_output_mib", whole(1, 1_024)).default("64").runtime(),
    Key::new("connection.max_pool_size", whole(0, 1_000)).default("10").runtime(),
    Key::new("connection.idle_timeout", whole(1, 3_600)).default("60").runtime(),
    Key::new("connection.connection_timeout", whole(1, 600)).default("15").runtime(),
    Key::new("connection.retry_attempts", whole(1, 20)).default("3").runtime(),
    Key::new("connection.retry_backoff", whole(1, 100)).default("2").runtime(),
    Key::new("connection.site_sessions", whole(1, 20_000)).runtime(),
    Key::new("connection.site_logins_per_minute", whole(1, 600_000)).runtime(),
    Key::new("connection.jump_host_sessions", whole(1, 20_000)).runtime(),
    Key::new("connection.jump_host_logins_per_minute", whole(1, 600_000)).runtime(),
    Key::new("connection.allowed_networks", Kind::Networks),
    Key::new("connection.denied_networks", Kind::Networks),
    Key::new("credentials.device_failures_per_hour", whole(1, 100)).default("5").runtime(),
    Key::new("credentials.suspend_after", whole(1, 1_000)).default("3").runtime(),
    Key::new("credentials.references", Kind::References).file_only(),
    Key::new("scheduler.lease_seconds", whole(3, 3_600)).default("60").runtime(),
    Key::new("scheduler.breaker_after", whole(0, 1_000)).default("3").runtime(),
    Key::new("scheduler.breaker_pause_minutes", whole(1, 10_080)).default("15").runtime(),
    Key::new("scheduler.breaker_limit_minutes", whole(1, 10_080)).default("360").runtime(),
    Key::new("scheduler.gateways", Kind::Gateways).file_only(),
    Key::new("scheduler.local_gateway", Kind::Choice(&["on", "off"])),
    Key::new("retry.attempts", whole(1, 100)).default("3").runtime(),
    Key::new("retry.base_seconds", whole(1, 86_400)).default("10").runtime(),
    Key::new("retry.factor", whole(1, 100)).default("2").runtime(),
    Key::new("retry.limit_seconds", whole(1, 604_800)).default("900").runtime(),
    Key::new("logs.job_log_months", whole(0, 1_200)).default("24").runtime(),
    Key::new("logs.connection_log_months", whole(0, 1_200)).default("6").runtime(),
    Key::new("notify.keep_days", whole(0, 36_500)).default("400"),
    Key::new("notify.parallel_channels", whole(1, 1_000)).default("16"),
    Key::new("notify.webhook_ca_file", Kind::Path),
    Key::new("notify.smtp.host", Kind::Text),
    Key::new("notify.smtp.port", whole(1, 65_535)),
    Key::new("notify.smtp.security", Kind::Choice(&["tls", "starttls", "none"])).default("starttls"),
    Key::new("notify.smtp.username", Kind::Text),
    Key::new("notify.smtp.password", Kind::Secret),
    Key::new("notify.smtp.from", Kind::Text),
    Key::new("notify.smtp.ca_file", Kind::Path),
    Key::new("notify.smtp.timeout", whole(1, 120)).default("30"),
    Key::new("db_backup.dir", Kind::Path),
    Key::new("db_backup.keep", whole(0, 100_000)).default("14"),
    Key::new("db_backup.every_hours", whole(0, 8_760)),
    Key::new("gateway.listen", Kind::Text),
    Key::new("gateway.database", Kind::Choice(&["on", "off"])).default("on"),
    Key::new("gateway.api_key", Kind::Secret).variable("API_KEY"),
    Key::new("gateway.key_file", Kind::Path),
    Key::new("gateway.jwt_issuer", Kind::Text).default("https://auth.netraven.local"),
    Key::new("gateway.jwt_audience", Kind::Text).default("netraven-gateway"),
    Key::new("gateway.jwt_secret_file", Kind::Path),
    Key::new("gateway.jwt_public_keys_file", Kind::Path),
    Key::new("gateway.tls_cert_file", Kind::Path),
    Key::new("gateway.tls_key_file", Kind::Path),
    Key::new("gateway.parallel_requests", whole(1, 20_000)).default("200"),
    Key::new("gateway.queued_requests", whole(0, 100_000)).default("1000"),
    Key::new("gateway.queue_wait_seconds", whole(1, 600)).default("10"),
    Key::new("gateway.requests_per_second", whole(1, 100_000)).default("50"),
    Key::new("gateway.max_body_kib", whole(1, 65_536)).default("1024"),
    Key::new("gateway.max_batch_devices", whole(1, 10_000)).default("1000"),
    Key::new("gateway.max_timeout_seconds", whole(1, 86_400)).default("600"),
    Key::new("joblog.listen", Kind::Text),
    Key::new("joblog.key_file", Kind::Path),
    Key::new("joblog.jwt_audience", Kind::Text).default("netraven-joblog"),
    Key::new("joblog.tls_cert_file", Kind::Path),
    Key::new("joblog.tls_key_file", Kind::Path),
    Key::new("joblog.requests_per_second", whole(1, 100_000)).default("200"),
    Key::new("joblog.max_body_kib", whole(64, 65_536)).default("8192"),
    Key::new("joblog.max_followers", whole(1, 10_000)).default("256"),
    Key::new("joblog.url", Kind::Text),
    Key::new("joblog.key", Kind::Secret),
    Key::new("joblog.ca_file", Kind::Path),
];

/// The key of that name.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The key that an environment variable sets, by its full or by its plain name.
pub fn find_by_variable(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.plain_variable == Some(name) || key.variable_name() == name)
}

/// Whether keys stand below this name.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_snake_case_and_no_key_is_also_a_section() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(key.path.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c)), "{}", key.path);
            assert!(!is_section(key.path), "{} is both", key.path);
            assert!(KEYS[at + 1..].iter().all(|other| other.path != key.path), "{} twice", key.path);
            assert_eq!(find(key.path).map(|found| found.path), Some(key.path));
        }
        assert!(is_section("database") && is_section("database.private") && !is_section("data"));
    }

    #[test]
    fn the_default_patterns_are_those_of_the_redactor() {
        assert_eq!(REDACTION_PATTERNS, netraven_platform::DEFAULT_PATTERNS.join(", "));
    }

    #[test]
    fn every_default_is_a_value_its_own_kind_accepts() {
        for key in KEYS {
            if let Some(default) = key.default {
                assert!(key.kind.parse(default).is_ok(), "{}", key.path);
            }
        }
    }

    #[test]
    fn variables_find_their_keys() {
        for (variable, path) in [
            ("NETRAVEN__DATABASE__PRIVATE__MEMORY_MIB", "database.private.memory_mib"),
            ("NETRAVEN__SERVICE_NAME", "service_name"),
            ("DATABASE_URL", "database.url"),
            ("API_KEY", "gateway.api_key"),
        ] {
            assert_eq!(find_by_variable(variable).map(|key| key.path), Some(path));
        }
        assert!(find_by_variable("NETRAVEN__DATABASE").is_none());
    }

    #[test]
    fn the_documentation_names_every_key_with_its_default() {
        let text = include_str!("../../../../docs/configuration.md");
        for key in KEYS {
            let start = format!("| `{}` |", key.path);
            let row = text.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/configuration.md lacks {}", key.path));
            if let Some(default) = key.default {
                assert!(row.contains(&format!("| `{default}` |")), "default {default} is not in: {row}");
            }
        }
    }
}
