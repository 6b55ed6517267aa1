use crate::file::{self, Stamp};
use crate::keyring::Keyring;
use crate::{DataKey, KeySource, Place, VaultError, capture, envelope, escrow};
use netraven_model::Secret;
use netraven_seal::{FingerprintKey, Sealing, WrappedKey};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// An installation's opened keys. A key file that another process changes is read again when its keys are needed.
#[derive(Debug)]
pub struct Vault {
    source: KeySource,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    ring: Arc<Keyring>,
    stamp: Option<Stamp>,
}

/// One encryption key, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its number.
    pub number: u32,
    /// When it was made, RFC 3339.
    pub created_at: Option<String>,
}

impl Vault {
    /// Opens the key file, or creates it with fresh keys and mode 0600 (its directory with 0700).
    ///
    /// Two processes that create it at once end up with the same file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        if !path.exists() {
            file::create(path, &Keyring::generate(&now())?.text()?)?;
        }
        Self::open(path)
    }

    /// Opens an existing key file; refuses one that others may read.
    ///
    /// # Errors
    /// No file, one that others may read, one that is something else.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        Self::load(KeySource::File(path.to_owned()))
    }

    /// Opens the keys of a source.
    ///
    /// # Errors
    /// Keys that are not to be had, or something else in their place.
    pub fn load(source: KeySource) -> Result<Self, VaultError> {
        let stamp = source.stamp();
        let ring = Arc::new(source.load()?);
        Ok(Self { source, loaded: Mutex::new(Loaded { ring, stamp }) })
    }

    /// The text of a new key file, for a source to which NetRaven does not write: a first one, or this vault's with one more key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate(more_than: Option<&Self>) -> Result<Secret, VaultError> {
        let mut ring = match more_than {
            Some(vault) => Keyring::parse(&vault.ring().text()?).map_err(VaultError::NotEscrow)?,
            None => return Ok(Secret::new(Keyring::generate(&now())?.text()?.to_vec())),
        };
        ring.add(&now())?;
        Ok(Secret::new(ring.text()?.to_vec()))
    }

    /// Where the keys come from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> Vec<KeyInfo> {
        let info = |(number, created_at): (u32, Option<&str>)| KeyInfo {
            number,
            created_at: created_at.map(str::to_owned),
        };
        self.ring().list().map(info).collect()
    }

    /// Number of the key that seals.
    pub fn newest_key(&self) -> u32 {
        self.ring().newest().number
    }

    /// Whether the key of that number is there.
    pub fn holds_key(&self, number: u32) -> bool {
        self.ring().get(number).is_some()
    }

    /// Reads the keys again, wherever they come from.
    ///
    /// # Errors
    /// As [`Self::load`]; then the keys stay as they were.
    pub fn reload(&self) -> Result<(), VaultError> {
        let stamp = self.source.stamp();
        let ring = Arc::new(self.source.load()?);
        *self.lock() = Loaded { ring, stamp };
        Ok(())
    }

    /// Adds a fresh key to the key file; its number. It seals from now on, in other processes as soon as they look.
    ///
    /// # Errors
    /// [`VaultError::ReadOnly`] where the keys come from elsewhere.
    pub fn add_key(&self) -> Result<u32, VaultError> {
        let number = file::change(self.source.writable()?, |ring| ring.add(&now()))?;
        self.reload()?;
        Ok(number)
    }

    /// Takes a key out of the key file. Whether anything still needs it is for the caller to know.
    ///
    /// # Errors
    /// [`VaultError::ReadOnly`]; [`VaultError::KeyNeeded`] for the newest one or one that is not there.
    pub fn remove_key(&self, number: u32) -> Result<(), VaultError> {
        file::change(self.source.writable()?, |ring| ring.remove(number))?;
        self.reload()
    }

    /// Encrypts a secret for one place, with the newest key.
    ///
    /// # Errors
    /// [`VaultError::Library`].
    pub fn seal(&self, place: &Place<'_>, secret: &Secret) -> Result<Vec<u8>, VaultError> {
        envelope::seal(self.ring().newest(), place, secret)
    }

    /// Decrypts what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// A key that is missing, what is no ciphertext, one that was altered or moved.
    pub fn unseal(&self, place: &Place<'_>, ciphertext: &[u8]) -> Result<Secret, VaultError> {
        self.with_key(|ring| envelope::open(ring, place, ciphertext))
    }

    /// What [`Vault::seal`] made, under the newest key; the secret itself stays encrypted. `None` where it has that key already.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn rewrap(&self, place: &Place<'_>, ciphertext: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let newest = self.newest_key();
        if envelope::key_number(ciphertext) == Some(newest) {
            return Ok(None);
        }
        self.with_key(|ring| envelope::rewrap(ring, ring.newest(), place, ciphertext)).map(Some)
    }

    /// The fingerprint key of one device, for a gateway: it tells nothing about any other device's.
    pub fn fingerprint_key(&self, device: Uuid) -> FingerprintKey {
        let label: &[&[u8]] = &[b"netraven device fingerprint\0", device.as_bytes()];
        FingerprintKey::from_bytes(self.ring().fingerprint_key(label))
    }

    /// What a gateway needs to seal one device's secrets. With `site`, equal secrets of different devices are recognised:
    /// whoever has that key and the fingerprints can test guesses for the whole installation.
    pub fn sealing(&self, device: Uuid, site: bool) -> Sealing {
        let ring = self.ring();
        let key = || FingerprintKey::from_bytes(ring.fingerprint_key(&[b"netraven site fingerprint\0"]));
        Sealing { device, public: ring.newest().public.clone(), site: site.then(key) }
    }

    /// Opens the data key of a capture.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn open_capture(&self, device: Uuid, key: &WrappedKey) -> Result<DataKey, VaultError> {
        self.with_key(|ring| capture::open(ring, device, key))
    }

    /// A capture's data key under the newest key; `None` where it has that already.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn rewrap_capture(&self, device: Uuid, key: &WrappedKey) -> Result<Option<WrappedKey>, VaultError> {
        if key.number == self.newest_key() {
            return Ok(None);
        }
        self.with_key(|ring| capture::rewrap(ring, ring.newest(), device, key)).map(Some)
    }

    /// The text of an escrow file with all keys, and with those of an earlier escrow file of this installation.
    ///
    /// # Errors
    /// A passphrase that is too short or opens the earlier file not; keys of another installation in it.
    pub fn escrow(&self, earlier: Option<&str>, passphrase: &Secret) -> Result<String, VaultError> {
        let ring = self.ring();
        let Some(earlier) = earlier else { return escrow::write(&ring, passphrase) };
        let mut all = escrow::read(earlier, passphrase)?;
        let own = Keyring::parse(&ring.text()?).map_err(VaultError::NotEscrow)?;
        if !all.merge(own) {
            return Err(VaultError::NotEscrow("it holds the keys of another installation".into()));
        }
        escrow::write(&all, passphrase)
    }

    /// The numbers of the keys in an escrow file of this installation.
    ///
    /// # Errors
    /// As [`Self::escrow`].
    pub fn escrowed(&self, text: &str, passphrase: &Secret) -> Result<Vec<u32>, VaultError> {
        let mut held = escrow::read(text, passphrase)?;
        let numbers = held.list().map(|(number, _)| number).collect();
        let own = Keyring::parse(&self.ring().text()?).map_err(VaultError::NotEscrow)?;
        match held.merge(own) {
            true => Ok(numbers),
            false => Err(VaultError::NotEscrow("it holds the keys of another installation".into())),
        }
    }

    /// Writes the key file of an escrow file, where there is none.
    ///
    /// # Errors
    /// A file that is there already, a wrong passphrase, something else than an escrow file.
    pub fn restore(path: &Path, text: &str, passphrase: &Secret) -> Result<Self, VaultError> {
        if path.exists() {
            let reason = "is there already; move it away first".to_owned();
            return Err(VaultError::File { path: path.to_owned(), reason });
        }
        file::create(path, &escrow::read(text, passphrase)?.text()?)?;
        Self::open(path)
    }

    /// The keys as they are now.
    fn ring(&self) -> Arc<Keyring> {
        let mut loaded = self.lock();
        let stamp = self.source.stamp();
        if stamp.is_some() && stamp != loaded.stamp {
            // A file that is being replaced, or that is damaged: what was loaded before stays good.
            if let Ok(ring) = self.source.load() {
                *loaded = Loaded { ring: Arc::new(ring), stamp };
            }
        }
        loaded.ring.clone()
    }

    /// Tries once more with keys read anew where one is missing: another process may have added it.
    fn with_key<T>(&self, action: impl Fn(&Keyring) -> Result<T, VaultError>) -> Result<T, VaultError> {
        match action(&self.ring()) {
            Err(VaultError::KeyMissing { .. }) => {
                self.reload()?;
                action(&self.lock().ring.clone())
            }
            other => other,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
