//! Starting a server process and waiting until it answers.

use super::account::Account;
use super::binaries::Binaries;
use super::deadline::Deadline;
use super::error::PrivateError;
use super::layout::{self, Layout};
use super::postmaster::{self, Postmaster, Status};
use super::profile::{self, Endpoint};
use super::settings::PrivateSettings;
use super::{log, tool};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Port that names the socket when no TCP port is asked for.
pub(super) const SOCKET_PORT: u16 = 5432;

/// Everything needed to start one cluster's server.
pub(super) struct Server<'a> {
    pub(super) settings: &'a PrivateSettings,
    pub(super) layout: &'a Layout,
    pub(super) account: &'a Account,
    pub(super) cluster: PathBuf,
    pub(super) config_file: PathBuf,
    pub(super) port: u16,
    pub(super) tcp: bool,
}

impl<'a> Server<'a> {
    /// The server of the cluster in use, as the settings want it.
    pub(super) fn current(settings: &'a PrivateSettings, layout: &'a Layout, account: &'a Account) -> Self {
        let (cluster, config_file) = (layout.cluster(), layout.config_file());
        let port = settings.listen.unwrap_or(SOCKET_PORT);
        Self { settings, layout, account, cluster, config_file, port, tcp: settings.listen.is_some() }
    }

    /// Whether the configuration that was written last says what the settings say now.
    pub(super) fn is_configured_so(&self) -> Result<bool, PrivateError> {
        let wanted = self.render(&self.layout.socket_dir(self.account))?;
        let (name, value) = profile::LZ4;
        Ok(std::fs::read_to_string(&self.config_file)
            .is_ok_and(|written| written == wanted || written == format!("{wanted}{name} = {value}\n")))
    }

    /// Starts the server and waits until it accepts connections. The caller holds the cluster's
    /// lock and knows that no server runs.
    pub(super) async fn start(
        &self,
        binaries: &Binaries,
        deadline: &Deadline,
    ) -> Result<Postmaster, PrivateError> {
        postmaster::clear(&self.cluster, self.settings.stop_timeout).await?;
        let socket_dir = self.layout.prepare_socket_dir(self.account)?;
        remove_sockets(&socket_dir, self.port);
        self.write_config(binaries, &socket_dir, deadline).await?;
        let log_file = self.layout.log_file();
        log::bound(&log_file);
        let (output, log_from) = log::open(&log_file)?;
        let errors = output.try_clone().map_err(PrivateError::io("open the log", &log_file))?;
        let mut command = self.account.command(&binaries.program("postgres"));
        command.arg("-D").arg(&self.cluster).arg("-c").arg(config_argument(&self.config_file));
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(self.layout.root());
        let mut child = command.spawn().map_err(PrivateError::io("run", &binaries.program("postgres")))?;
        let ready = deadline.poll(|| match child.try_wait() {
            Ok(Some(status)) => Some(Err(PrivateError::StartFailed {
                status: tool::describe(status),
                log: log_file.clone(),
                tail: log::tail(&log_file, log_from),
            })),
            Ok(None) => Postmaster::of(&self.cluster).filter(|found| found.status == Status::Ready).map(Ok),
            Err(error) => Some(Err(PrivateError::io("watch", &self.cluster)(error))),
        });
        match ready.await {
            Some(outcome) => outcome,
            None => {
                postmaster::clear(&self.cluster, self.settings.stop_timeout).await?;
                Err(tool::timed_out("starting PostgreSQL", deadline))
            }
        }
    }

    /// Removes what a stopped server of ours may have left beside the data.
    pub(super) fn remove_traces(&self) {
        let socket_dir = self.layout.socket_dir(self.account);
        remove_sockets(&socket_dir, self.port);
        if let Err(error) = std::fs::remove_dir(&socket_dir) {
            tracing::debug!(directory = %socket_dir.display(), %error, "socket directory not removed");
        }
    }

    async fn write_config(
        &self,
        binaries: &Binaries,
        socket_dir: &Path,
        deadline: &Deadline,
    ) -> Result<(), PrivateError> {
        let mut text = self.render(socket_dir)?;
        if self.knows_lz4(binaries, deadline).await {
            let (name, value) = profile::LZ4;
            text.push_str(&format!("{name} = {value}\n"));
        }
        let draft = self.config_file.with_extension("conf.new");
        std::fs::write(&draft, text).map_err(PrivateError::io("write", &draft))?;
        self.layout.rename(&draft, &self.config_file)
    }

    fn render(&self, socket_dir: &Path) -> Result<String, PrivateError> {
        profile::render(self.settings, &Endpoint { socket_dir, port: self.port, tcp: self.tcp })
    }

    /// Asks the server program itself whether it was built with LZ4: it refuses the value if not.
    async fn knows_lz4(&self, binaries: &Binaries, deadline: &Deadline) -> bool {
        let (name, value) = profile::LZ4;
        let mut command = self.account.command(&binaries.program("postgres"));
        command.arg("-D").arg(&self.cluster).args(["-C", name, "-c", &format!("{name}={value}")]);
        command.args(["-c", "config_file=/dev/null"]).current_dir(self.layout.root());
        tool::run("asking PostgreSQL for LZ4", command, b"", deadline).await.is_ok()
    }
}

fn config_argument(file: &Path) -> String {
    format!("config_file={}", file.display())
}

/// Removes the socket and its lock file of a server that is known not to run. The directory is
/// ours alone, so they cannot be anybody else's.
fn remove_sockets(directory: &Path, port: u16) {
    for name in [format!(".s.PGSQL.{port}"), format!(".s.PGSQL.{port}.lock")] {
        if let Err(error) = layout::remove_file(&directory.join(name)) {
            tracing::debug!(%error, "stale socket not removed");
        }
    }
}
