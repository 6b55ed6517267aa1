//! File locks: who uses the cluster, and who may start or stop it right now.
//!
//! The kernel drops a lock when its process ends, however it ends, so that a killed NetRaven is
//! never counted as a user.

use super::deadline::Deadline;
use super::error::PrivateError;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A held lock; dropping it gives it back.
pub(super) struct FileLock {
    file: File,
}

impl FileLock {
    /// Waits until nobody else holds the lock.
    pub(super) async fn exclusive(path: &Path, deadline: &Deadline) -> Result<Self, PrivateError> {
        Self::wait(path, deadline, File::try_lock).await
    }

    /// Waits until nobody holds the lock exclusively.
    pub(super) async fn shared(path: &Path, deadline: &Deadline) -> Result<Self, PrivateError> {
        Self::wait(path, deadline, File::try_lock_shared).await
    }

    /// The exclusive lock if it is free at this moment.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, PrivateError> {
        let file = open(path)?;
        Ok(attempt(&file, File::try_lock, path)?.then_some(Self { file }))
    }

    /// Turns a lock of either kind into an exclusive one, if no other process holds it. Gives the
    /// lock back in any case when it is not granted.
    pub(super) fn upgrade(self, path: &Path) -> Result<Option<Self>, PrivateError> {
        Ok(attempt(&self.file, File::try_lock, path)?.then_some(self))
    }

    async fn wait(
        path: &Path,
        deadline: &Deadline,
        take: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, PrivateError> {
        let file = open(path)?;
        let outcome = deadline
            .poll(|| match attempt(&file, take, path) {
                Ok(true) => Some(Ok(())),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            })
            .await;
        match outcome {
            Some(Ok(())) => Ok(Self { file }),
            Some(Err(error)) => Err(error),
            None => Err(PrivateError::Locked { path: path.to_path_buf(), waited: deadline.limit() }),
        }
    }
}

impl Drop for FileLock {
    /// Unlocks explicitly: closing the file would not do while a program that is just being
    /// started still holds a copy of its descriptor.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "file lock not given back explicitly");
        }
    }
}

fn open(path: &Path) -> Result<File, PrivateError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(PrivateError::io("open the lock file", path))
}

fn attempt(
    file: &File,
    take: fn(&File) -> Result<(), TryLockError>,
    path: &Path,
) -> Result<bool, PrivateError> {
    match take(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(PrivateError::io("lock", path)(error)),
    }
}
