//! A running private cluster, as seen by one of its users.

use super::account::Account;
use super::build::{APPLICATION, SUPERUSER};
use super::deadline::Deadline;
use super::error::PrivateError;
use super::layout::Layout;
use super::lock::FileLock;
use super::log;
use super::open::{self, Opened};
use super::postmaster::{self, Postmaster};
use super::secret::reveal;
use super::server::Server;
use super::settings::PrivateSettings;
use netraven_model::Secret;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often a user looks whether the server still lives.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// One use of the private cluster. As long as any process has one, the server runs.
///
/// Give it back with [`PrivateCluster::release`]. When it is merely dropped (a panic, a killed
/// process) the server stays up for the next start to take over.
pub struct PrivateCluster {
    url: Secret,
    admin_url: Secret,
    version: u32,
    socket_dir: PathBuf,
    settings: PrivateSettings,
    layout: Layout,
    account: Account,
    users: FileLock,
    watch: Watch,
}

impl PrivateCluster {
    /// Joins the users of the cluster below `settings.data_dir`: creates it if there is none,
    /// takes over a server that runs, else starts one, and returns when it accepts connections.
    ///
    /// # Errors
    /// Every [`PrivateError`] except those of an upgrade. Nothing half-made stays in the way of the next try.
    pub async fn acquire(settings: &PrivateSettings) -> Result<Self, PrivateError> {
        let layout = Layout::open(&settings.data_dir)?;
        let starting =
            FileLock::exclusive(&layout.cluster_lock(), &Deadline::after(settings.start_timeout)).await?;
        let deadline = Deadline::after(settings.start_timeout);
        let alone = FileLock::try_exclusive(&layout.users_lock())?.is_some();
        let users = FileLock::shared(&layout.users_lock(), &deadline).await?;
        let account = Account::choose(settings.run_as.as_deref(), &layout.cluster())?;
        let opened = open::open(settings, &layout, &account, alone, &deadline).await;
        let Opened { postmaster, socket: (socket_dir, port), passwords, major } =
            opened.map_err(|error| account.explain(error, layout.root()))?;
        drop(starting);
        let url = |user: &str, password: &Secret| connection_url(user, password, user, &socket_dir, port);
        Ok(Self {
            url: url(APPLICATION, &passwords.application),
            admin_url: url(SUPERUSER, &passwords.superuser),
            version: major,
            watch: Watch::start(postmaster, layout.cluster(), layout.log_file()),
            settings: settings.clone(),
            socket_dir,
            layout,
            account,
            users,
        })
    }

    /// Connection URL of NetRaven's own role and database over the Unix socket. It contains the
    /// password: never log it.
    pub fn url(&self) -> &str {
        reveal(&self.url)
    }

    /// Connection URL of the superuser and its database, for administration. It contains the
    /// password: never log it.
    pub fn admin_url(&self) -> &str {
        reveal(&self.admin_url)
    }

    /// PostgreSQL's major version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Resolves when the server has died without this process having stopped it. The future is
    /// independent of the cluster's lifetime; after a release it never resolves.
    pub fn died(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut died = self.watch.died.clone();
        async move {
            if died.wait_for(|died| *died).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Leaves. The last user stops the server; with other users left it stays up.
    ///
    /// # Errors
    /// [`PrivateError::Locked`] if another process keeps starting or stopping it, and
    /// [`PrivateError::Timeout`] if the server does not stop.
    pub async fn release(self) -> Result<(), PrivateError> {
        let Self { settings, layout, account, users, watch, .. } = self;
        drop(watch);
        let deadline = Deadline::after(settings.stop_timeout);
        let _stopping = FileLock::exclusive(&layout.cluster_lock(), &deadline).await?;
        let Some(_last) = users.upgrade(&layout.users_lock())? else { return Ok(()) };
        postmaster::clear(&layout.cluster(), settings.stop_timeout).await?;
        Server::current(&settings, &layout, &account).remove_traces();
        Ok(())
    }
}

impl fmt::Debug for PrivateCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateCluster")
            .field("data_dir", &self.layout.root())
            .field("socket_dir", &self.socket_dir)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The task that looks after the server while this process uses it.
struct Watch {
    task: AbortHandle,
    died: watch::Receiver<bool>,
}

impl Watch {
    fn start(postmaster: Postmaster, cluster: PathBuf, log_file: PathBuf) -> Self {
        let (sender, died) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut ticks = interval(WATCH_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while postmaster.is_alive(&cluster) {
                ticks.tick().await;
                log::bound(&log_file);
            }
            sender.send_replace(true);
        });
        Self { task: task.abort_handle(), died }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A URL that every PostgreSQL client understands: the host parameter overrides the authority.
pub(crate) fn connection_url(
    user: &str,
    password: &Secret,
    database: &str,
    socket_dir: &Path,
    port: u16,
) -> Secret {
    let host = percent_encode(&socket_dir.display().to_string());
    let password = reveal(password);
    Secret::from(format!("postgresql://{user}:{password}@localhost:{port}/{database}?host={host}"))
}

/// Percent-encoding of everything outside RFC 3986's unreserved characters.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_directory_with_odd_characters_survives_the_url() {
        let password = Secret::from("secret-word");
        let url = connection_url("netraven", &password, "netraven", Path::new("/a b/ü?&#%/run"), 5433);
        assert_eq!(
            reveal(&url),
            "postgresql://netraven:secret-word@localhost:5433/netraven?host=%2Fa%20b%2F%C3%BC%3F%26%23%25%2Frun"
        );
    }
}
