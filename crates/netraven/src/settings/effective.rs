use super::error::{Origin, SettingsError};
use super::file;
use super::keys::{self, KEYS, Key};
use super::sources::Sources;
use super::variables;
use crate::nearest::nearest;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};

/// The environment that is meant when nothing names one.
const DEFAULT_ENVIRONMENT: &str = "prod";

/// The environment of `netraven demo`, which never uses a database or folder meant for another one.
pub const DEMO: &str = "demo";

/// One key's value in force.
#[derive(Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value; `None` where nothing sets it.
    pub value: Option<Value>,
    /// Where the value came from.
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.text().map(|text| self.key.kind.shown(&text));
        write!(f, "{}={} ({:?})", self.key.path, value.unwrap_or_default(), self.origin)
    }
}

impl Setting {
    /// The value as text; numbers as digits.
    pub fn text(&self) -> Option<String> {
        self.value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// All values in force, with their origins.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Name of the environment.
    pub environment: String,
    /// The file it was read from; `None` for the built-in copy.
    pub file: Option<PathBuf>,
    /// One per key, in the order of [`KEYS`].
    pub settings: Vec<Setting>,
    /// What was left out although it was set, and why.
    pub warnings: Vec<String>,
}

impl Effective {
    /// Puts all sources over each other.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let chosen = sources.overrides.environment.as_deref().or(sources.chooser("NETRAVEN_ENV"));
        let environment = chosen.unwrap_or(DEFAULT_ENVIRONMENT).to_owned();
        let explicit = sources.overrides.config_dir.as_deref();
        let explicit = explicit.or(sources.chooser("NETRAVEN_CONFIG_DIR").map(Path::new));
        let found = file::find(&environment, explicit, &sources.usual_folders)?;
        let settings = KEYS.iter().map(|key| Setting { key, value: None, origin: Origin::Default }).collect();
        let mut effective = Self { environment, file: found.path.clone(), settings, warnings: Vec::new() };
        for key in KEYS {
            if let Some(default) = key.default {
                effective.set(key, default, Origin::Default)?;
            }
        }
        for entry in found.entries()? {
            if let (Some(key), Some(text)) = (keys::find(&entry.path), entry.text) {
                effective.set(key, &text, found.origin(entry.line))?;
            }
        }
        effective.overlay_variables(sources)?;
        effective.overlay_command_line(sources)?;
        effective.complete(sources)?;
        effective.refuse_well_known_api_key()?;
        Ok(effective)
    }

