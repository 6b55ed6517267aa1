//! The server's log file, kept within bounds.

use super::error::PrivateError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Size at which the log moves to `postgres.log.1`, replacing what was there.
const LIMIT: u64 = 8 << 20;
/// How much of the log an error shows.
const SHOWN: u64 = 4000;

/// Opens the log for appending, as the server's output, and gives its present length.
pub(super) fn open(path: &Path) -> Result<(File, u64), PrivateError> {
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(PrivateError::io("create", directory))?;
    }
    let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let file = open().map_err(PrivateError::io("open the log", path))?;
    let length = file.metadata().map_err(PrivateError::io("look at", path))?.len();
    Ok((file, length))
}

/// Copies a log that has grown too long aside and empties it. The server goes on writing to the
/// same file, which it has open for appending.
pub(super) fn bound(path: &Path) {
    let too_long = std::fs::metadata(path).is_ok_and(|found| found.len() > LIMIT);
    if too_long && let Err(error) = rotate(path) {
        tracing::warn!(log = %path.display(), %error, "PostgreSQL's log could not be shortened");
    }
}

fn rotate(path: &Path) -> std::io::Result<()> {
    std::fs::copy(path, path.with_extension("log.1"))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The end of what was written since the log was `from` bytes long.
pub(super) fn tail(path: &Path, from: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(SHOWN)).min(length)))?;
        let mut bytes = Vec::new();
        file.take(SHOWN).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.is_empty() => "(nothing was written)".to_owned(),
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_and_writing_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/postgres.log");
        let (mut file, length) = open(&path).unwrap();
        assert_eq!(length, 0);
        file.write_all(&vec![b'x'; usize::try_from(LIMIT).unwrap() + 1]).unwrap();
        bound(&path);
        file.write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(std::fs::metadata(dir.path().join("log/postgres.log.1")).unwrap().len(), LIMIT + 1);
    }

    #[test]
    fn a_short_log_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgres.log");
        open(&path).unwrap().0.write_all(b"line\n").unwrap();
        bound(&path);
        assert_eq!(tail(&path, 0), "line");
    }

    #[test]
    fn the_tail_starts_where_this_start_began() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgres.log");
        open(&path).unwrap().0.write_all(b"old\n").unwrap();
        let (mut file, from) = open(&path).unwrap();
        assert_eq!(tail(&path, from), "(nothing was written)");
        file.write_all(b"new\n").unwrap();
        assert_eq!(tail(&path, from), "new");
    }
}
