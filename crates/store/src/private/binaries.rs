//! Finding PostgreSQL's programs on the machine.

use super::deadline::Deadline;
use super::error::PrivateError;
use super::tool;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Programs without which there is no server.
const SERVER_PROGRAMS: [&str; 2] = ["postgres", "initdb"];
/// Directories below which packages put one directory per major version, and the rest of the path.
const VERSIONED: [(&str, &str, &str); 2] = [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")];
/// Where an installation from source puts its programs.
const FROM_SOURCE: &str = "/usr/local/pgsql/bin";
/// The oldest major version whose features the schema may use.
pub(super) const OLDEST_MAJOR: u32 = 14;
/// Printing a version takes milliseconds; this only guards against a program that hangs.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// A directory with the server programs of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Fails, naming them, if programs beyond the server's own are missing.
    pub(super) fn require(&self, programs: &[&str]) -> Result<(), PrivateError> {
        let missing: Vec<&str> =
            programs.iter().copied().filter(|name| !self.program(name).is_file()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(PrivateError::UnusableBinaries {
            directory: self.directory.clone(),
            problem: format!(
                "{} missing (Debian, Ubuntu: `apt-get install postgresql-client-{}`)",
                missing.join(", "),
                self.major
            ),
        })
    }
}

/// All server programs that can be had, the preferred ones first.
pub(crate) struct Available {
    found: Vec<Binaries>,
    searched: Vec<PathBuf>,
}

impl Available {
    /// Looks at the configured directory, then at PATH, then where packages install, newest
    /// version first. A configured directory that does not work is an error: what was asked for is
    /// not silently replaced.
    pub(crate) async fn search(configured: Option<&Path>) -> Result<Self, PrivateError> {
        let mut found = Vec::new();
        let mut searched = Vec::new();
        if let Some(directory) = configured {
            found.push(inspect_named(directory).await?);
            searched.push(directory.to_path_buf());
        }
        for directory in usual_directories() {
            if let Some(real) = directory_with_programs(&directory)
                && !found.iter().any(|known: &Binaries| known.directory == real)
            {
                match inspect(real.clone()).await {
                    Ok(binaries) => found.push(binaries),
                    Err(error) => {
                        tracing::warn!(directory = %real.display(), %error, "PostgreSQL programs unusable")
                    }
                }
            }
            searched.push(directory);
        }
        Ok(Self { found, searched })
    }

    /// The programs for a new cluster.
    pub(crate) fn newest(&self, configured: bool) -> Result<&Binaries, PrivateError> {
        let usable = self.found.iter().filter(|binaries| binaries.major >= OLDEST_MAJOR);
        let choice =
            if configured { self.found.first() } else { usable.max_by_key(|binaries| binaries.major) };
        choice.ok_or_else(|| PrivateError::NoBinaries {
            lacking: "postgres, initdb",
            searched: self.searched(),
        })
    }

    /// The programs of exactly this major version.
    pub(crate) fn of_major(&self, major: u32) -> Option<&Binaries> {
        self.found.iter().find(|binaries| binaries.major == major)
    }

    /// The major versions that were found, newest first.
    pub(super) fn majors(&self) -> Vec<u32> {
        let mut majors: Vec<u32> = self.found.iter().map(Binaries::major).collect();
        majors.sort_unstable_by(|a, b| b.cmp(a));
        majors.dedup();
        majors
    }

    fn searched(&self) -> Vec<PathBuf> {
        let mut searched = self.searched.clone();
        searched.extend(
            VERSIONED.map(|(root, prefix, bin)| Path::new(root).join(format!("{prefix}*")).join(bin)),
        );
        searched
    }
}

/// The programs in a directory that the settings name.
pub(super) async fn inspect_named(directory: &Path) -> Result<Binaries, PrivateError> {
    let missing: Vec<&str> =
        SERVER_PROGRAMS.into_iter().filter(|name| !directory.join(name).is_file()).collect();
    let unusable = |problem| PrivateError::UnusableBinaries { directory: directory.to_path_buf(), problem };
    if !missing.is_empty() {
        return Err(unusable(format!("{} missing", missing.join(" and "))));
    }
    let real = directory_with_programs(directory).unwrap_or_else(|| directory.to_path_buf());
    let binaries = inspect(real).await?;
    if binaries.major < OLDEST_MAJOR {
        return Err(unusable(format!("version {} is older than {OLDEST_MAJOR}", binaries.major)));
    }
    Ok(binaries)
}

async fn inspect(directory: PathBuf) -> Result<Binaries, PrivateError> {
    let mut command = Command::new(directory.join("postgres"));
    command.arg("--version").env_clear().env("LC_ALL", "C");
    let output = tool::run("postgres --version", command, b"", &Deadline::after(VERSION_LIMIT)).await?;
    let text = String::from_utf8_lossy(&output).trim().to_owned();
    match major_of(&text) {
        Some(major) => Ok(Binaries { directory, major }),
        None => Err(PrivateError::UnusableBinaries {
            directory,
            problem: format!("`postgres --version` answered {text:?}"),
        }),
    }
}

/// The major version out of `postgres (PostgreSQL) 15.18 (Debian ...)`, `... 19beta1`.
pub(crate) fn major_of(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

/// The real directory behind one that has all server programs, since distributions put symbolic
/// links to one version's programs on the PATH.
fn directory_with_programs(directory: &Path) -> Option<PathBuf> {
    let real = directory.join("postgres").canonicalize().ok()?.parent()?.to_path_buf();
    SERVER_PROGRAMS.into_iter().all(|name| real.join(name).is_file()).then_some(real)
}

/// Where programs of PostgreSQL's may be: PATH, then where packages install, newest version first.
pub(crate) fn usual_directories() -> impl Iterator<Item = PathBuf> {
    on_path(std::env::var_os("PATH")).into_iter().chain(installed())
}

fn on_path(path: Option<OsString>) -> Vec<PathBuf> {
    let path = path.unwrap_or_default();
    std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect()
}

/// Directories of packages and of an installation from source that exist, newest version first.
fn installed() -> Vec<PathBuf> {
    let mut directories: Vec<(u32, PathBuf)> = Vec::new();
    for (root, prefix, bin) in VERSIONED {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            directories.extend(version.map(|version| (version, entry.path().join(bin))));
        }
    }
    directories.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    directories.into_iter().map(|(_, directory)| directory).chain([PathBuf::from(FROM_SOURCE)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A directory with programs that only tell a version.
    fn pretend(version: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in SERVER_PROGRAMS {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        dir
    }

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of("postgres (PostgreSQL) 17"), Some(17));
        assert_eq!(major_of("postgres (PostgreSQL) devel"), None);
        assert_eq!(major_of("BusyBox v1.35"), None);
    }

    #[tokio::test]
    async fn a_configured_directory_wins_over_newer_programs_elsewhere() {
        let dir = pretend("postgres (PostgreSQL) 14.2");
        let available = Available::search(Some(dir.path())).await.unwrap();
        assert_eq!(available.newest(true).unwrap().major(), 14);
    }

    #[tokio::test]
    async fn a_configured_directory_without_programs_is_an_error_that_names_them() {
        let dir = tempfile::tempdir().unwrap();
        let error = Available::search(Some(dir.path())).await.err().unwrap().to_string();
        assert!(
            error.contains("postgres and initdb missing") && error.contains(dir.path().to_str().unwrap())
        );
    }

    #[tokio::test]
    async fn programs_that_are_too_old_or_something_else_are_refused() {
        for (version, complaint) in
            [("postgres (PostgreSQL) 9.6.24", "older than 14"), ("hello", "answered \"hello\"")]
        {
            let error = inspect_named(pretend(version).path()).await.unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn without_any_programs_the_error_says_what_to_install() {
        let none = Available { found: Vec::new(), searched: vec![PathBuf::from("/opt/nothing")] };
        let error = none.newest(false).unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql") && error.contains("/opt/nothing"), "{error}");
        assert!(error.contains("DATABASE_URL"), "{error}");
    }

    #[test]
    fn missing_client_programs_are_named() {
        let dir = pretend("postgres (PostgreSQL) 15.1");
        let binaries = Binaries { directory: dir.path().to_path_buf(), major: 15 };
        let error = binaries.require(&["initdb", "pg_dump", "psql"]).unwrap_err().to_string();
        assert!(error.contains("pg_dump, psql missing") && !error.contains("initdb,"), "{error}");
    }

    #[test]
    fn relative_directories_on_the_path_are_ignored() {
        assert_eq!(on_path(Some("bin:/opt/x/bin:".into())), [PathBuf::from("/opt/x/bin")]);
        assert!(on_path(None).is_empty());
    }
}
