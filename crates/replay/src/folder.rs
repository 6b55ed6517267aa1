use netraven_lab::{SessionError, SessionFile};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A folder that cannot be searched.
#[derive(Debug, Error)]
#[error("{}: the folder cannot be read: {reason}", path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub reason: std::io::Error,
}

/// A session's folder, and the session or why it cannot be loaded.
pub type FoundSession = (PathBuf, Result<SessionFile, SessionError>);

/// The sessions below a folder of platforms, `<folder>/<platform>/sessions/<name>/session.yaml`, ordered by their
/// paths. One that cannot be loaded does not hide the others.
///
/// # Errors
/// A folder that cannot be listed.
pub fn sessions_below(folder: &Path) -> Result<Vec<FoundSession>, FolderError> {
    let mut found = Vec::new();
    for platform in folders(folder)? {
        let sessions = platform.join("sessions");
        if !sessions.is_dir() {
            continue;
        }
        for session in folders(&sessions)? {
            let loaded = SessionFile::from_dir(&session);
            found.push((session, loaded));
        }
    }
    Ok(found)
}

fn folders(below: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |reason| FolderError { path: below.to_owned(), reason };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
