//! A backup that was found on disk, checked as far as that goes without PostgreSQL.

use super::error::BackupError;
use super::manifest::{self, Manifest};
use aws_lc_rs::digest::{Context, SHA256};
use netraven_model::Hash256;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// How much of a file is read at once.
const CHUNK: usize = 256 << 10;

/// A dump with its manifest. The file stays open, so that what was checked is what is restored.
pub(super) struct Archive {
    pub(super) manifest: Manifest,
    pub(super) path: PathBuf,
    file: File,
}

impl Archive {
    /// Opens both files. The manifest must be as it was written, the dump as the manifest says, and the schema one that
    /// this release knows.
    pub(super) async fn open(file: &Path) -> Result<Self, BackupError> {
        // Whoever names the manifest means its dump.
        let is_manifest = file.extension() == Some("json".as_ref());
        let path = if is_manifest { file.with_extension("dump") } else { file.to_owned() };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BackupError::Missing { path }),
            Err(error) => return Err(BackupError::io("read", &path)(error)),
        };
        let manifest = Manifest::read(&manifest::beside(&path))?;
        let (found, known) = (manifest.schema_version, crate::schema::newest());
        if found > known {
            let release = manifest.netraven;
            return Err(BackupError::SchemaTooNew { found, known, release });
        }
        let size = file.metadata().map_err(BackupError::io("look at", &path))?.len();
        if size != manifest.size_bytes {
            let reason = format!("it has {size} bytes, the manifest says {}", manifest.size_bytes);
            return Err(BackupError::damaged(&path, reason));
        }
        let archive = Self { manifest, path, file };
        let found = hash(archive.reader()?, &archive.path).await?;
        if found != archive.manifest.sha256 {
            let reason = format!("its SHA-256 is {found}, the manifest says {}", archive.manifest.sha256);
            return Err(BackupError::damaged(&archive.path, reason));
        }
        Ok(archive)
    }

    /// The dump from its first byte on. All readers share one position: one after the other.
    pub(super) fn reader(&self) -> Result<File, BackupError> {
        let again = self.file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        again.map_err(BackupError::io("read", &self.path))
    }
}

/// SHA-256 of a file from where it stands to its end, in hexadecimal digits.
pub(super) async fn hash(mut file: File, path: &Path) -> Result<String, BackupError> {
    let hashed = spawn_blocking(move || {
        let (mut context, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK]);
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(context.finish()),
                Ok(read) => context.update(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    });
    let digest = match hashed.await {
        Ok(digest) => digest.map_err(BackupError::io("read", path))?,
        Err(error) => return Err(BackupError::io("read", path)(error.into())),
    };
    Ok(Hash256::from_slice(digest.as_ref()).map(|hash| hash.to_string()).unwrap_or_default())
}
