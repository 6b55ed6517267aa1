//! The file with the passwords of NetRaven's roles, for one database server.

use super::{Role, RolePrefix, password};
use crate::StoreError;
use netraven_model::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;
use uuid::Uuid;

/// The passwords of the roles on one server. `Debug` shows none.
#[derive(Clone, Debug)]
pub struct Logins {
    server: String,
    prefix: RolePrefix,
    passwords: BTreeMap<Role, Secret>,
}

/// Why the passwords are not to be had.
#[derive(Debug, Error)]
pub enum LoginsError {
    /// The file cannot be read or written.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others than its owner may read the file.
    #[error(
        "{path} has mode {mode:04o}, expected 0600: others could read the database passwords in it; set `chmod 600` on it"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is something else.
    #[error(
        "{path} is not a file of database logins: {reason}; put your copy there, or move it away and make new passwords with `netraven db init --new-passwords`"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: &'static str,
    },
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    server: String,
    prefix: String,
    passwords: BTreeMap<Role, String>,
}

impl Logins {
    /// New passwords for all roles that log in.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub fn generate(server: impl Into<String>, prefix: RolePrefix) -> Result<Self, StoreError> {
        let passwords = Role::services().map(|role| Ok((role, password::generate()?)));
        Ok(Self { server: server.into(), prefix, passwords: passwords.collect::<Result<_, StoreError>>()? })
    }

    /// Reads the file; `None` where there is none. A role may be missing: it was withheld, or came with a later release.
    ///
    /// # Errors
    /// A file that cannot be read, that others may read, or that is something else.
    pub fn load(path: &Path) -> Result<Option<Self>, LoginsError> {
        let io = |operation| move |source| LoginsError::Io { operation, path: path.to_owned(), source };
        let text = match std::fs::read(path) {
            Ok(text) => Secret::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("read")(error)),
        };
        let mode = std::fs::metadata(path).map_err(io("look at"))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(LoginsError::Permissions { path: path.to_owned(), mode });
        }
        let malformed = |reason| LoginsError::Malformed { path: path.to_owned(), reason };
        // The parser's own message may quote what it read.
        let stored: Stored = serde_json::from_slice(text.expose_bytes())
            .map_err(|_| malformed("expected JSON with `server`, `prefix` and `passwords`"))?;
        let prefix = RolePrefix::new(&stored.prefix).map_err(|_| malformed("its prefix cannot be used"))?;
        if stored.passwords.is_empty() || stored.passwords.values().any(String::is_empty) {
            return Err(malformed("a role has an empty password, or there is no role"));
        }
        let passwords = stored.passwords.into_iter().map(|(role, password)| (role, Secret::from(password)));
        Ok(Some(Self { server: stored.server, prefix, passwords: passwords.collect() }))
    }

    /// New passwords for those of `roles` that have none here: what an earlier release did not know. Whether there were any.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub fn complete(&mut self, roles: impl Iterator<Item = Role>) -> Result<bool, StoreError> {
        let before = self.passwords.len();
        for role in roles {
            if let Entry::Vacant(vacant) = self.passwords.entry(role) {
                vacant.insert(password::generate()?);
            }
        }
        Ok(self.passwords.len() > before)
    }

    /// Writes the file durably, readable for its owner alone. With `replace` in the place of one that was there;
    /// without, a file that somebody else made first stays and `false` comes back.
    ///
    /// # Errors
    /// [`LoginsError::Io`].
    pub fn save(&self, path: &Path, replace: bool) -> Result<bool, LoginsError> {
        let io = |operation| move |source| LoginsError::Io { operation, path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("make the folder of"))?;
        let passwords = self.passwords.iter().map(|(role, secret)| (*role, reveal(secret).to_owned()));
        let (server, prefix) = (self.server.clone(), self.prefix.as_str().to_owned());
        let stored = Stored { server, prefix, passwords: passwords.collect() };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| io("write")(error.into()))?;
        let text = Secret::new(text);
        let draft = folder.join(format!(".logins-{}", Uuid::new_v4()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(text.expose_bytes())?;
            file.sync_all()
        };
        let placed = write().and_then(|()| match replace {
            true => std::fs::rename(&draft, path).map(|()| true),
            // A link fails where a rename would replace what another process has just made.
            false => match std::fs::hard_link(&draft, path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                linked => linked.map(|()| true),
            },
        });
        // After a rename there is nothing to remove.
        let _ = std::fs::remove_file(&draft);
        let placed = placed.map_err(io("write"))?;
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("write the folder of"))?;
        Ok(placed)
    }

    /// The server and database they are for, as `host:port/database`, or `private`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What the roles' names begin with.
    pub fn prefix(&self) -> &RolePrefix {
        &self.prefix
    }

    /// User name and password of a role; `None` for the owner and for one that is not in the file.
    pub fn login(&self, role: Role) -> Option<(String, &Secret)> {
        Some((self.prefix.role_name(role), self.passwords.get(&role)?))
    }
}

fn reveal(secret: &Secret) -> &str {
    secret.expose_text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn logins() -> Logins {
        Logins::generate("db.example:5432/netraven", RolePrefix::default()).unwrap()
    }

    fn shown(logins: &Logins, role: Role) -> (String, String) {
        let (user, password) = logins.login(role).unwrap();
        (user, reveal(password).to_owned())
    }

    #[test]
    fn what_was_saved_is_loaded_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/database.json");
        assert!(Logins::load(&path).unwrap().is_none());
        let (first, second) = (logins(), logins());
        assert!(first.save(&path, false).unwrap());
        assert!(!second.save(&path, false).unwrap(), "the first one stays");
        let read = Logins::load(&path).unwrap().unwrap();
        assert_eq!((read.server(), read.prefix()), (first.server(), first.prefix()));
        for role in Role::services() {
            assert_eq!(shown(&read, role), shown(&first, role));
        }
        assert!(read.login(Role::Owner).is_none());
        assert!(second.save(&path, true).unwrap());
        let read = Logins::load(&path).unwrap().unwrap();
        assert_eq!(shown(&read, Role::Api), shown(&second, Role::Api));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_refused_without_being_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.json");
        logins().save(&path, false).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Logins::load(&path), Err(LoginsError::Permissions { mode: 0o640, .. })));
        for text in
            ["", "{}", r#"{"server":"x","prefix":"n","passwords":{"api":"canary","gateway":""}}"#, "canary"]
        {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let error = Logins::load(&path).unwrap_err();
            assert!(matches!(error, LoginsError::Malformed { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_file_without_some_roles_is_completed_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.json");
        logins().save(&path, false).unwrap();
        let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file["passwords"].as_object_mut().unwrap().remove("revealer").unwrap();
        std::fs::write(&path, file.to_string()).unwrap();
        let mut read = Logins::load(&path).unwrap().unwrap();
        assert!(read.login(Role::Revealer).is_none());
        let api = shown(&read, Role::Api);
        assert!(read.complete(Role::services()).unwrap() && !read.complete(Role::services()).unwrap());
        assert_eq!(shown(&read, Role::Api), api);
        assert!(read.login(Role::Revealer).is_some());
    }

    #[test]
    fn debug_output_shows_no_password() {
        let logins = logins();
        let (_, password) = logins.login(Role::Api).unwrap();
        assert!(!format!("{logins:?}").contains(reveal(password)));
    }
}
