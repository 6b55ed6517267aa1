//! Which backups there are, and which of them go.

use super::files::entries;
use super::manifest::{self, Manifest};
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// When the newest complete backup in the folder of this installation's database was made, not after `limit`: one that
/// was made under a clock that was wrong does not count. `None` where there is none.
pub(super) fn newest(
    directory: &Path,
    installation: Option<Uuid>,
    database: &str,
    limit: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let mut found = complete(directory);
    found.retain(|(_, manifest)| manifest.installation == installation && manifest.database == database);
    found.into_iter().map(|(_, manifest)| manifest.created_at).filter(|at| *at <= limit).max()
}

/// Removes the oldest backups of the same installation and database beyond `keep`, but never the new one. Answers the
/// dumps that went. A backup that does not say which installation it is of has no others of the same.
pub(super) fn rotate(directory: &Path, new: &Path, manifest: &Manifest, keep: u32) -> Vec<PathBuf> {
    let Some(others) = (keep as usize).checked_sub(1).filter(|_| manifest.installation.is_some()) else {
        return Vec::new();
    };
    let mut found = complete(directory);
    found.retain(|(path, other)| {
        path != new && other.installation == manifest.installation && other.database == manifest.database
    });
    found.sort_by_key(|(_, other)| std::cmp::Reverse(other.created_at));
    let surplus = found.into_iter().skip(others).map(|(path, _)| path);
    surplus.filter(|path| remove(path)).collect()
}

/// Dump and manifest of every backup that is whole by its names and its size.
fn complete(directory: &Path) -> Vec<(PathBuf, Manifest)> {
    let dumps = entries(directory).into_iter().filter(|path| path.extension() == Some("dump".as_ref()));
    let whole = dumps.filter_map(|path| {
        let size = std::fs::symlink_metadata(&path).ok().filter(|found| found.is_file())?.len();
        let manifest = Manifest::read(&manifest::beside(&path)).ok()?;
        (manifest.size_bytes == size).then_some((path, manifest))
    });
    whole.collect()
}

fn remove(dump: &Path) -> bool {
    let removed = std::fs::remove_file(dump).and_then(|()| std::fs::remove_file(manifest::beside(dump)));
    if let Err(error) = &removed {
        tracing::warn!(backup = %dump.display(), %error, "an old backup was not removed");
    }
    removed.is_ok()
}
