//! The folder of backups: written under other names, one backup at a time, nothing half-made under a name of its own.

use super::error::BackupError;
use super::manifest::{self, Manifest};
use chrono::{DateTime, Utc};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What the names of all backups begin with.
pub(super) const PREFIX: &str = "netraven-";
/// What files end in that are being written.
const PARTIAL: &str = ".partial";
/// Whoever writes backups into a folder holds this file in it.
const LOCK: &str = ".netraven-backup.lock";
/// Left-over files are removed after this time.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

/// A folder into which this process alone writes backups, until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if it is missing, for its owner alone, and tidies up after backups that did not end.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let failed = BackupError::io("make the folder", path);
        // Folders above it may have to be entered by others, such as the user who runs PostgreSQL.
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(&failed)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if !path.is_dir() => return Err(failed(error)),
            _ => {}
        }
        let lock_path = path.join(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&lock_path).map_err(BackupError::io("open the lock file", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy { directory: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(BackupError::io("lock", &lock_path)(error)),
        }
        let folder = Self { path: path.to_owned(), lock };
        folder.tidy();
        Ok(folder)
    }

    /// The path of a new dump: `netraven-<database>-<time>.dump`.
    pub(super) fn new_dump(&self, database: &str, at: DateTime<Utc>) -> PathBuf {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let database: String = database.chars().map(safe).collect();
        let stem = format!("{PREFIX}{database}-{}", at.format("%Y%m%dT%H%M%SZ"));
        let free = |path: &PathBuf| !path.exists() && !manifest::beside(path).exists();
        let numbered = (2..).map(|number| self.path.join(format!("{stem}-{number}.dump")));
        let first = self.path.join(format!("{stem}.dump"));
        std::iter::once(first.clone()).chain(numbered).find(free).unwrap_or(first)
    }

    /// Makes what was renamed durable.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(BackupError::io("write the folder", &self.path))
    }

    /// Removes what backups left behind that were interrupted. One whose dump has its name already is completed.
    fn tidy(&self) {
        for path in entries(&self.path) {
            let Some(wanted) = finished_name(&path) else { continue };
            let Some(_held) = hold(&path) else { continue };
            let done = if is_complete(&wanted, &path) {
                std::fs::rename(&path, &wanted)
            } else if is_older(&path, LEFT_OVER) {
                std::fs::remove_file(&path)
            } else {
                continue;
            };
            match done {
                Ok(()) => tracing::info!(file = %path.display(), "tidied up after an interrupted backup"),
                Err(error) => tracing::warn!(file = %path.display(), %error, "not tidied up"),
            }
        }
    }
}

impl Drop for Folder {
    /// Unlocks explicitly: a program that is just being started may hold a copy of the descriptor.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, "the lock of the folder was not given back explicitly");
        }
    }
}

/// A file being written, for its owner alone. It is locked as long as somebody writes it, a `pg_dump` that outlived
/// this process included. Dropped before it got its name, it is removed.
pub(super) struct Draft {
    path: PathBuf,
    wanted: PathBuf,
    file: File,
    named: bool,
}

impl Draft {
    /// Begins the file that will be called `wanted`.
    pub(super) fn begin(wanted: &Path) -> Result<Self, BackupError> {
        let mut name = wanted.as_os_str().to_owned();
        name.push(PARTIAL);
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(BackupError::io("create", &path))?;
        let draft = Self { path, wanted: wanted.to_owned(), file, named: false };
        draft.file.lock().map_err(BackupError::io("lock", &draft.path))?;
        Ok(draft)
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Where it stands until it has its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the content durable.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        self.file.sync_all().map_err(BackupError::io("write", &self.path))
    }

    /// Gives it its name.
    pub(super) fn name(&mut self) -> Result<(), BackupError> {
        std::fs::rename(&self.path, &self.wanted).map_err(BackupError::io("rename", &self.path))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = self.file.unlock();
        if !self.named
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "an unfinished backup was not removed");
        }
    }
}

