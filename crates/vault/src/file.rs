//! The key file: owner-only, complete or not there.

use crate::VaultError;
use crate::keyring::Keyring;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key file of a hundred rotations has 10 KB; anything much larger is something else.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// The draft of a changed key file.
const NEXT: &str = ".keys-next";

/// Tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

pub(crate) fn open(path: &Path) -> Result<Keyring, VaultError> {
    let failed = |error: std::io::Error| file_error(path, &format!("cannot be read: {error}"));
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(file_error(path, "is not a regular file"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(VaultError::Permissions { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    let damaged =
        |reason: String| VaultError::Damaged { source_name: format!("key file {}", path.display()), reason };
    if metadata.len() > MAX_FILE {
        return Err(damaged(format!("it has {} bytes, expected at most {MAX_FILE}", metadata.len())));
    }
    let mut text = Zeroizing::new(Vec::new());
    file.read_to_end(&mut text).map_err(failed)?;
    Keyring::parse(&text).map_err(damaged)
}

pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Some(Stamp { inode: metadata.ino(), modified, length: metadata.len() })
}

/// Writes a complete file beside the wanted one and links it into place, which fails if another
/// process was first: a half-written key file never bears the name.
pub(crate) fn create(path: &Path, text: &[u8]) -> Result<(), VaultError> {
    let draft = format!(".keys-{}", uuid::Uuid::new_v4());
    put(path, text, &draft, |draft| match fs::hard_link(draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    })
}

/// Changes the key file. Of two processes that do so at once the second one waits for the first.
pub(crate) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut Keyring) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    let failed = |error: std::io::Error| file_error(path, &format!("cannot be locked: {error}"));
    let lock = path.with_extension("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock);
    let lock = lock.map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut ring = open(path)?;
    let done = change(&mut ring)?;
    replace(path, &ring.text()?)?;
    Ok(done)
}

/// Writes a file that only its owner reads, in the place of one that may be there. For the holder of the lock alone.
fn replace(path: &Path, text: &[u8]) -> Result<(), VaultError> {
    put(path, text, NEXT, |draft| fs::rename(draft, path))
}

fn put(
    path: &Path,
    text: &[u8],
    draft: &str,
    place: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), VaultError> {
    let failed = |error: std::io::Error| file_error(path, &format!("cannot be written: {error}"));
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
    let draft = directory.join(draft);
    let written = write_draft(&draft, text)
        .and_then(|()| place(&draft))
        .and_then(|()| File::open(&directory)?.sync_all());
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
    .map_err(failed)
}

fn write_draft(draft: &Path, text: &[u8]) -> std::io::Result<()> {
    // What a process left that was killed must neither stay nor be in the way.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    file.sync_all()
}

fn file_error(path: &Path, reason: &str) -> VaultError {
    VaultError::File { path: path.to_owned(), reason: reason.to_owned() }
}
