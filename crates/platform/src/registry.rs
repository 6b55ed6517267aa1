//! All definitions: those shipped in the binary, overridden by a folder of the user's own.

use crate::Platform;
use crate::sources::Sources;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// A definition has a few KB; a file beyond this is no definition.
const MAX_FILE: u64 = 1 << 20;

/// Names and texts of the definitions below `platforms/`; `build.rs` lists them.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Why definitions cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file's content is wrong.
    #[error("{file}:{line}: {problem}")]
    Definition {
        /// The file.
        file: String,
        /// Line, from 1; 0 where the file as a whole is meant.
        line: u64,
        /// What was expected and what was found.
        problem: String,
    },
    /// A file or folder cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// The definitions in use, by name.
#[derive(Debug, Default)]
pub struct Platforms {
    by_name: BTreeMap<String, Arc<Platform>>,
    aliases: BTreeMap<String, String>,
}

impl Platforms {
    /// The definitions shipped with this release.
    pub fn shipped() -> Result<Self, LoadError> {
        Self::load(None)
    }

    /// The shipped definitions, overridden and extended by `<dir>/<name>/platform.yaml` or `<dir>/<name>.yaml`, or by
    /// `dir` itself if that is a file.
    pub fn load(dir: Option<&Path>) -> Result<Self, LoadError> {
        let mut sources = Sources::default();
        for (name, text) in SHIPPED {
            sources.add(&format!("platforms/{name}/platform.yaml"), text, "shipped")?;
        }
        Self::with_own(sources, dir)
    }

    /// The definitions of a folder alone, without the shipped ones.
    pub fn of_folder(dir: &Path) -> Result<Self, LoadError> {
        Self::with_own(Sources::default(), Some(dir))
    }

    fn with_own(mut sources: Sources, dir: Option<&Path>) -> Result<Self, LoadError> {
        for path in dir.map(definitions).transpose()?.unwrap_or_default() {
            let (text, file) = (read(&path)?, path.display().to_string());
            sources.add(&file, &text, &file)?;
        }
        let mut platforms = Self::default();
        for name in sources.names() {
            let (platform, file) = sources.compile(&name)?;
            platforms.add(platform, &file)?;
        }
        Ok(platforms)
    }

    /// A definition that needs no other and is not among those in use.
    pub(crate) fn parse_alone(text: &str, file: &str) -> Result<Platform, LoadError> {
        let mut sources = Sources::default();
        sources.add(file, text, file)?;
        let name = sources.names().pop().unwrap_or_default();
        sources.compile(&name).map(|(platform, _)| platform)
    }

    /// A platform by its name or one of its aliases.
    pub fn get(&self, name: &str) -> Option<Arc<Platform>> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.by_name.get(name).cloned()
    }

    /// All platforms, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Platform>> {
        self.by_name.values()
    }

    /// All names, ordered.
    pub fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }

    /// The later one of two definitions with the same name wins; an alias may not point at two platforms.
    fn add(&mut self, platform: Platform, file: &str) -> Result<(), LoadError> {
        self.aliases.retain(|_, name| *name != platform.name);
        for alias in &platform.aliases {
            let taken = self.aliases.get(alias).filter(|name| **name != platform.name);
            if let Some(other) = taken.or_else(|| self.by_name.get_key_value(alias).map(|(name, _)| name)) {
                let problem = format!("alias '{alias}' already belongs to '{other}'");
                return Err(LoadError::Definition { file: file.to_owned(), line: 0, problem });
            }
        }
        let aliases = platform.aliases.iter().filter(|alias| **alias != platform.name);
        self.aliases.extend(aliases.map(|alias| (alias.clone(), platform.name.clone())));
        self.by_name.insert(platform.name.clone(), Arc::new(platform));
        Ok(())
    }
}

fn definitions(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if dir.is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let failed = |error: std::io::Error| LoadError::File { path: dir.to_owned(), reason: error.to_string() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let inside = path.join("platform.yaml");
        if inside.is_file() {
            found.push(inside);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |reason: String| LoadError::File { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("{size} bytes, a definition has at most {MAX_FILE}")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}