    /// Puts the rows of `system_settings` over the rest: only keys that may change at run time can be there.
    pub fn overlay_database<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) -> Result<(), SettingsError> {
        for (path, value) in rows {
            let (key, value) = check_runtime(path, &text_of(value), Origin::Database)?;
            if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key.path == key.path) {
                (setting.value, setting.origin) = (Some(value), Origin::Database);
            }
        }
        Ok(())
    }

    /// Whether the command line gave this key's value.
    pub fn is_from_command_line(&self, path: &str) -> bool {
        let mut settings = self.settings.iter();
        settings
            .any(|setting| setting.key.path == path && matches!(setting.origin, Origin::CommandLine { .. }))
    }

    fn set(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<(), SettingsError> {
        if key.file_only && !matches!(origin, Origin::File { .. }) {
            return Err(SettingsError::FileOnly { origin, key: key.path });
        }
        let value = parse(key, text, &origin)?;
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key.path == key.path) {
            (setting.value, setting.origin) = (Some(value), origin);
        }
        Ok(())
    }

    /// The process wins over `.env`, and a key's full variable over its plain one.
    fn overlay_variables(&mut self, sources: &Sources) -> Result<(), SettingsError> {
        let of_process = |origin: &Origin| matches!(origin, Origin::Environment { .. });
        let mut ordered: Vec<_> = sources.variables.iter().collect();
        ordered.sort_by_key(|variable| {
            (of_process(&variable.origin), variable.name.starts_with(keys::VARIABLE_PREFIX))
        });
        for variable in ordered {
            let Some(key) = variables::key_of(variable)? else { continue };
            if self.environment == DEMO && matches!(key.path, "database.url" | "data_dir") {
                self.warnings.push(format!(
                    "{} is ignored: the environment demo has a database and a data directory of its own",
                    variable.origin
                ));
                continue;
            }
            self.set(key, &variable.value, variable.origin.clone())?;
        }
        Ok(())
    }

    fn overlay_command_line(&mut self, sources: &Sources) -> Result<(), SettingsError> {
        for (path, text, option) in &sources.overrides.values {
            let origin = Origin::CommandLine { option: (*option).to_owned() };
            let key = known(path, &origin)?;
            if !key.file_only && key.kind.is_secret(text) {
                return Err(SettingsError::SecretOnCommandLine { key: key.path });
            }
            self.set(key, text, origin)?;
        }
        Ok(())
    }

    /// Fills in the defaults that depend on the machine and makes paths absolute.
    fn complete(&mut self, sources: &Sources) -> Result<(), SettingsError> {
        if self.text("data_dir").is_none() {
            let home = sources.data_home.as_ref().ok_or(SettingsError::NoHome)?;
            let name = if self.environment == DEMO { "netraven-demo" } else { "netraven" };
            self.put_path("data_dir", &home.join(name));
        }
        for path in [
            "data_dir",
            "database.logins_file",
            "database.private.binaries",
            "vault.key_file",
            "platforms.dir",
            "device.ca_file",
            "notify.webhook_ca_file",
            "notify.smtp.ca_file",
            "db_backup.dir",
            "gateway.key_file",
            "gateway.jwt_secret_file",
            "gateway.jwt_public_keys_file",
            "gateway.tls_cert_file",
            "gateway.tls_key_file",
            "joblog.key_file",
            "joblog.tls_cert_file",
            "joblog.tls_key_file",
            "joblog.ca_file",
        ] {
            if let Some(text) = self.text(path) {
                self.put_path(path, &sources.working_directory.join(text));
            }
        }
        for (path, below_data_dir) in [
            ("vault.key_file", "keys/master.key"),
            ("db_backup.dir", "backups"),
            ("gateway.key_file", "keys/gateway_keys.yaml"),
            ("gateway.jwt_secret_file", "keys/gateway_tokens.secret"),
            ("joblog.key_file", "keys/joblog_keys.yaml"),
        ] {
            if let (None, Some(data_dir)) = (self.text(path), self.text("data_dir")) {
                self.put_path(path, &Path::new(&data_dir).join(below_data_dir));
            }
        }
        Ok(())
    }

    fn put_path(&mut self, path: &str, value: &Path) {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key.path == path) {
            setting.value = Some(value.to_string_lossy().into());
        }
    }

    fn text(&self, path: &str) -> Option<String> {
        self.settings.iter().find(|setting| setting.key.path == path).and_then(Setting::text)
    }

    fn refuse_well_known_api_key(&self) -> Result<(), SettingsError> {
        let setting = self.settings.iter().find(|setting| setting.key.path == "gateway.api_key");
        match setting {
            Some(setting)
                if self.environment != "dev" && setting.text().is_some_and(|key| is_well_known(&key)) =>
            {
                Err(SettingsError::WellKnownApiKey { origin: setting.origin.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Checks a value for `system_settings`.
pub fn check_runtime(path: &str, text: &str, origin: Origin) -> Result<(&'static Key, Value), SettingsError> {
    let key = known(path, &origin)?;
    if !key.runtime {
        let known = KEYS.iter().filter(|key| key.runtime).map(|key| key.path).collect();
        return Err(SettingsError::NotRuntime { key: path.to_owned(), known });
    }
    Ok((key, parse(key, text, &origin)?))
}

fn known(path: &str, origin: &Origin) -> Result<&'static Key, SettingsError> {
    keys::find(path).ok_or_else(|| SettingsError::UnknownKey {
        origin: origin.clone(),
        key: path.to_owned(),
        nearest: nearest(path, KEYS.iter().map(|key| key.path)),
    })
}

fn parse(key: &Key, text: &str, origin: &Origin) -> Result<Value, SettingsError> {
    key.kind.parse(text).map_err(|expected| SettingsError::Value {
        origin: origin.clone(),
        key: key.path.to_owned(),
        expected,
        found: format!("'{}'", key.kind.shown(text)),
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Keys that stand in examples everywhere; the comparison ignores case and separators.
fn is_well_known(key: &str) -> bool {
    const WELL_KNOWN: [&str; 14] = [
        "devkey",
        "changeme",
        "secret",
        "password",
        "apikey",
        "test",
        "testkey",
        "default",
        "admin",
        "netraven",
        "example",
        "yourapikey",
        "mysecretkey",
        "supersecret",
    ];
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    WELL_KNOWN.contains(&plain.to_lowercase().as_str())
}
