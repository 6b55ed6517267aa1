//! What every command gets: the settings in force and where to print.

use crate::cli::Global;
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::output::{Output, colours_are_welcome, note};
use crate::settings::{Effective, Format, Settings, Sources};
use netraven_platform::{LoadError, Platforms, Redactor};
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// The settings and the output of one call of the program.
#[derive(Debug)]
pub struct Context {
    /// All values with their origins.
    pub effective: Effective,
    /// The values with their types.
    pub settings: Settings,
    /// Standard output.
    pub output: Output,
}

impl Context {
    /// Reads the settings; `environment` is one that the command insists on.
    pub fn load(global: &Global, environment: Option<&str>) -> Result<Self> {
        let mut overrides = global.overrides();
        if let Some(environment) = environment {
            overrides.environment = Some(environment.to_owned());
        }
        let effective = Effective::load(&Sources::of_process(overrides)?)?;
        for warning in &effective.warnings {
            note(&format!("warning: {warning}"));
        }
        let settings = typed(&effective)?;
        Ok(Self { effective, settings, output: Output::of_process(global.json) })
    }

    /// The definitions: the shipped ones and those of the user's folder.
    pub fn platforms(&self) -> Result<Platforms> {
        Ok(Platforms::load_with(self.settings.platforms.dir.as_deref(), self.redactor()?)?)
    }

    /// What takes secrets out of what devices say, with the installation's patterns.
    pub fn redactor(&self) -> Result<Arc<Redactor>> {
        let redactor = Redactor::new(&self.settings.logging.redaction_patterns);
        Ok(Arc::new(redactor.map_err(LoadError::from)?))
    }

    /// The name of the platform that a person means.
    pub fn platform(&self, name: &str) -> Result<String> {
        fields::platform(name, &self.platforms()?)
            .map_err(|message| CliError::usage(message).hint("see `netraven platform list`"))
    }

    /// Starts logging to standard error. `usual` is the level where the settings name none. Libraries log
    /// warnings at most: below that they may quote what a device said.
    pub fn start_logging(&self, usual: &str) {
        let level = self.settings.logging.level.as_deref().unwrap_or(usual);
        let others = if level == "error" { "error" } else { "warn" };
        let builder = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(colours_are_welcome(&std::io::stderr()))
            .with_env_filter(EnvFilter::new(format!("{others},netraven={level}")));
        // A second call within one process changes nothing.
        let _ = match self.settings.logging.format {
            Format::Text => builder.with_target(false).try_init(),
            Format::Json => builder.json().flatten_event(true).try_init(),
        };
    }
}

/// The settings with their types.
pub fn typed(effective: &Effective) -> Result<Settings> {
    effective.typed().map_err(|error| CliError::failed(format!("the settings do not fit together: {error}")))
}
