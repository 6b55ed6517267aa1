//! Making a backup.

use super::archive::hash;
use super::client;
use super::error::BackupError;
use super::files::{Draft, Folder};
use super::manifest::{self, Manifest};
use super::programs::{self, Program};
use super::rotate::rotate;
use super::snapshot::Snapshot;
use crate::{ConnectSettings, StoreError};
use chrono::Utc;
use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::time::timeout;

/// Longest wait of `pg_dump` for its locks, beyond the lock limit of NetRaven's services: one of them that wants a table
/// for itself at that moment waits for us, and `pg_dump` for it.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";

/// Most of the content is compressed already: higher levels take twice the time to save three hundredths. Others than
/// gzip are in some builds of `pg_restore` only.
const COMPRESSION: &str = "--compress=1";

/// What a backup needs to know.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// The database, as a role that may read all of it: the owner, or the role `backup`.
    pub database: ConnectSettings,
    /// The folder for backups; made if it is missing.
    pub directory: PathBuf,
    /// How many backups of this installation stay in the folder, the new one included; 0: all.
    pub keep: u32,
    /// Folder that is searched for `pg_dump` before the usual ones.
    pub binaries: Option<PathBuf>,
    /// NetRaven's release, for the manifest.
    pub release: String,
    /// Tells from a ciphertext's first 17 bytes which key it was made with; the vault knows.
    pub key_number: fn(&[u8]) -> Option<u32>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The dump; its manifest stands beside it.
    pub dump: PathBuf,
    /// What the manifest says.
    pub manifest: Manifest,
    /// Dumps of older backups that were removed, with their manifests.
    pub removed: Vec<PathBuf>,
}

/// Makes a backup of the moment of the call. Services may go on working; what they write meanwhile is not in it.
///
/// # Errors
/// Every failure leaves the folder as it was, and older backups are removed only after success.
pub async fn create(settings: &BackupSettings) -> Result<Created, BackupError> {
    let folder = Folder::open(&settings.directory)?;
    let (dump, manifest) = dump(settings, &folder).await?;
    let removed = rotate(&settings.directory, &dump, &manifest, settings.keep);
    Ok(Created { dump, manifest, removed })
}

async fn dump(settings: &BackupSettings, folder: &Folder) -> Result<(PathBuf, Manifest), BackupError> {
    let mut snapshot = Snapshot::open(&settings.database).await?;
    let created_at = Utc::now();
    let major = u32::try_from(snapshot.origin.major).unwrap_or_default();
    let program = programs::find("pg_dump", settings.binaries.as_deref(), major, major).await?;
    let path = folder.new_dump(&snapshot.origin.database, created_at);
    let dump = Draft::begin(&path)?;
    let id = snapshot.id.clone();
    // Whichever fails first ends the other.
    let ((), (rows, keys)) =
        tokio::try_join!(run(settings, &program, &id, &dump), look(settings, &mut snapshot))?;
    let (size_bytes, sha256) = measure(&dump).await?;
    let manifest = Manifest {
        format: Manifest::FORMAT,
        netraven: settings.release.clone(),
        schema_version: snapshot.origin.schema_version,
        postgresql: snapshot.origin.postgresql.clone(),
        postgresql_major: major,
        pg_dump_major: program.major,
        database: snapshot.origin.database.clone(),
        installation: snapshot.origin.installation,
        created_at,
        size_bytes,
        sha256,
        rows,
        keys,
        trigrams_in: snapshot.origin.trigrams_in.clone(),
    };
    snapshot.close().await;
    let description = describe(&manifest, &path)?;
    publish(folder, [dump, description])?;
    Ok((path, manifest))
}

/// Runs `pg_dump` in the snapshot. It writes to the file itself, which it can then give an index of its content.
async fn run(
    settings: &BackupSettings,
    program: &Program,
    snapshot: &str,
    dump: &Draft,
) -> Result<(), BackupError> {
    let file = dump.file().try_clone().map_err(BackupError::io("write", dump.path()))?;
    let mut command = client::connecting(program, &settings.database)?;
    command.args(["--format=custom", "--schema=netraven", "--no-owner", "--no-privileges", LOCK_WAIT]);
    command.arg(COMPRESSION);
    command.arg(format!("--snapshot={snapshot}")).stdout(Stdio::from(file));
    let child = client::spawn(program, &mut command)?;
    // The command keeps a copy of the file, and with it the file's lock.
    drop(command);
    client::finish(program, child).await
}

/// What is counted in the snapshot while `pg_dump` works.
async fn look(
    settings: &BackupSettings,
    snapshot: &mut Snapshot,
) -> Result<(BTreeMap<String, u64>, Vec<u32>), BackupError> {
    // A connection that dies without a word would be waited for until the machine is switched off.
    let counting = async {
        let rows = snapshot.count().await?;
        Ok::<_, StoreError>((rows, snapshot.ciphertext_heads().await?, snapshot.data_key_numbers().await?))
    };
    let late = |_| {
        let reason = format!("the rows were not counted within {} h", client::LIMIT.as_secs() / 3600);
        BackupError::from(StoreError::Unreachable { server: "the database".to_owned(), reason })
    };
    let (rows, heads, mut keys) = timeout(client::LIMIT, counting).await.map_err(late)??;
    keys.extend(heads.iter().filter_map(|head| (settings.key_number)(head)));
    Ok((rows, keys.into_iter().collect()))
}

/// Size and SHA-256 of the dump, which is durable from then on.
async fn measure(dump: &Draft) -> Result<(u64, String), BackupError> {
    dump.sync()?;
    let failed = BackupError::io("read", dump.path());
    let mut file = dump.file().try_clone().map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    let size = file.metadata().map_err(&failed)?.len();
    Ok((size, hash(file, dump.path()).await?))
}

fn describe(manifest: &Manifest, dump: &Path) -> Result<Draft, BackupError> {
    let draft = Draft::begin(&manifest::beside(dump))?;
    let failed = BackupError::io("write", draft.path());
    let text = manifest.to_text().map_err(|error| failed(error.into()))?;
    draft.file().write_all(&text).map_err(&failed)?;
    draft.sync()?;
    Ok(draft)
}

/// Gives the files their names, the manifest last: with it the backup is complete.
fn publish(folder: &Folder, drafts: [Draft; 2]) -> Result<(), BackupError> {
    for mut draft in drafts {
        draft.name()?;
        folder.sync()?;
    }
    Ok(())
}
