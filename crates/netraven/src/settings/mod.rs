//! The settings: built-in defaults, then the environment's file, `.env`, the process environment, the
//! command line, and for some keys the database; each later one wins.

mod effective;
mod error;
mod file;
pub mod keys;
mod kind;
mod report;
mod sources;
mod typed;
mod variables;

pub use effective::{DEMO, Effective, check_runtime};
pub use error::{Origin, SettingsError};
pub use kind::mask_url;
pub use report::{to_json, to_yaml};
pub use sources::{Overrides, Sources};
pub use typed::{Connection, Format, Security, Settings, Smtp};

/// Sources without files, whose home is `/home/x` and whose working directory is `/work`.
#[cfg(test)]
fn sources_for_tests(variables: &[(&str, &str)]) -> Sources {
    let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Sources {
        overrides: Overrides::default(),
        variables: variables::of_process(pairs).unwrap(),
        usual_folders: Vec::new(),
        working_directory: "/srv".into(),
        data_home: Some("/home/x".into()),
    }
}

#[cfg(test)]
impl Settings {
    /// The defaults.
    pub fn for_tests() -> Self {
        Effective::load(&sources_for_tests(&[])).unwrap().typed().unwrap()
    }
}

#[cfg(test)]
mod tests;
