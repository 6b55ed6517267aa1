//! Rows on disk while the database is away. One record per row: length, checksum, the row as JSON.
//!
//! The file only grows until all of it has been replayed; then it is emptied. A crash costs at most what was not synced, and
//! rows that had been replayed are replayed again.

use super::entry::Entry;
use netraven_model::Hash256;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Length (4 bytes, big endian) and the first bytes of the SHA-256 of what follows.
const HEADER: usize = 12;
/// A record beyond this is none.
const MAX_RECORD: usize = 4 << 20;

/// Why a spool cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("the spool {} is used by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The system will not have it.
    #[error("the spool {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file and where in it the records are.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    limit: u64,
    /// The first record that was not replayed.
    head: u64,
    /// Behind the last record.
    end: u64,
    rows: u64,
    unsynced: bool,
    /// A record could not be written or taken back: nothing more is written before the file is empty.
    broken: bool,
}

/// Some records.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) entries: Vec<Entry>,
    /// Rows in them, those that cannot be understood included.
    pub(super) rows: u64,
    end: u64,
}

impl Spool {
    /// Opens or makes the file; also whether the end of it was damaged and is gone, as after a crash.
    pub(super) fn open(path: &Path, limit: u64) -> Result<(Self, bool), SpoolError> {
        let failed = |source| SpoolError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // One that was restored from somewhere may be readable by others.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut spool = Self {
            path: path.to_owned(),
            file,
            limit,
            head: 0,
            end: size,
            rows: 0,
            unsynced: false,
            broken: false,
        };
        let mut at = 0;
        while let Some((_, next)) = spool.record(at).map_err(failed)? {
            (at, spool.rows) = (next, spool.rows + 1);
        }
        spool.end = at;
        spool.file.set_len(at).and_then(|()| spool.file.sync_all()).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        if at < size {
            tracing::warn!(spool = %path.display(), bytes = size - at, rows = spool.rows, "the end of the spool is damaged, as after a crash; it was cut off, the rows before it are kept");
        }
        Ok((spool, at < size))
    }

    /// Rows that wait in it.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends rows in order, and answers how many it took.
    pub(super) fn append(&mut self, entries: &[Entry]) -> usize {
        let (mut bytes, mut kept) = (Vec::new(), 0);
        for entry in entries {
            let Ok(json) = serde_json::to_vec(entry) else { break };
            if json.len() > MAX_RECORD {
                continue;
            }
            let room = self.limit.saturating_sub(self.end + bytes.len() as u64);
            if self.broken || (HEADER + json.len()) as u64 > room {
                break;
            }
            bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&checksum(&json));
            bytes.extend_from_slice(&json);
            kept += 1;
        }
        if kept == 0 {
            return 0;
        }
        if let Err(error) = self.file.write_all_at(&bytes, self.end) {
            // Half a record in the middle would hide all that come behind it.
            self.broken = self.file.set_len(self.end).is_err();
            tracing::error!(spool = %self.path.display(), %error, "the spool cannot be written");
            return 0;
        }
        self.end += bytes.len() as u64;
        self.rows += kept as u64;
        self.unsynced = true;
        kept
    }

    /// The file, where something in it has not reached the disk. Syncing takes its time and needs no lock.
    pub(super) fn take_unsynced(&mut self) -> Option<io::Result<File>> {
        std::mem::take(&mut self.unsynced).then(|| self.file.try_clone())
    }

    /// The file, to be synced whatever others do about it meanwhile.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The oldest records, up to so many rows and about so many bytes.
    pub(super) fn oldest(&self, rows: usize, bytes: u64) -> io::Result<Records> {
        let mut records = Records { entries: Vec::new(), rows: 0, end: self.head };
        while records.rows < rows as u64 && records.end - self.head < bytes {
            let Some((json, next)) = self.record(records.end)? else { break };
            match serde_json::from_slice(&json) {
                Ok(entry) => records.entries.push(entry),
                Err(error) => {
                    tracing::warn!(%error, "a row of the spool is of another release and cannot be understood")
                }
            }
            (records.end, records.rows) = (next, records.rows + 1);
        }
        Ok(records)
    }

    /// These are in the database.
    pub(super) fn done(&mut self, records: &Records) -> io::Result<()> {
        self.head = records.end;
        self.rows -= records.rows;
        if self.rows > 0 {
            return Ok(());
        }
        (self.head, self.end) = (0, 0);
        self.file.set_len(0)?;
        self.broken = false;
        Ok(())
    }

    /// What cannot be read any more is lost: the number of rows.
    pub(super) fn give_up(&mut self) -> u64 {
        let lost = std::mem::take(&mut self.rows);
        (self.head, self.end) = (0, 0);
        self.broken = self.file.set_len(0).is_err();
        lost
    }

    /// The record at a place, and where the next one is; `None` where there is no whole one.
    fn record(&self, at: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let mut header = [0; HEADER];
        if at + HEADER as u64 > self.end {
            return Ok(None);
        }
        self.file.read_exact_at(&mut header, at)?;
        let [a, b, c, d, sum @ ..] = header;
        let length = u32::from_be_bytes([a, b, c, d]);
        let next = at + HEADER as u64 + u64::from(length);
        if length as usize > MAX_RECORD || next > self.end {
            return Ok(None);
        }
        let mut json = vec![0; length as usize];
        self.file.read_exact_at(&mut json, at + HEADER as u64)?;
        Ok((checksum(&json) == sum).then_some((json, next)))
    }
}

fn checksum(bytes: &[u8]) -> [u8; HEADER - 4] {
    let [a, b, c, d, e, f, g, h, ..] = Hash256::sha256(bytes).0;
    [a, b, c, d, e, f, g, h]
}

/// A new file is there after a crash only when its folder has reached the disk, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
