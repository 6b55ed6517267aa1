//! Where everything lies below the data directory.

use super::account::Account;
use super::error::PrivateError;
use aws_lc_rs::digest::{SHA256, digest};
use std::fs::{DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, without the closing NUL (unix(7)).
const SOCKET_PATH_LIMIT: usize = 107;
/// Longest name PostgreSQL gives its socket inside the directory.
const SOCKET_NAME: &str = "/.s.PGSQL.65535";

/// The paths below one data directory. The directory itself, its locks, passwords, server
/// configuration and log belong to NetRaven's user; only the clusters and the socket's directory
/// are given to the user who runs the server.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the data directory if it is missing. As root it may be entered (not listed) by
    /// others, since the server's user must reach the cluster in it.
    pub(super) fn open(data_dir: &Path) -> Result<Self, PrivateError> {
        let mode = if Account::is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(data_dir)
            .map_err(PrivateError::io("create the data directory", data_dir))?;
        let root = data_dir.canonicalize().map_err(PrivateError::io("resolve", data_dir))?;
        match root.to_str() {
            Some(text) if !text.chars().any(char::is_control) => Ok(Self { root }),
            _ => Err(PrivateError::Setting {
                setting: "data_dir",
                problem: format!("{} contains characters other than printable UTF-8", root.display()),
            }),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The cluster in use.
    pub(super) fn cluster(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// A cluster being built; never usable, removed by the next start.
    pub(super) fn building(&self) -> PathBuf {
        self.root.join("postgres.new")
    }

    /// A complete upgraded cluster about to take the current one's place.
    pub(super) fn upgraded(&self) -> PathBuf {
        self.root.join("postgres.upgraded")
    }

    /// The cluster that an upgrade left behind.
    pub(super) fn kept(&self, major: u32) -> PathBuf {
        self.root.join(format!("postgres.old-{major}"))
    }

    /// Any cluster left behind by an upgrade.
    pub(super) fn any_kept(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(&self.root).ok()?;
        let mut names = entries.flatten().map(|entry| entry.path());
        names.find(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"postgres.old-")))
    }

    pub(super) fn secret_file(&self) -> PathBuf {
        self.root.join("postgres.secret")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.root.join("postgres.initdb-password")
    }

    /// The server's configuration. It lies outside the cluster, which belongs to the server's
    /// user: root must not write where somebody else could have laid a symbolic link.
    pub(super) fn config_file(&self) -> PathBuf {
        self.root.join("postgres.conf")
    }

    /// The configuration of the second server that runs during an upgrade.
    pub(super) fn building_config_file(&self) -> PathBuf {
        self.root.join("postgres.new.conf")
    }

    pub(super) fn cluster_lock(&self) -> PathBuf {
        self.root.join("cluster.lock")
    }

    pub(super) fn users_lock(&self) -> PathBuf {
        self.root.join("users.lock")
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.root.join("log").join("postgres.log")
    }

    /// The directory of the Unix socket: inside the data directory, or, when that path is too long
    /// for a socket, one named by a digest of the data directory in the user's runtime directory
    /// or `/tmp`.
    pub(super) fn socket_dir(&self, account: &Account) -> PathBuf {
        let inside = self.root.join("run");
        if inside.as_os_str().len() + SOCKET_NAME.len() <= SOCKET_PATH_LIMIT {
            return inside;
        }
        let hash = digest(&SHA256, self.root.as_os_str().as_bytes());
        let name: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        match runtime.filter(|dir| !Account::is_root() && dir.is_absolute() && dir.as_os_str().len() < 64) {
            Some(dir) => dir.join(format!("netraven-{name}")),
            None => Path::new("/tmp").join(format!("netraven-{}-{name}", account.uid())),
        }
    }

    /// Makes sure the socket's directory exists, belongs to the server's user and is closed to
    /// everybody else. In `/tmp` anyone could have made it first: a symbolic link or a directory of
    /// somebody else's is refused.
    pub(super) fn prepare_socket_dir(&self, account: &Account) -> Result<PathBuf, PrivateError> {
        let path = self.socket_dir(account);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => account.take_over(&path)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(PrivateError::io("create", &path)(error)),
        }
        account.check_private_directory(&path, 0o700)?;
        Ok(path)
    }

    /// Makes an empty directory that belongs to the server's user.
    pub(super) fn make_cluster_dir(&self, path: &Path, account: &Account) -> Result<(), PrivateError> {
        DirBuilder::new().mode(0o700).create(path).map_err(PrivateError::io("create", path))?;
        account.take_over(path)
    }

    /// Removes a directory with all that is in it; one that is not there is fine.
    pub(super) fn remove_dir(&self, path: &Path) -> Result<(), PrivateError> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(PrivateError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Renames within the data directory and makes the new name survive a power failure.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), PrivateError> {
        std::fs::rename(from, to).map_err(PrivateError::io("rename", from))?;
        self.sync()
    }

    /// Makes the data directory's entries durable.
    pub(super) fn sync(&self) -> Result<(), PrivateError> {
        File::open(&self.root).and_then(|dir| dir.sync_all()).map_err(PrivateError::io("sync", &self.root))
    }
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), PrivateError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PrivateError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The major version that wrote a cluster, from its `PG_VERSION`; `None` when there is no cluster.
pub(super) fn cluster_major(cluster: &Path) -> Result<Option<u32>, PrivateError> {
    let file = cluster.join("PG_VERSION");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return missing_or_broken(cluster, &file);
        }
        Err(error) => return Err(PrivateError::io("read", &file)(error)),
    };
    match text.trim().parse() {
        Ok(major) => Ok(Some(major)),
        Err(_) => Err(not_a_cluster(cluster, format!("PG_VERSION says {:?}", text.trim()))),
    }
}

fn missing_or_broken(cluster: &Path, file: &Path) -> Result<Option<u32>, PrivateError> {
    match std::fs::symlink_metadata(cluster) {
        Ok(found) if found.is_dir() => Err(not_a_cluster(cluster, format!("{} is missing", file.display()))),
        Ok(_) => Err(PrivateError::NotADirectory { path: cluster.to_path_buf() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PrivateError::io("look at", cluster)(error)),
    }
}

fn not_a_cluster(cluster: &Path, problem: String) -> PrivateError {
    let problem = format!(
        "{} is not a PostgreSQL cluster: {problem}. Restore it from a backup, or move it away to start empty",
        cluster.display()
    );
    PrivateError::Setting { setting: "data_dir", problem }
}
