//! What a caller may decide about the private PostgreSQL.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a private cluster. [`PrivateSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct PrivateSettings {
    /// Directory below which the cluster, its passwords, locks and log live. Made if missing.
    pub data_dir: PathBuf,
    /// Directory of PostgreSQL's programs. `None`: PATH, then where packages install.
    pub binaries: Option<PathBuf>,
    /// Directory of the programs of the version to upgrade from, if they are in no usual place.
    pub old_binaries: Option<PathBuf>,
    /// Memory for PostgreSQL in MiB, at least 128; 512 fits a small machine.
    pub memory_mib: u32,
    /// Also listen on this TCP port of 127.0.0.1. `None`: Unix socket only.
    pub listen: Option<u16>,
    /// User who runs the server when NetRaven is root. `None`: the cluster's owner, else the first
    /// of `postgres`, `netraven`, `nobody` that exists. Ignored when NetRaven is not root.
    pub run_as: Option<String>,
    /// Limit for creating and starting the server, crash recovery included.
    pub start_timeout: Duration,
    /// Limit for an orderly stop; after it the server is told to quit at once.
    pub stop_timeout: Duration,
    /// The data may be lost when the machine crashes (tests, demonstrations): the server never
    /// waits for the disk.
    pub disposable: bool,
}

impl PrivateSettings {
    /// The defaults for a cluster below `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            binaries: None,
            old_binaries: None,
            memory_mib: 512,
            listen: None,
            run_as: None,
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
            disposable: false,
        }
    }
}
