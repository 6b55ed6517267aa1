//! Checking a backup without a server.

use super::archive::Archive;
use super::client;
use super::copy::CopyCounter;
use super::error::BackupError;
use super::manifest::Manifest;
use super::programs;
use crate::setup::Progress;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncReadExt;

/// How much of `pg_restore`'s output is held at once.
const CHUNK: usize = 64 << 10;
/// How many differences an error names.
const SHOWN: usize = 5;

/// A backup that is good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The dump.
    pub dump: PathBuf,
    /// What the manifest says, all of which holds.
    pub manifest: Manifest,
}

/// Checks the manifest, size and checksum of the dump, that `pg_restore` can read it to its end, and that it holds the
/// rows that the manifest tells of. `progress` is told each step. `binaries` is searched for `pg_restore` before the
/// usual folders.
///
/// # Errors
/// What is wrong with the backup; or that this release, or the `pg_restore` of this machine, is too old for it.
pub async fn verify(
    file: &Path,
    binaries: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Verified, BackupError> {
    let archive = check(file, binaries, progress).await?;
    Ok(Verified { dump: archive.path, manifest: archive.manifest })
}

/// As [`verify`], and keeps the dump open.
pub(super) async fn check(
    file: &Path,
    binaries: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Archive, BackupError> {
    progress("checking the manifest and the checksum of the dump");
    let archive = Archive::open(file).await?;
    progress("reading the dump and counting its rows");
    let found = count(&archive, binaries).await?;
    match difference(&archive.manifest.rows, &found) {
        None => Ok(archive),
        Some(difference) => Err(BackupError::damaged(&archive.path, difference)),
    }
}

async fn count(archive: &Archive, binaries: Option<&Path>) -> Result<BTreeMap<String, u64>, BackupError> {
    let major = archive.manifest.pg_dump_major;
    let program = programs::find("pg_restore", binaries, major, major).await?;
    let mut command = client::bare(&program.path);
    command.args(["--format=custom", "--file=-"]).stdin(archive.reader()?).stdout(Stdio::piped());
    let mut child = client::spawn(&program, &mut command)?;
    let output = child.stdout.take();
    let read = async {
        let (mut counter, mut chunk) = (CopyCounter::default(), vec![0; CHUNK]);
        if let Some(mut output) = output {
            loop {
                match output.read(&mut chunk).await.map_err(BackupError::io("read", &archive.path))? {
                    0 => break,
                    read => counter.push(&chunk[..read]),
                }
            }
        }
        Ok(counter)
    };
    let ((), counter) = tokio::try_join!(client::finish(&program, child), read)?;
    counter.finish().map_err(|reason| BackupError::damaged(&archive.path, reason))
}

/// What differs between what the manifest says and what was found; `None` where nothing does.
pub(super) fn difference(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Option<String> {
    let mut differences: Vec<String> = Vec::new();
    for table in expected.keys().chain(found.keys().filter(|table| !expected.contains_key(*table))) {
        let rows = |counts: &BTreeMap<String, u64>| {
            counts.get(table).map_or_else(|| "is missing".to_owned(), |rows| format!("has {rows} rows"))
        };
        if expected.get(table) != found.get(table) {
            let (is, should) = (rows(found), rows(expected));
            differences.push(format!("table {table} {is} and {should} in the manifest"));
        }
    }
    let more = differences.len().saturating_sub(SHOWN);
    differences.truncate(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!differences.is_empty()).then(|| differences.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect()
    }

    #[test]
    fn differences_are_named_and_there_are_never_too_many_of_them() {
        let expected = counts(&[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(difference(&expected, &expected), None);
        assert_eq!(
            difference(&expected, &counts(&[("a", 1), ("b", 3), ("d", 4)])).unwrap(),
            "table b has 3 rows and has 2 rows in the manifest, table c is missing and has 3 rows in the manifest, \
             table d has 4 rows and is missing in the manifest"
        );
        let many: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|table| (table.as_str(), 1)).collect();
        assert!(difference(&counts(&many), &counts(&[])).unwrap().ends_with(" and 15 more"));
    }
}
