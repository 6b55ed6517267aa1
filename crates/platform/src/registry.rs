//! All definitions: those shipped in the binary, overridden by a folder of the user's own.

use crate::sources::Sources;
use crate::{PatternError, Platform, Redactor};
use netraven_model::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// A definition has a few KB; a file beyond this is no definition.
const MAX_FILE: u64 = 1 << 20;

/// The origin of a definition that is part of the program.
const SHIPPED_ORIGIN: &str = "shipped";

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
    /// What it redacts with is wrong.
    #[error(transparent)]
    Redaction(#[from] PatternError),
    /// A file or folder cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// The definitions in use, by name. Shipped ones, which tests have proven, are made ready when they are first wanted.
pub struct Platforms {
    sources: Sources,
    ready: BTreeMap<String, OnceLock<Option<Arc<Platform>>>>,
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
        Self::load_with(dir, Arc::new(Redactor::standard()?))
    }

    /// As [`Self::load`], with the installation's own redaction patterns: what a device said is shown by nobody else but
    /// its platform.
    pub fn load_with(dir: Option<&Path>, redactor: Arc<Redactor>) -> Result<Self, LoadError> {
        let mut sources = Sources::new(redactor);
        for (name, text) in SHIPPED {
            sources.add(&format!("platforms/{name}/platform.yaml"), text, SHIPPED_ORIGIN)?;
        }
        Self::with_own(sources, dir)
    }

    /// The definitions of a folder alone, without the shipped ones.
    pub fn of_folder(dir: &Path) -> Result<Self, LoadError> {
        Self::with_own(Sources::new(Arc::new(Redactor::standard()?)), Some(dir))
    }

    fn with_own(mut sources: Sources, dir: Option<&Path>) -> Result<Self, LoadError> {
        for path in dir.map(definitions).transpose()?.unwrap_or_default() {
            let (text, file) = (read(&path)?, path.display().to_string());
            sources.add(&file, &text, &file)?;
        }
        let (aliases, mut ready) = (aliases(&sources)?, BTreeMap::new());
        for name in sources.names() {
            let compiled = OnceLock::new();
            if !sources.is_all_from(name, SHIPPED_ORIGIN) {
                let _ = compiled.set(Some(Arc::new(sources.compile(name)?)));
            }
            ready.insert(name.to_owned(), compiled);
        }
        Ok(Self { sources, ready, aliases })
    }

    /// A definition that needs no other and is not among those in use.
    pub(crate) fn parse_alone(&self, text: &str, file: &str) -> Result<Platform, LoadError> {
        let mut sources = Sources::new(self.sources.redactor().clone());
        sources.add(file, text, file)?;
        let name = sources.names().next().unwrap_or_default();
        sources.compile(name)
    }

    /// Whether every definition can be used.
    ///
    /// # Errors
    /// The first one that cannot, with file and line.
    pub fn verify(&self) -> Result<(), LoadError> {
        self.sources.names().try_for_each(|name| self.sources.compile(name).map(drop))
    }

    /// A platform by its name or one of its aliases.
    pub fn get(&self, name: &str) -> Option<Arc<Platform>> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.ready_one(name).cloned()
    }

    /// Where a device listens that was given no port: where its platform does for that protocol, or at the protocol's own.
    pub fn port(&self, platform: &str, protocol: Protocol) -> u16 {
        let known = self.get(platform).and_then(|platform| platform.port_over(protocol));
        known.unwrap_or(protocol.default_port())
    }

    /// All platforms, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Platform>> {
        self.ready.keys().filter_map(|name| self.ready_one(name))
    }

    /// All names, ordered.
    pub fn names(&self) -> Vec<&str> {
        self.ready.keys().map(String::as_str).collect()
    }

    fn ready_one(&self, name: &str) -> Option<&Arc<Platform>> {
        let ready = self.ready.get(name)?;
        ready.get_or_init(|| self.sources.compile(name).ok().map(Arc::new)).as_ref()
    }
}

impl fmt::Debug for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ready.keys()).finish()
    }
}

/// An alias may not point at two platforms, nor be another one's name. Only a shipped one gives way to the name of a definition of
/// one's own: a new release with a new alias must not spoil it.
fn aliases(sources: &Sources) -> Result<BTreeMap<String, String>, LoadError> {
    let names: BTreeSet<&str> = sources.names().collect();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, alias, file) in sources.aliases().filter(|(name, alias, _)| name != alias) {
        let other = names.get(alias).copied().or_else(|| found.get(alias).map(String::as_str));
        let is_shipped = |name: &str| sources.origin(name) == SHIPPED_ORIGIN;
        if let Some(other) = other {
            if names.contains(alias) && is_shipped(name) && !is_shipped(other) {
                continue;
            }
            let problem = format!("alias '{alias}' already belongs to '{other}'");
            return Err(LoadError::Definition { file: file.to_owned(), line: 0, problem });
        }
        found.insert(alias.to_owned(), name.to_owned());
    }
    Ok(found)
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
