//! Settings from the environment and from a `.env` file.

use super::error::{Origin, SettingsError};
use super::keys::{self, KEYS, Key, VARIABLE_PREFIX};
use crate::nearest::nearest;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// A variable and where it was found. Empty ones are left out: they count as not set.
#[derive(Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it was found.
    pub origin: Origin,
}

/// The value may be a password.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}, {:?})", self.name, self.origin)
    }
}

/// Variables that choose where settings come from and are no settings themselves.
const CHOOSERS: [&str; 2] = ["NETRAVEN_ENV", "NETRAVEN_CONFIG_DIR"];

/// The variables of the process that concern NetRaven.
pub fn of_process(
    all: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Variable>, SettingsError> {
    let mut found = Vec::new();
    for (name, value) in all {
        let Ok(name) = name.into_string() else { continue };
        if !concerns_us(&name) || value.is_empty() {
            continue;
        }
        let origin = Origin::Environment { variable: name.clone() };
        match value.into_string() {
            Ok(value) => found.push(Variable { name, value, origin }),
            Err(_) => {
                return Err(SettingsError::Value {
                    origin,
                    key: key_name(&name),
                    expected: "UTF-8 text".into(),
                    found: "other bytes".into(),
                });
            }
        }
    }
    Ok(found)
}

/// The variables of a `.env` file that concern NetRaven; none if there is no such file.
pub fn of_dot_env(file: &Path) -> Result<Vec<Variable>, SettingsError> {
    let unreadable = |reason: String| SettingsError::Unreadable { file: file.to_owned(), reason };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut found = Vec::new();
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = pair.map_err(|error| match error {
            // The message of the library quotes the line, which may hold a password.
            dotenvy::Error::LineParse(wrong, _) => {
                SettingsError::DotEnvLine { file: file.to_owned(), line: line_of(&wrong, &text) }
            }
            other => unreadable(other.to_string()),
        })?;
        if concerns_us(&name) && !value.is_empty() {
            let origin = Origin::DotEnv { file: file.to_owned(), variable: name.clone() };
            found.push(Variable { name, value, origin });
        }
    }
    Ok(found)
}

/// The line, from 1, in which the library found something wrong: it tells the rest of the line only.
fn line_of(wrong: &str, text: &str) -> usize {
    let wrong = wrong.lines().next().unwrap_or_default().trim();
    text.lines().position(|line| line.contains(wrong)).map_or(1, |at| at + 1)
}

/// The key a variable sets; `None` for one that only chooses the files.
pub fn key_of(variable: &Variable) -> Result<Option<&'static Key>, SettingsError> {
    if CHOOSERS.contains(&variable.name.as_str()) {
        return Ok(None);
    }
    match keys::find_by_variable(&variable.name) {
        Some(key) => Ok(Some(key)),
        None => {
            let key = key_name(&variable.name);
            Err(SettingsError::UnknownKey {
                origin: variable.origin.clone(),
                nearest: nearest(&key, KEYS.iter().map(|key| key.path)),
                key,
            })
        }
    }
}

fn concerns_us(name: &str) -> bool {
    name.starts_with(VARIABLE_PREFIX) || CHOOSERS.contains(&name) || keys::find_by_variable(name).is_some()
}

/// The key as the variable's name spells it, known or not.
fn key_name(variable: &str) -> String {
    match (keys::find_by_variable(variable), variable.strip_prefix(VARIABLE_PREFIX)) {
        (Some(key), _) => key.path.to_owned(),
        (None, Some(rest)) => rest.to_lowercase().replace("__", "."),
        (None, None) => variable.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn other_programs_variables_and_empty_ones_are_left_alone() {
        let all = [("PATH", "/bin"), ("DATABASE_URL", ""), ("LOG_LEVEL", "info"), ("NETRAVENX", "1")];
        let found = of_process(all.map(|(name, value)| (name.into(), value.into()))).unwrap();
        let names: Vec<_> = found.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["LOG_LEVEL"]);
    }

    #[test]
    fn an_unknown_variable_of_ours_is_an_error_with_a_suggestion() {
        let all = [("NETRAVEN__DATABASE__UR".into(), "x".into())];
        let found = of_process(all).unwrap();
        assert_eq!(
            key_of(&found[0]).unwrap_err().to_string(),
            "environment variable NETRAVEN__DATABASE__UR: unknown key 'database.ur', did you mean 'database.url'?"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let bad = OsString::from_vec(vec![0xff]);
        let error = of_process([("API_KEY".into(), bad)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable API_KEY: gateway.api_key: expected UTF-8 text, found other bytes"
        );
    }

    #[test]
    fn a_dot_env_file_may_be_missing_but_not_unreadable_or_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        assert!(of_dot_env(&file).unwrap().is_empty());
        assert!(of_dot_env(folder.path()).unwrap_err().to_string().contains("cannot be read"));
        std::fs::write(&file, "# a comment\nOTHER=1\nAPI_KEY='canary with spaces'\n").unwrap();
        let found = of_dot_env(&file).unwrap();
        assert_eq!((found.len(), found[0].value.as_str()), (1, "canary with spaces"));
        std::fs::write(&file, "LOG_LEVEL=info\nAPI_KEY=canary two\n").unwrap();
        let message = of_dot_env(&file).unwrap_err().to_string();
        assert!(
            message.contains(".env line 2: expected NAME=value") && !message.contains("canary"),
            "{message}"
        );
    }
}
