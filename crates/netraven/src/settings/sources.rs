use super::error::SettingsError;
use super::variables::{self, Variable};
use std::path::{Path, PathBuf};

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Name of the environment.
    pub environment: Option<String>,
    /// The only folder to look for its file.
    pub config_dir: Option<PathBuf>,
    /// Keys with their values and the option that gave them.
    pub values: Vec<(String, String, &'static str)>,
}

/// Everything that settings are made of, besides the files of the environments.
#[derive(Debug)]
pub struct Sources {
    /// From the command line.
    pub overrides: Overrides,
    /// Variables of `.env`, then those of the process: the order in which they win.
    pub variables: Vec<Variable>,
    /// Folders to look for `<environment>.yaml`, in order, unless one is given explicitly.
    pub usual_folders: Vec<PathBuf>,
    /// What relative paths are relative to.
    pub working_directory: PathBuf,
    /// Where this user's data goes; `None` without a home.
    pub data_home: Option<PathBuf>,
}

impl Sources {
    /// Those of this process.
    pub fn of_process(overrides: Overrides) -> Result<Self, SettingsError> {
        let working_directory = std::env::current_dir().map_err(|error| SettingsError::Unreadable {
            file: PathBuf::from("."),
            reason: error.to_string(),
        })?;
        let mut variables = variables::of_dot_env(&working_directory.join(".env"))?;
        variables.extend(variables::of_process(std::env::vars_os())?);
        Ok(Self {
            overrides,
            variables,
            usual_folders: vec![
                working_directory.join("config/environments"),
                PathBuf::from("/etc/netraven/environments"),
            ],
            working_directory,
            data_home: data_home(),
        })
    }

    /// The value of a variable that chooses files; the process wins over `.env`.
    pub(super) fn chooser(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().rev().find(|variable| variable.name == name);
        found.map(|variable| variable.value.as_str())
    }
}

/// `/var/lib` for root, else where the XDG base directory specification puts a user's data.
fn data_home() -> Option<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/share"))))
}
