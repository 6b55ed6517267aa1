//! Finding `pg_dump` and `pg_restore`. They come with the client's packages, so that a machine without PostgreSQL's
//! server may have them.

use super::client;
use super::error::BackupError;
use crate::private::{major_of, usual_directories};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// Printing a version takes milliseconds; this only guards against a program that hangs.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// One program that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) major: u32,
}

/// The program in a major version that is at least `least`, and as near as possible to `preferred`: a dump made by a
/// newer `pg_dump` than needed may not be readable where it is wanted.
pub(super) async fn find(
    name: &'static str,
    configured: Option<&Path>,
    least: u32,
    preferred: u32,
) -> Result<Program, BackupError> {
    let directories = configured.map(Path::to_owned).into_iter().chain(usual_directories());
    choose(name, search(name, directories).await, least, preferred)
}

fn choose(
    name: &'static str,
    found: Vec<Program>,
    least: u32,
    preferred: u32,
) -> Result<Program, BackupError> {
    let fitting = found.iter().filter(|program| program.major >= least);
    match fitting.min_by_key(|program| (program.major < preferred, program.major.abs_diff(preferred))) {
        Some(program) => Ok(program.clone()),
        None => Err(BackupError::NoProgram {
            program: name,
            needed: least,
            found: found.into_iter().map(|program| (program.path, program.major)).collect(),
        }),
    }
}

async fn search(name: &'static str, directories: impl Iterator<Item = PathBuf>) -> Vec<Program> {
    let mut found: Vec<Program> = Vec::new();
    for directory in directories {
        // Debian's /usr/bin/pg_dump is a script that chooses a version by itself; the real ones are found elsewhere.
        let real = directory.join(name).canonicalize().ok();
        let Some(path) = real.filter(|path| path.is_file() && path.file_name() == Some(name.as_ref())) else {
            continue;
        };
        if found.iter().any(|known| known.path == path) {
            continue;
        }
        match version(&path).await {
            Some(major) => found.push(Program { name, path, major }),
            None => tracing::warn!(program = %path.display(), "does not tell its version and is not used"),
        }
    }
    found
}

async fn version(path: &Path) -> Option<u32> {
    let mut command = client::bare(path);
    command.arg("--version");
    let output = timeout(VERSION_LIMIT, command.output()).await.ok()?.ok()?;
    major_of(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A folder with a `pg_dump` that only tells a version.
    fn pretend(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pg_dump");
        std::fs::write(&path, format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    async fn found(folders: &[&tempfile::TempDir]) -> Vec<Program> {
        search("pg_dump", folders.iter().map(|folder| folder.path().to_owned())).await
    }

    #[tokio::test]
    async fn the_nearest_version_that_is_not_too_old_is_taken() {
        let (old, same, newer) = (pretend("14.2"), pretend("15.18 (Debian 15.18-0)"), pretend("17beta1"));
        let found = found(&[&old, &newer, &same]).await;
        for (least, preferred, expected) in [(15, 15, 15), (14, 14, 14), (16, 16, 17), (14, 17, 17)] {
            let chosen = choose("pg_dump", found.clone(), least, preferred).unwrap();
            assert_eq!(chosen.major, expected, "{least} {preferred}");
        }
    }

    #[tokio::test]
    async fn too_old_and_missing_programs_are_errors_that_name_versions_and_package() {
        let old = pretend("14.2");
        let error = choose("pg_dump", found(&[&old]).await, 16, 16).unwrap_err().to_string();
        assert!(error.contains("pg_dump of PostgreSQL 16 or newer is needed and only 14 ("), "{error}");
        assert!(error.contains(old.path().canonicalize().unwrap().to_str().unwrap()), "{error}");
        assert!(error.contains("postgresql-client-16"), "{error}");

        let nothing = tempfile::tempdir().unwrap();
        let error = choose("pg_dump", found(&[&nothing]).await, 16, 16).unwrap_err().to_string();
        assert!(error.contains("and none was found; install it"), "{error}");
    }

    #[tokio::test]
    async fn links_are_followed_and_scripts_under_other_names_are_left_alone() {
        let (real, folder) = (pretend("15.1"), tempfile::tempdir().unwrap());
        symlink(real.path().join("pg_dump"), folder.path().join("pg_dump")).unwrap();
        assert_eq!(found(&[&folder, &real]).await.len(), 1);

        let (wrapped, wrapper) = (tempfile::tempdir().unwrap(), pretend("15.1"));
        let script = wrapper.path().join("pg_wrapper");
        std::fs::rename(wrapper.path().join("pg_dump"), &script).unwrap();
        symlink(script, wrapped.path().join("pg_dump")).unwrap();
        assert_eq!(found(&[&wrapped]).await, []);
    }
}
