//! Finds and reads `<environment>.yaml`.

use super::error::{Origin, SettingsError};
use super::keys::{self, KEYS};
use super::kind::Kind;
use crate::nearest::nearest;
use netraven_service::{Aliases, Gateways};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// The environments that are part of the program, so that it runs without any file.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("dev", include_str!("../../../../config/environments/dev.yaml")),
    ("prod", include_str!("../../../../config/environments/prod.yaml")),
    ("demo", include_str!("../../../../config/environments/demo.yaml")),
    ("test", include_str!("../../../../config/environments/test.yaml")),
];

/// An environment's file and its text.
#[derive(Debug)]
pub struct EnvironmentFile {
    /// Where it was found; `None` for the built-in copy.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
    environment: String,
}

/// One key as it stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Dotted name of a known key.
    pub path: String,
    /// Its text; `None` for an empty value, which leaves the key as it was.
    pub text: Option<String>,
    /// The line, from 1.
    pub line: u64,
}

/// Finds an environment: only in `explicit` if that is given, else in the first of `usual` that has it,
/// else among the built-in ones.
pub fn find(
    environment: &str,
    explicit: Option<&Path>,
    usual: &[PathBuf],
) -> Result<EnvironmentFile, SettingsError> {
    let folders: Vec<&Path> = match explicit {
        Some(folder) => vec![folder],
        None => usual.iter().map(PathBuf::as_path).collect(),
    };
    // A name with a slash would leave the folder.
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let found = |path: Option<PathBuf>, text: String| EnvironmentFile {
        path,
        text,
        environment: environment.to_owned(),
    };
    if is_name(environment) {
        for folder in &folders {
            let path = folder.join(format!("{environment}.yaml"));
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(found(Some(path), text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(SettingsError::Unreadable { file: path, reason: error.to_string() });
                }
            }
        }
    }
    let built_in: &[(&str, &str)] = if explicit.is_some() { &[] } else { &BUILT_IN };
    match built_in.iter().find(|(name, _)| *name == environment) {
        Some((_, text)) => Ok(found(None, (*text).to_owned())),
        None => Err(SettingsError::UnknownEnvironment {
            name: environment.to_owned(),
            known: known(&folders, built_in),
        }),
    }
}

fn known(folders: &[&Path], built_in: &[(&str, &str)]) -> Vec<String> {
    let mut names: BTreeSet<String> = built_in.iter().map(|(name, _)| (*name).to_owned()).collect();
    for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".yaml").map(str::to_owned));
    }
    names.into_iter().collect()
}

impl EnvironmentFile {
    /// The origin of a key at that line.
    pub fn origin(&self, line: u64) -> Origin {
        match &self.path {
            Some(file) => Origin::File { file: file.clone(), line },
            None => Origin::BuiltIn { environment: self.environment.clone(), line },
        }
    }

    /// The keys that stand in it, all of them known.
    pub fn entries(&self) -> Result<Vec<Entry>, SettingsError> {
        let mut reader = Reader { file: self, entries: Vec::new(), problem: None };
        let seed = Section { reader: &mut reader, prefix: String::new() };
        let parsed = serde_saphyr::with_deserializer_from_str(&self.text, |yaml| seed.deserialize(yaml));
        match (reader.problem.take(), parsed) {
            (Some(problem), _) => Err(problem),
            (None, Ok(())) => Ok(reader.entries),
            (None, Err(error)) => Err(SettingsError::Syntax {
                origin: self.origin(error.location().map_or(1, |at| at.line())),
                message: first_line(&error),
            }),
        }
    }
}

/// The value of a key that takes a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    List(Vec<String>),
    Text(String),
}

impl Several {
    /// As an environment variable would have it.
    fn text(self) -> String {
        match self {
            Self::List(items) => Value::from(items).to_string(),
            Self::Text(text) => text,
        }
    }
}

/// The parser's sentence without its picture of the source, which might show a secret.
fn first_line(error: &serde_saphyr::Error) -> String {
    error.without_snippet().to_string().lines().next().unwrap_or_default().to_owned()
}

/// Collects entries while the parser walks the file; keeps the first problem with its line.
struct Reader<'a> {
    file: &'a EnvironmentFile,
    entries: Vec<Entry>,
    problem: Option<SettingsError>,
}

struct Section<'a, 'f> {
    reader: &'a mut Reader<'f>,
    prefix: String,
}

