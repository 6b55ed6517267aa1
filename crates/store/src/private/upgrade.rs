//! Moving a cluster to a newer major version by dump and load.
//!
//! The old cluster is only read until the new one is complete and compared with it; then two
//! renames swap them. Interrupted at any point, the old one still works and the next try starts clean.

use super::account::Account;
use super::binaries::{self, Available, Binaries};
use super::build::{self, Builder};
use super::deadline::Deadline;
use super::error::PrivateError;
use super::layout::{self, Layout};
use super::lock::FileLock;
use super::open;
use super::postmaster;
use super::secret::Passwords;
use super::server::Server;
use super::settings::PrivateSettings;
use super::transfer::{self, Access};
use super::verify::{self, Content};
use std::path::PathBuf;

/// Client programs of the new version that the upgrade runs.
const CLIENT_PROGRAMS: [&str; 4] = ["pg_dump", "pg_dumpall", "pg_restore", "psql"];
/// Names of the two servers' sockets while they run side by side: unlike the usual one, so that
/// nobody connects by mistake.
const OLD_PORT: u16 = 65431;
const NEW_PORT: u16 = 65432;

/// What an upgrade did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Major version before.
    pub from: u32,
    /// Major version now; equal to `from` when there was nothing to do.
    pub to: u32,
    /// Tables that were moved and compared.
    pub tables: usize,
    /// Rows in them.
    pub rows: u64,
    /// Where the old cluster is kept, until somebody removes it.
    pub kept: Option<PathBuf>,
}

/// Moves the cluster below `settings.data_dir` to the newest PostgreSQL on this machine (or the
/// configured one). Needs the server programs of both versions and the new version's client
/// programs; `report` is told each step in words.
///
/// # Errors
/// [`PrivateError::InUse`] while any NetRaven process uses the cluster;
/// [`PrivateError::VersionMismatch`] and [`PrivateError::UnusableBinaries`] name missing programs.
/// After an error the old cluster is as it was.
pub async fn upgrade_cluster(
    settings: &PrivateSettings,
    report: impl Fn(&str),
) -> Result<Upgraded, PrivateError> {
    let layout = Layout::open(&settings.data_dir)?;
    let deadline = Deadline::after(settings.start_timeout);
    let _cluster = FileLock::exclusive(&layout.cluster_lock(), &deadline).await?;
    let in_use = || PrivateError::InUse { data_dir: layout.root().to_path_buf() };
    let _users = FileLock::try_exclusive(&layout.users_lock())?.ok_or_else(in_use)?;
    open::settle_interrupted(&layout).await?;
    let account = Account::choose(settings.run_as.as_deref(), &layout.cluster())?;
    let nothing = || PrivateError::Setting {
        setting: "data_dir",
        problem: format!("there is no cluster at {} to upgrade", layout.cluster().display()),
    };
    let from = open::existing_major(&layout, &account)?.ok_or_else(nothing)?;
    let Some((old, new)) = both_binaries(settings, &layout, from).await? else {
        return Ok(Upgraded { from, to: from, tables: 0, rows: 0, kept: None });
    };
    let kept = layout.kept(from);
    if kept.exists() {
        let problem = format!("{} from an earlier upgrade is in the way; move it away", kept.display());
        return Err(PrivateError::Setting { setting: "data_dir", problem });
    }
    let upgrade = Upgrade { settings, layout: &layout, account: &account, old: &old, new: &new };
    let content = upgrade.copy(&report).await.map_err(|error| account.explain(error, layout.root()))?;
    report(&format!("putting PostgreSQL {} in place of {from}", new.major()));
    layout.rename(&layout.building(), &layout.upgraded())?;
    layout.rename(&layout.cluster(), &kept)?;
    layout.rename(&layout.upgraded(), &layout.cluster())?;
    report(&format!("done; the old cluster is kept as {}", kept.display()));
    Ok(Upgraded { from, to: new.major(), tables: content.tables(), rows: content.rows(), kept: Some(kept) })
}

