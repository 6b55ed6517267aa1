//! Definitions and sessions as they are found at run time: in a folder, or in the program.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::input::fields;
use netraven_lab::{SessionFile, embedded};
use netraven_platform::{LoadError, Platform, Platforms};
use netraven_replay::sessions_below;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sessions and the definitions they are to be played with.
pub struct Collection {
    platforms: Source,
    /// What there is to be played.
    pub sessions: Vec<Arc<SessionFile>>,
    /// Sessions that cannot be loaded: name of the platform's folder, name of the session's, and why.
    pub unreadable: Vec<Unreadable>,
}

/// A session that cannot be loaded.
pub struct Unreadable {
    /// Name of the platform's folder.
    pub platform: String,
    /// Name of the session's folder.
    pub session: String,
    /// Why.
    pub reason: String,
}

enum Source {
    Whole(Platforms),
    /// One of the folder's definitions is wrong, which must not hide the others: each one is loaded on its own.
    Single {
        folder: PathBuf,
        error: LoadError,
    },
}

impl Collection {
    /// Definitions and sessions of a folder; or without one those of the program, and of the settings' folder.
    pub fn load(folder: Option<&Path>, context: &Context) -> Result<Self> {
        let own = folder.or(context.settings.platforms.dir.as_deref());
        let platforms = match (Platforms::load(own), own) {
            (Ok(platforms), _) => Source::Whole(platforms),
            (Err(error), Some(folder)) => Source::Single { folder: folder.to_owned(), error },
            (Err(error), None) => return Err(error.into()),
        };
        let mut sessions: Vec<Arc<SessionFile>> = Vec::new();
        let mut unreadable = Vec::new();
        for (path, loaded) in own.map(sessions_below).transpose()?.unwrap_or_default() {
            match loaded {
                Ok(session) => sessions.push(Arc::new(session)),
                Err(error) => unreadable.push(Unreadable::new(&path, error.to_string())),
            }
        }
        if folder.is_none() {
            let shipped = embedded().map_err(|error| CliError::failed(error.to_string()))?;
            let mine = |one: &SessionFile| {
                sessions.iter().any(|own| own.platform() == one.platform() && own.name() == one.name())
            };
            let others: Vec<_> = shipped.into_iter().filter(|session| !mine(session)).map(Arc::new).collect();
            sessions.extend(others);
        }
        sessions.sort_by(|a, b| (a.platform(), a.name()).cmp(&(b.platform(), b.name())));
        Ok(Self { platforms, sessions, unreadable })
    }

    /// The definition of a platform, or what is wrong with it.
    pub fn platform(&self, name: &str) -> Result<Arc<Platform>, String> {
        let found = |platforms: &Platforms| match fields::platform(name, platforms) {
            Ok(name) => platforms.get(&name).ok_or(format!("there is no platform '{name}'")),
            Err(message) => Err(message),
        };
        match &self.platforms {
            Source::Whole(platforms) => found(platforms),
            Source::Single { folder, error } => {
                let file = folder.join(name).join("platform.yaml");
                if !file.is_file() {
                    return Err(format!("there is no {}; {error}", file.display()));
                }
                // What it extends may be a shipped one; what is wrong with it is told without the others.
                let alone = Platforms::of_folder(&file);
                let platforms = alone.or_else(|error| Platforms::load(Some(&file)).map_err(|_| error));
                found(&platforms.map_err(|error| error.to_string())?)
            }
        }
    }
}

impl Unreadable {
    fn new(path: &Path, reason: String) -> Self {
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
        };
        let platform = name(path.parent().and_then(Path::parent));
        Self { platform, session: name(Some(path)), reason }
    }
}