impl<'de> DeserializeSeed<'de> for Section<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, yaml: D) -> Result<(), D::Error> {
        yaml.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Section<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "keys and values"),
            prefix => write!(f, "keys and values below {}", prefix.trim_end_matches('.')),
        }
    }

    /// An empty section, or an empty file.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let (path, line) = (format!("{}{}", self.prefix, key.value), key.referenced.line());
            if keys::is_section(&path) {
                map.next_value_seed(Section { reader: &mut *self.reader, prefix: format!("{path}.") })?;
            } else if let Some(known) = keys::find(&path) {
                let value = match known.kind {
                    Kind::Patterns | Kind::Networks | Kind::Command => {
                        map.next_value::<Option<Several>>().map(|value| value.map(Several::text))
                    }
                    Kind::References => {
                        let aliases = map.next_value::<Option<Aliases>>();
                        aliases
                            .map(|aliases| aliases.and_then(|aliases| serde_json::to_string(&aliases).ok()))
                    }
                    Kind::Gateways => {
                        let gateways = map.next_value::<Option<Gateways>>();
                        gateways.map(|some| some.and_then(|some| serde_json::to_string(&some).ok()))
                    }
                    _ => map.next_value::<Option<String>>(),
                };
                match value {
                    Ok(text) => self.reader.entries.push(Entry { path, text, line }),
                    Err(error) => {
                        self.reader.problem = Some(SettingsError::Value {
                            origin: self.reader.file.origin(line),
                            key: path,
                            expected: known.kind.expected(),
                            found: "a list, a section or an unfinished value".into(),
                        });
                        return Err(error);
                    }
                }
            } else {
                let candidates = KEYS.iter().map(|key| key.path);
                self.reader.problem = Some(SettingsError::UnknownKey {
                    origin: self.reader.file.origin(line),
                    nearest: nearest(&path, candidates),
                    key: path,
                });
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom("unknown key"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Entry>, String> {
        let file =
            EnvironmentFile { path: Some("x.yaml".into()), text: text.into(), environment: "x".into() };
        file.entries().map_err(|error| error.to_string())
    }

    fn entry(path: &str, text: Option<&str>, line: u64) -> Entry {
        Entry { path: path.into(), text: text.map(str::to_owned), line }
    }

    #[test]
    fn keys_are_read_with_their_text_as_written_and_their_line() {
        let text =
            "# comment\nservice_name: 1.10\ndatabase:\n  max_connections: 5\n  private:\n    port: ~\n";
        let expected = [
            entry("service_name", Some("1.10"), 2),
            entry("database.max_connections", Some("5"), 4),
            entry("database.private.port", None, 6),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn empty_files_and_empty_sections_set_nothing() {
        for text in ["", "# only a comment\n", "database:\n", "database: {}\n", "\u{feff}"] {
            assert_eq!(parse(text).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_line() {
        for (text, message) in [
            ("a:\n  - 1\n", "x.yaml line 1: unknown key 'a'"),
            (
                "retry:\n  atempts: 3\n",
                "x.yaml line 2: unknown key 'retry.atempts', did you mean 'retry.attempts'?",
            ),
            (
                "\nservice_name: [a]\n",
                "x.yaml line 2: service_name: expected a text on one line, found a list, a section or an unfinished value",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
        for (text, line) in
            [("retry: 5\n", 1), ("retry:\n  base_seconds: 1\n  base_seconds: 2\n", 3), ("a: [\n", 1)]
        {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(&format!("x.yaml line {line}: ")), "{message}");
        }
    }

    #[test]
    fn an_explicit_folder_is_the_only_one_and_the_built_in_files_come_last() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(second.path().join("site.yaml"), "service_name: b\n").unwrap();
        let usual = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(find("site", None, &usual).unwrap().path, Some(second.path().join("site.yaml")));
        assert_eq!(find("prod", None, &usual).unwrap().path, None);
        let missing = find("prod", Some(second.path()), &usual).unwrap_err();
        assert_eq!(missing.to_string(), "there is no environment 'prod': expected one of site");
        let unknown = find("prd", None, &usual).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "there is no environment 'prd': expected one of demo, dev, prod, site, test"
        );
        assert!(find("../site", None, &[second.path().join("x")]).is_err());
    }

    #[test]
    fn every_built_in_environment_can_be_read() {
        for (name, _) in BUILT_IN {
            assert!(find(name, None, &[]).unwrap().entries().is_ok(), "{name}");
        }
    }
}