/// The files of the folder that are named like a backup's.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = |name: &OsStr| name.to_string_lossy().starts_with(PREFIX);
    let mut paths: Vec<PathBuf> =
        entries.filter(|entry| ours(&entry.file_name())).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn finished_name(partial: &Path) -> Option<PathBuf> {
    Some(partial.with_file_name(partial.file_name()?.to_str()?.strip_suffix(PARTIAL)?))
}

/// The file, locked; `None` while somebody writes it.
fn hold(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Whether this is a good manifest whose dump bears its name already: only the last step is missing.
fn is_complete(wanted: &Path, partial: &Path) -> bool {
    let size = std::fs::metadata(wanted.with_extension("dump")).map(|found| found.len()).ok();
    let is_manifest = wanted.extension() == Some("json".as_ref()) && !wanted.exists();
    is_manifest && Manifest::read(partial).is_ok_and(|manifest| Some(manifest.size_bytes) == size)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = std::fs::metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|since| since > age))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        entries(folder).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    fn make_old(path: &Path) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - 2 * LEFT_OVER).unwrap();
    }

    #[test]
    fn only_one_backup_at_a_time_is_written_to_a_folder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("not yet/there");
        let folder = Folder::open(&path).unwrap();
        let error = Folder::open(&path).err().unwrap().to_string();
        assert!(
            error.contains("another backup is being written to") && error.contains("not yet/there"),
            "{error}"
        );
        drop(folder);
        Folder::open(&path).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn old_drafts_that_nobody_writes_are_removed_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        for name in [
            "netraven-a.dump.partial",
            "netraven-held.dump.partial",
            "netraven-new.dump.partial",
            "netraven-a.dump",
            "somebody.partial",
        ] {
            std::fs::write(temp.path().join(name), "x").unwrap();
            if name != "netraven-new.dump.partial" {
                make_old(&temp.path().join(name));
            }
        }
        let held = File::open(temp.path().join("netraven-held.dump.partial")).unwrap();
        held.lock().unwrap();
        Folder::open(temp.path()).unwrap();
        let left = ["netraven-a.dump", "netraven-held.dump.partial", "netraven-new.dump.partial"];
        assert_eq!(names(temp.path()), left);
        assert!(temp.path().join("somebody.partial").exists());
    }

    #[test]
    fn a_backup_that_lacked_only_its_manifests_name_is_completed() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        let manifest = Manifest { size_bytes: 4, ..Manifest::for_tests() };
        for (stem, content) in [("whole", "dump"), ("cut", "dum")] {
            std::fs::write(path(&format!("netraven-{stem}.dump")), content).unwrap();
            let draft = path(&format!("netraven-{stem}.json.partial"));
            std::fs::write(draft, manifest.to_text().unwrap()).unwrap();
        }
        Folder::open(temp.path()).unwrap();
        let expected =
            ["netraven-cut.dump", "netraven-cut.json.partial", "netraven-whole.dump", "netraven-whole.json"];
        assert_eq!(names(temp.path()), expected);
    }

    #[test]
    fn names_are_safe_and_never_taken() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let first = folder.new_dump("../a b/ü", at);
        assert_eq!(first, temp.path().join("netraven-.._a_b__-20260301T120000Z.dump"));
        std::fs::write(&first, "").unwrap();
        let second = folder.new_dump("../a b/ü", at);
        assert_eq!(second, temp.path().join("netraven-.._a_b__-20260301T120000Z-2.dump"));
    }

    #[test]
    fn a_draft_that_gets_no_name_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let wanted = temp.path().join("netraven-x.dump");
        drop(Draft::begin(&wanted).unwrap());
        assert_eq!(names(temp.path()), [""; 0]);
        let mut draft = Draft::begin(&wanted).unwrap();
        draft.name().unwrap();
        drop(draft);
        assert_eq!(names(temp.path()), ["netraven-x.dump"]);
    }
}
