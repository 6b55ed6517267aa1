//! Restoring a backup into a database without NetRaven's tables.

use super::archive::Archive;
use super::client;
use super::error::BackupError;
use super::manifest::Manifest;
use super::programs::{self, Program};
use super::target::{self, SealedSample};
use super::verify;
use crate::access::Role;
use crate::schema::Initialized;
use crate::secrets::SealedKey;
use crate::setup::{Progress, Setup, SetupSettings};
use std::path::{Path, PathBuf};

/// Where to restore.
#[derive(Clone, Debug)]
pub struct RestoreSettings {
    /// The database, as its administrator, and the roles that it gets: as for an initialization.
    pub setup: SetupSettings,
    /// Folder that is searched for `pg_restore` before the usual ones.
    pub binaries: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// The schema's version in the backup and now.
    pub schema: Initialized,
    /// One ciphertext of each kind, to try the keys at hand on.
    pub samples: Vec<SealedSample>,
    /// For the same: one data key of each key that wraps those of captures.
    pub data_keys: Vec<SealedKey>,
}

/// Restores a backup: checks it first, makes the roles, loads the dump in one transaction, compares every table's rows
/// with the manifest, and brings an older schema to this release's. `progress` is told each step.
///
/// # Errors
/// A backup that is not good, a target that holds something or is too old: nothing was changed. A dump that does not
/// load leaves roles and an empty schema.
pub async fn restore(
    file: &Path,
    settings: &RestoreSettings,
    progress: Progress<'_>,
) -> Result<Restored, BackupError> {
    let archive = verify::check(file, settings.binaries.as_deref(), progress).await?;
    let mut setup = Setup::begin(&settings.setup, progress).await?;
    let restored = restore_into(&archive, settings, &mut setup, progress).await;
    setup.finish().await;
    let (schema, samples, data_keys) = restored?;
    Ok(Restored { manifest: archive.manifest, schema, samples, data_keys })
}

async fn restore_into(
    archive: &Archive,
    settings: &RestoreSettings,
    setup: &mut Setup<'_>,
    progress: Progress<'_>,
) -> Result<(Initialized, Vec<SealedSample>, Vec<SealedKey>), BackupError> {
    let manifest = &archive.manifest;
    let server = target::check(setup.connection(), manifest).await?;
    let binaries = settings.binaries.as_deref();
    let program = programs::find("pg_restore", binaries, manifest.pg_dump_major, server).await?;
    setup.prepare().await?;
    progress("loading the dump");
    load(archive, settings, &program).await?;
    progress("comparing the rows of every table with the manifest");
    target::compare(setup.connection(), manifest).await?;
    let before = manifest.schema_version;
    let schema = Initialized { before: Some(before), now: setup.migrate().await?.now };
    setup.validate().await?;
    let owner = settings.setup.prefix.role_name(Role::Owner);
    target::complete(setup.connection(), &owner, &settings.setup.actor, archive).await?;
    let samples = target::samples(setup.connection()).await?;
    let data_keys = target::data_keys(setup.connection()).await?;
    Ok((schema, samples, data_keys))
}

/// Everything or nothing of the dump. The schema itself is there already, so that only what is in it is loaded.
async fn load(archive: &Archive, settings: &RestoreSettings, program: &Program) -> Result<(), BackupError> {
    let mut command = client::connecting(program, &settings.setup.admin)?;
    command.args(["--format=custom", "--single-transaction", "--exit-on-error"]);
    command.args(["--no-owner", "--no-privileges", "--schema=netraven"]);
    command.arg(format!("--role={}", settings.setup.prefix.role_name(Role::Owner)));
    // The empty name: the environment says where to connect. Without a name nothing would be connected to.
    command.args(["--dbname", ""]).stdin(archive.reader()?);
    let child = client::spawn(program, &mut command)?;
    client::finish(program, child).await
}
