//! A PostgreSQL that a test may stop, kill and start again.

use netraven_store::private::{PrivateCluster, PrivateError, PrivateSettings};
use netraven_store::testing::{scratch_dir, set_up, skip_or_fail};
use netraven_store::{ConnectSettings, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// Restarts and leases take their time on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A PostgreSQL of the test's own. What it commits survives its own death.
pub struct Server {
    settings: PrivateSettings,
    // All uses of it so far; dropping one would not stop it.
    uses: Vec<PrivateCluster>,
    _folder: TempDir,
}

impl Server {
    /// `None`, said aloud, where PostgreSQL cannot be had.
    pub async fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("nr").tempdir_in(scratch_dir()).unwrap();
        // The server's user, who is not us when we are root, must get through.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let data_dir = folder.path().canonicalize().unwrap();
        let settings = PrivateSettings { start_timeout: PATIENCE, ..PrivateSettings::new(data_dir) };
        match PrivateCluster::acquire(&settings).await {
            Ok(cluster) => Some(Self { settings, uses: vec![cluster], _folder: folder }),
            Err(reason @ PrivateError::NoBinaries { .. }) => {
                skip_or_fail(&reason.to_string());
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn url(&self) -> &str {
        self.uses[0].url()
    }

    fn admin(&self) -> ConnectSettings {
        let admin = ConnectSettings::new(self.uses[0].admin_url());
        ConnectSettings { database: Some("netraven".to_owned()), ..admin }
    }

    /// A connection to a database of this release.
    pub async fn store(&self) -> Store {
        let store = Store::connect(&ConnectSettings::new(self.url())).await.unwrap();
        set_up(self.admin(), &self.settings.data_dir).await;
        store
    }

    /// Ends the server by a signal to its first process.
    pub async fn end(&mut self, signal: Signal) {
        let file = self.settings.data_dir.join("postgres/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        let died = self.uses.last().unwrap().died();
        kill(Pid::from_raw(text.lines().next().unwrap().trim().parse().unwrap()), signal).unwrap();
        timeout(PATIENCE, died).await.expect("the server ends");
    }

    /// Starts it again.
    pub async fn begin_again(&mut self) {
        self.uses.push(PrivateCluster::acquire(&self.settings).await.unwrap());
    }

    /// Both.
    pub async fn restart(&mut self, signal: Signal) {
        self.end(signal).await;
        self.begin_again().await;
    }

    pub async fn stop(self) {
        for cluster in self.uses {
            cluster.release().await.unwrap();
        }
    }
}
