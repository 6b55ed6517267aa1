use crate::VaultError;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

const FORMAT: u32 = 1;
/// A key file of a hundred rotations has 10 KB; anything much larger is another file.
const MAX_FILE: u64 = 1 << 20;

/// One encryption key.
pub(crate) struct Key {
    pub(crate) number: u32,
    pub(crate) bytes: Zeroizing<[u8; 32]>,
}

/// The keys of an installation, oldest first; never empty.
pub(crate) struct Keyring {
    keys: Vec<Key>,
    fingerprint: Zeroizing<[u8; 32]>,
}

/// The key file as it is written: JSON, keys in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    fingerprint_key: String,
    encryption_keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    number: u32,
    key: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.fingerprint_key.zeroize();
        self.encryption_keys.iter_mut().for_each(|entry| entry.key.zeroize());
    }
}

impl Keyring {
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        if !path.exists() {
            create(path)?;
        }
        Self::open(path)
    }

    pub(crate) fn open(path: &Path) -> Result<Self, VaultError> {
        let failed = |error: std::io::Error| file_error(path, &format!("cannot be read: {error}"));
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(file_error(path, "is not a regular file"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(VaultError::Permissions { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
        }
        let damaged = |reason: String| VaultError::Damaged { path: path.to_owned(), reason };
        if metadata.len() > MAX_FILE {
            return Err(damaged(format!("it has {} bytes, expected at most {MAX_FILE}", metadata.len())));
        }
        let mut text = Zeroizing::new(Vec::new());
        file.read_to_end(&mut text).map_err(failed)?;
        // The parser's message is not passed on beyond its place, since it may quote the text.
        let parsed: KeyFile = serde_json::from_slice(&text).map_err(|error| {
            damaged(format!(
                "expected JSON as NetRaven writes it, line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        Self::from_file(&parsed).map_err(damaged)
    }

    fn from_file(file: &KeyFile) -> Result<Self, String> {
        if file.format != FORMAT {
            return Err(format!("expected format {FORMAT}, found {}", file.format));
        }
        let mut keys = Vec::with_capacity(file.encryption_keys.len());
        for entry in &file.encryption_keys {
            if keys.last().is_some_and(|last: &Key| last.number >= entry.number) {
                return Err(format!("key numbers must ascend, {} stands at the wrong place", entry.number));
            }
            let bytes =
                decode(&entry.key).ok_or(format!("key {} is not 32 bytes in base64", entry.number))?;
            keys.push(Key { number: entry.number, bytes });
        }
        if keys.is_empty() {
            return Err("it holds no encryption key".to_owned());
        }
        let fingerprint =
            decode(&file.fingerprint_key).ok_or("the fingerprint key is not 32 bytes in base64")?;
        Ok(Self { keys, fingerprint })
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> &Key {
        &self.keys[self.keys.len() - 1]
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Key> {
        self.keys.iter().find(|key| key.number == number)
    }

    pub(crate) fn numbers(&self) -> String {
        self.keys.iter().map(|key| key.number.to_string()).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn fingerprint_master(&self) -> &[u8] {
        self.fingerprint.as_slice()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(keys {})", self.numbers())
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn fresh() -> Result<String, VaultError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| VaultError::Library("no random numbers"))?;
    Ok(STANDARD.encode(bytes.as_slice()))
}

/// Writes a complete file beside the wanted one and links it into place, which fails if another
/// process was first: a half-written key file never bears the name.
fn create(path: &Path) -> Result<(), VaultError> {
    let file = KeyFile {
        format: FORMAT,
        fingerprint_key: fresh()?,
        encryption_keys: vec![KeyEntry { number: 1, key: fresh()? }],
    };
    let text = Zeroizing::new(
        serde_json::to_vec_pretty(&file)
            .map_err(|_| VaultError::Library("the key file cannot be written as JSON"))?,
    );
    let failed = |error: std::io::Error| file_error(path, &format!("cannot be created: {error}"));
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
    let draft = directory.join(format!(".keys-{}", uuid::Uuid::new_v4()));
    let written = write_draft(&draft, &text).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(&directory)?.sync_all(),
    });
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(failed)
}

fn write_draft(draft: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    file.sync_all()
}

fn file_error(path: &Path, reason: &str) -> VaultError {
    VaultError::File { path: path.to_owned(), reason: reason.to_owned() }
}