/// The old and the new version's programs, or `None` when nothing newer is there.
async fn both_binaries(
    settings: &PrivateSettings,
    layout: &Layout,
    from: u32,
) -> Result<Option<(Binaries, Binaries)>, PrivateError> {
    let available = Available::search(settings.binaries.as_deref()).await?;
    let new = available.newest(settings.binaries.is_some())?;
    if new.major() == from {
        return Ok(None);
    }
    let named = match &settings.old_binaries {
        Some(directory) => Some(binaries::inspect_named(directory).await?),
        None => available.of_major(from).cloned(),
    };
    let old = named.filter(|old| old.major() == from && new.major() > from).ok_or_else(|| {
        PrivateError::VersionMismatch {
            directory: layout.cluster(),
            cluster: from,
            found: available.majors(),
        }
    })?;
    new.require(&CLIENT_PROGRAMS)?;
    Ok(Some((old, new.clone())))
}

struct Upgrade<'a> {
    settings: &'a PrivateSettings,
    layout: &'a Layout,
    account: &'a Account,
    old: &'a Binaries,
    new: &'a Binaries,
}

impl Upgrade<'_> {
    /// Makes the complete copy in the building place. Afterwards no server runs, whatever
    /// happened; after an error the copy is gone.
    async fn copy(&self, report: &impl Fn(&str)) -> Result<Content, PrivateError> {
        let outcome = self.copy_and_compare(report).await;
        let stop_limit = self.settings.stop_timeout;
        let old_stopped = postmaster::clear(&self.layout.cluster(), stop_limit).await;
        let new_stopped = postmaster::clear(&self.layout.building(), stop_limit).await;
        self.server(self.layout.cluster(), self.layout.config_file(), OLD_PORT).remove_traces();
        layout::remove_file(&self.layout.building_config_file())?;
        match outcome.and_then(|content| old_stopped.and(new_stopped).map(|()| content)) {
            Ok(content) => Ok(content),
            Err(error) => {
                build::discard_left_over(self.layout).await?;
                Err(error)
            }
        }
    }

    async fn copy_and_compare(&self, report: &impl Fn(&str)) -> Result<Content, PrivateError> {
        let (layout, settings) = (self.layout, self.settings);
        let passwords = Passwords::load(layout)?.ok_or(PrivateError::SecretFile {
            path: layout.secret_file(),
            problem: "it is missing; start NetRaven once to set new passwords",
        })?;
        report(&format!("starting the old server, PostgreSQL {}", self.old.major()));
        let old = self.server(layout.cluster(), layout.config_file(), OLD_PORT);
        postmaster::clear(&layout.cluster(), settings.stop_timeout).await?;
        old.start(self.old, &Deadline::after(settings.start_timeout)).await?;

        report(&format!("creating a cluster of PostgreSQL {}", self.new.major()));
        let deadline = Deadline::after(settings.start_timeout);
        let builder =
            Builder { layout, account: self.account, binaries: self.new, disposable: settings.disposable };
        builder.bare(&passwords, &deadline).await?;
        let new = self.server(layout.building(), layout.building_config_file(), NEW_PORT);
        new.start(self.new, &deadline).await?;

        let socket_dir = layout.socket_dir(self.account);
        let access = |port| Access { socket_dir: &socket_dir, port, password: &passwords.superuser };
        let (from, to) = (access(OLD_PORT), access(NEW_PORT));
        transfer::everything(self.account, self.new, &from, &to, report).await?;
        report("comparing the two clusters");
        verify::analyze(&to).await?;
        verify::compare(Content::read(&from).await?, &Content::read(&to).await?)
    }

    fn server(&self, cluster: PathBuf, config_file: PathBuf, port: u16) -> Server<'_> {
        let Self { settings, layout, account, .. } = *self;
        Server { settings, layout, account, cluster, config_file, port, tcp: false }
    }
}
