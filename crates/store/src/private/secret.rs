//! The passwords of the private cluster, generated once and kept in a file only NetRaven's user
//! can read.

use super::error::PrivateError;
use super::layout::{self, Layout};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use netraven_model::Secret;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Random bytes in a password: as many as an AES-256 key has.
const PASSWORD_BYTES: usize = 32;

/// The two passwords. `Debug` shows neither.
#[derive(Debug)]
pub(super) struct Passwords {
    pub(super) superuser: Secret,
    pub(super) application: Secret,
}

impl Passwords {
    /// Reads the file, or gives `None` when there is none.
    pub(super) fn load(layout: &Layout) -> Result<Option<Self>, PrivateError> {
        let path = layout.secret_file();
        let content = match std::fs::read_to_string(&path) {
            Ok(content) => Secret::from(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PrivateError::io("read", &path)(error)),
        };
        let mode = std::fs::metadata(&path).map_err(PrivateError::io("look at", &path))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(PrivateError::Permissions { path, mode, wanted: 0o600 });
        }
        let entry = |name: &'static str, problem| {
            let mut lines = reveal(&content).lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
            found
                .filter(|value| is_password(value))
                .map(Secret::from)
                .ok_or_else(|| PrivateError::SecretFile { path: path.clone(), problem })
        };
        Ok(Some(Self {
            superuser: entry("superuser", "the line `superuser = ...` is missing or damaged")?,
            application: entry("application", "the line `application = ...` is missing or damaged")?,
        }))
    }

    /// Generates two new passwords and stores them durably before anybody uses them.
    pub(super) fn create(layout: &Layout) -> Result<Self, PrivateError> {
        let passwords = Self { superuser: generate()?, application: generate()? };
        let content = Secret::from(format!(
            "# Passwords of NetRaven's private PostgreSQL. Whoever reads this can read the database.\n\
             superuser = {}\napplication = {}\n",
            reveal(&passwords.superuser),
            reveal(&passwords.application)
        ));
        let path = layout.secret_file();
        let draft = path.with_extension("secret.new");
        write_private(&draft, &content)?;
        layout.rename(&draft, &path)?;
        Ok(passwords)
    }
}

/// Writes a file that only the writer's user can read, replacing a left-over one.
pub(super) fn write_private(path: &Path, content: &Secret) -> Result<(), PrivateError> {
    layout::remove_file(path)?;
    let write = |mut file: File| {
        file.write_all(reveal(content).as_bytes())?;
        file.sync_all()
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(write)
        .map_err(PrivateError::io("write", path))
}

/// The text of a secret that was made from text.
pub(super) fn reveal(secret: &Secret) -> &str {
    secret.expose_text().unwrap_or_default()
}

fn generate() -> Result<Secret, PrivateError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    rand::fill(&mut bytes).map_err(|_| PrivateError::Setting {
        setting: "password",
        problem: "the system's random number generator gave nothing".to_owned(),
    })?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The passwords go into SQL and URLs unquoted, which this alphabet allows.
fn is_password(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        (dir, layout)
    }

    #[test]
    fn passwords_are_read_back_as_they_were_made_and_differ_from_each_other() {
        let (_dir, layout) = layout();
        assert!(Passwords::load(&layout).unwrap().is_none());
        let made = Passwords::create(&layout).unwrap();
        let read = Passwords::load(&layout).unwrap().unwrap();
        assert_eq!(reveal(&made.superuser), reveal(&read.superuser));
        assert_eq!(reveal(&made.application), reveal(&read.application));
        assert_ne!(reveal(&made.superuser), reveal(&made.application));
        assert!(!format!("{made:?}").contains(reveal(&made.superuser)));
    }

    #[test]
    fn the_file_is_closed_to_others_and_refused_when_it_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, layout) = layout();
        Passwords::create(&layout).unwrap();
        let path = layout.secret_file();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let error = Passwords::load(&layout).unwrap_err();
        assert!(error.to_string().contains("chmod 0600"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named_without_its_content() {
        let (_dir, layout) = layout();
        let text = Secret::from("superuser = 'quoted; DROP'\napplication = abc".to_owned());
        write_private(&layout.secret_file(), &text).unwrap();
        let error = Passwords::load(&layout).unwrap_err().to_string();
        assert!(error.contains("postgres.secret") && !error.contains("DROP"), "{error}");
    }
}
