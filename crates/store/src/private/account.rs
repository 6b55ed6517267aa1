//! The operating system's user who runs the server: an unprivileged one when NetRaven is root,
//! else NetRaven's own.

use super::error::PrivateError;
use nix::unistd::{Gid, Uid, User};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Users tried, in this order, when NetRaven is root and none is configured.
const CANDIDATES: [&str; 3] = ["postgres", "netraven", "nobody"];

/// The user who runs PostgreSQL's programs.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether programs must be started as somebody else than we are.
    switch: bool,
}

impl Account {
    /// Whether this process is root, whom PostgreSQL refuses.
    pub(super) fn is_root() -> bool {
        Uid::effective().is_root()
    }

    /// Decides who runs the server. A cluster that exists is run by its owner, so that a
    /// changed order of candidates never locks anybody out of their data.
    pub(crate) fn choose(configured: Option<&str>, cluster: &Path) -> Result<Self, PrivateError> {
        if !Self::is_root() {
            let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
            return Ok(Self { name: user_name(uid), uid, gid, switch: false });
        }
        let owner = std::fs::symlink_metadata(cluster).ok().map(|found| found.uid()).filter(|&uid| uid != 0);
        let user = match (configured, owner) {
            (Some(name), _) => look_up(name),
            (None, Some(uid)) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
            (None, None) => CANDIDATES.iter().find_map(|name| look_up(name)),
        };
        match user.filter(|user| !user.uid.is_root()) {
            Some(user) => {
                Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch: true })
            }
            None => Err(PrivateError::NoAccount {
                tried: configured.map_or_else(|| CANDIDATES.join(", "), str::to_owned),
            }),
        }
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// A command that runs `program` as this user, with a bare environment (nothing of ours, such
    /// as keys or `PG*` variables, reaches it) and outside the terminal's process group, so that
    /// Ctrl-C reaches only NetRaven, which then stops the server in order.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").process_group(0);
        if self.switch {
            command.gid(self.gid).uid(self.uid);
        }
        command
    }

    /// Gives a file or directory that we just made to this user.
    pub(crate) fn take_over(&self, path: &Path) -> Result<(), PrivateError> {
        if self.switch {
            lchown(path, Some(self.uid), Some(self.gid))
                .map_err(PrivateError::io("change the owner of", path))?;
        }
        Ok(())
    }

    /// Refuses anything but a real directory that belongs to this user and grants others nothing
    /// beyond `allowed`.
    pub(super) fn check_private_directory(&self, path: &Path, allowed: u32) -> Result<(), PrivateError> {
        let found = std::fs::symlink_metadata(path).map_err(PrivateError::io("look at", path))?;
        if !found.is_dir() {
            return Err(PrivateError::NotADirectory { path: path.to_path_buf() });
        }
        if found.uid() != self.uid {
            return Err(self.wrong_owner(path, &found));
        }
        let mode = found.mode() & 0o7777;
        if mode & 0o777 & !allowed != 0 {
            return Err(PrivateError::Permissions { path: path.to_path_buf(), mode, wanted: 0o700 });
        }
        Ok(())
    }

    /// Names the directory that bars this user's way to `path`, when a program could not be
    /// started for lack of permission; other errors stay as they are.
    pub(super) fn explain(&self, error: PrivateError, path: &Path) -> PrivateError {
        let denied =
            matches!(&error, PrivateError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied);
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        match way.into_iter().find(|directory| !self.may_enter(directory)) {
            Some(directory) if denied && self.switch => {
                PrivateError::NotTraversable { directory: directory.to_path_buf(), user: self.name.clone() }
            }
            _ => error,
        }
    }

    fn may_enter(&self, directory: &Path) -> bool {
        let Ok(found) = std::fs::metadata(directory) else { return false };
        let bit = match found {
            _ if found.uid() == self.uid => 0o100,
            _ if found.gid() == self.gid => 0o010,
            _ => 0o001,
        };
        found.mode() & bit != 0
    }

    fn wrong_owner(&self, path: &Path, found: &Metadata) -> PrivateError {
        let hint = if self.switch {
            format!("set `chown -R {}` on it, or name its owner as the user who runs PostgreSQL", self.name)
        } else {
            "run NetRaven as that user, or choose another data directory".to_owned()
        };
        PrivateError::WrongOwner {
            path: PathBuf::from(path),
            owner: user_name(found.uid()),
            expected: self.name.clone(),
            hint,
        }
    }
}

fn look_up(name: &str) -> Option<User> {
    User::from_name(name).ok().flatten()
}

fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
