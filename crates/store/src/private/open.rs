//! From whatever state the data directory is in to a server that accepts connections. Everything
//! here happens under the cluster's exclusive lock.

use super::account::Account;
use super::binaries::{Available, Binaries};
use super::build::{self, Builder};
use super::deadline::Deadline;
use super::error::PrivateError;
use super::layout::{self, Layout};
use super::postmaster::{self, Postmaster, Status};
use super::secret::Passwords;
use super::server::Server;
use super::settings::PrivateSettings;
use std::path::PathBuf;

/// A server that accepts connections.
pub(super) struct Opened {
    pub(super) postmaster: Postmaster,
    pub(super) socket: (PathBuf, u16),
    pub(super) passwords: Passwords,
    pub(super) major: u32,
}

/// Creates, takes over or starts. `alone` says that no other process uses the cluster.
pub(super) async fn open(
    settings: &PrivateSettings,
    layout: &Layout,
    account: &Account,
    alone: bool,
    deadline: &Deadline,
) -> Result<Opened, PrivateError> {
    settle_interrupted(layout).await?;
    let existing = existing_major(layout, account)?;
    let server = Server::current(settings, layout, account);
    let passwords = Passwords::load(layout)?;
    let (major, passwords) = match (existing, passwords) {
        (Some(major), Some(passwords)) => match adopt(&server, alone, deadline).await? {
            Some(postmaster) => return opened(postmaster, passwords, major),
            None => (major, Some(passwords)),
        },
        (Some(_), None) if !alone => {
            let problem = "it is missing while other processes use the cluster";
            return Err(PrivateError::SecretFile { path: layout.secret_file(), problem });
        }
        (Some(major), None) => (major, None),
        (None, passwords) => {
            let passwords = passwords.map_or_else(|| Passwords::create(layout), Ok)?;
            let available = Available::search(settings.binaries.as_deref()).await?;
            let binaries = available.newest(settings.binaries.is_some())?;
            let builder = Builder { layout, account, binaries, disposable: settings.disposable };
            builder.create(&passwords, deadline).await?;
            let postmaster = server.start(binaries, deadline).await?;
            return opened(postmaster, passwords, binaries.major());
        }
    };
    let binaries = binaries_for(settings, layout, major).await?;
    postmaster::clear(&server.cluster, settings.stop_timeout).await?;
    let passwords = match passwords {
        Some(passwords) => passwords,
        None => {
            tracing::warn!(file = %layout.secret_file().display(), "password file missing: setting new passwords");
            let passwords = Passwords::create(layout)?;
            let builder = Builder { layout, account, binaries: &binaries, disposable: settings.disposable };
            builder.replace_passwords(&passwords, deadline).await?;
            passwords
        }
    };
    opened(server.start(&binaries, deadline).await?, passwords, major)
}

/// Clears away what an interrupted creation or upgrade left, servers included, or finishes it if
/// only its last step was missing. The current cluster is worth more than an upgraded copy as long
/// as it is in its place, since it may have been written to since; when it is already moved aside,
/// the copy is complete and takes over.
pub(super) async fn settle_interrupted(layout: &Layout) -> Result<(), PrivateError> {
    if layout.building().exists() {
        build::discard_left_over(layout).await?;
    }
    let (cluster, upgraded) = (layout.cluster(), layout.upgraded());
    if !upgraded.exists() {
        return Ok(());
    }
    if cluster.exists() {
        return layout.remove_dir(&upgraded);
    }
    tracing::info!("finishing an upgrade of the private PostgreSQL that was interrupted");
    layout.rename(&upgraded, &cluster)
}

/// The major version of the cluster, after checking that it is ours and closed to others; `None`
/// when there is none and a new one may be made.
pub(super) fn existing_major(layout: &Layout, account: &Account) -> Result<Option<u32>, PrivateError> {
    let cluster = layout.cluster();
    if std::fs::symlink_metadata(&cluster).is_ok() {
        account.check_private_directory(&cluster, 0o750)?;
    }
    match (layout::cluster_major(&cluster)?, layout.any_kept()) {
        (None, Some(kept)) => Err(PrivateError::ClusterMissing { cluster, kept }),
        (major, _) => Ok(major),
    }
}

/// The programs of the cluster's own major version, wherever they are.
async fn binaries_for(
    settings: &PrivateSettings,
    layout: &Layout,
    major: u32,
) -> Result<Binaries, PrivateError> {
    let available = Available::search(settings.binaries.as_deref()).await?;
    let found = available.majors();
    let Some(binaries) = available.of_major(major) else {
        return Err(PrivateError::VersionMismatch { directory: layout.cluster(), cluster: major, found });
    };
    if let Some(newest) = found.first().filter(|&&newest| newest > major) {
        tracing::info!(
            "the private PostgreSQL is version {major}; `netraven db upgrade-cluster` moves it to version {newest}"
        );
    }
    Ok(binaries.clone())
}

/// The server that already runs, once it is ready. One that is stopping is waited for; one that no
/// other process uses and that runs with other settings than today's is left to be started anew.
async fn adopt(
    server: &Server<'_>,
    alone: bool,
    deadline: &Deadline,
) -> Result<Option<Postmaster>, PrivateError> {
    let settled = deadline.poll(|| match Postmaster::of(&server.cluster) {
        None => Some(None),
        Some(found) if found.status == Status::Ready => Some(Some(found)),
        Some(_) => None,
    });
    let Some(running) = settled.await.flatten() else { return Ok(None) };
    let reachable =
        running.socket.as_ref().is_some_and(|(dir, port)| dir.join(format!(".s.PGSQL.{port}")).exists());
    if alone && !(reachable && server.is_configured_so()?) {
        tracing::info!("restarting the private PostgreSQL with the current settings");
        return Ok(None);
    }
    Ok(Some(running))
}

fn opened(postmaster: Postmaster, passwords: Passwords, major: u32) -> Result<Opened, PrivateError> {
    match postmaster.socket.clone() {
        Some(socket) => Ok(Opened { postmaster, socket, passwords, major }),
        None => Err(PrivateError::Setting {
            setting: "listen",
            problem: "the running server names no Unix socket; stop it and try again".to_owned(),
        }),
    }
}
