//! Making a new cluster. It is built beside its place and renamed when it is complete, so that an
//! interruption at any moment leaves nothing that looks like a cluster.

use super::account::Account;
use super::binaries::Binaries;
use super::deadline::Deadline;
use super::error::PrivateError;
use super::layout::{self, Layout};
use super::secret::{self, Passwords, reveal};
use super::{postmaster, tool};
use netraven_model::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bootstrap superuser of the cluster.
pub(super) const SUPERUSER: &str = "postgres";
/// Role and database that NetRaven works with.
pub(super) const APPLICATION: &str = "netraven";
/// How long a left-over server in a directory that is about to be removed may take to stop.
const LEFT_OVER_LIMIT: Duration = Duration::from_secs(5);

/// Makes clusters below one data directory.
pub(super) struct Builder<'a> {
    pub(super) layout: &'a Layout,
    pub(super) account: &'a Account,
    pub(super) binaries: &'a Binaries,
    /// Whether the disk need not be waited for.
    pub(super) disposable: bool,
}

impl Builder<'_> {
    /// A cluster with NetRaven's role and database, in its place.
    pub(super) async fn create(
        &self,
        passwords: &Passwords,
        deadline: &Deadline,
    ) -> Result<(), PrivateError> {
        self.bare(passwords, deadline).await?;
        let password = reveal(&passwords.application);
        let sql = Secret::from(format!(
            "CREATE ROLE {APPLICATION} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'\n\
             CREATE DATABASE {APPLICATION} OWNER {APPLICATION}\n\
             REVOKE ALL ON DATABASE {APPLICATION} FROM PUBLIC\n"
        ));
        self.single_user(&self.layout.building(), &sql, deadline).await?;
        self.layout.rename(&self.layout.building(), &self.layout.cluster())
    }

    /// A cluster with its superuser only, in the place for clusters being built.
    pub(super) async fn bare(&self, passwords: &Passwords, deadline: &Deadline) -> Result<(), PrivateError> {
        discard_left_over(self.layout).await?;
        let cluster = self.layout.building();
        self.layout.make_cluster_dir(&cluster, self.account)?;
        let handed_over = PasswordFile(self.layout.password_file());
        secret::write_private(&handed_over.0, &passwords.superuser)?;
        self.account.take_over(&handed_over.0)?;
        let mut command = self.account.command(&self.binaries.program("initdb"));
        command.arg("-D").arg(&cluster).arg("--pwfile").arg(&handed_over.0);
        command.args(["--username", SUPERUSER]);
        command.args(["--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--data-checksums"]);
        // The C locale sorts by bytes. Any other order comes from the system's C library, and an
        // update of that silently breaks every index on text.
        command.args(["--encoding=UTF8", "--locale=C"]);
        if self.disposable {
            // Small log segments: such a cluster often lies in memory.
            command.args(["--no-sync", "--wal-segsize=1"]);
        }
        command.current_dir(self.layout.root());
        tool::run("creating the PostgreSQL cluster (initdb)", command, b"", deadline).await.map(|_| ())
    }

    /// Gives the roles of an existing, stopped cluster new passwords, for when the file with the
    /// old ones is lost. Whoever owns the cluster's directory can do this anyway.
    pub(super) async fn replace_passwords(
        &self,
        passwords: &Passwords,
        deadline: &Deadline,
    ) -> Result<(), PrivateError> {
        let sql = Secret::from(format!(
            "ALTER ROLE {SUPERUSER} PASSWORD '{}'\nALTER ROLE {APPLICATION} PASSWORD '{}'\n",
            reveal(&passwords.superuser),
            reveal(&passwords.application)
        ));
        self.single_user(&self.layout.cluster(), &sql, deadline).await
    }

    /// Runs statements, one per line, without a server. The configuration file is not read, so
    /// that no setting of it can get in the way; statements are never logged, since they carry passwords.
    async fn single_user(
        &self,
        cluster: &Path,
        sql: &Secret,
        deadline: &Deadline,
    ) -> Result<(), PrivateError> {
        let mut command = self.account.command(&self.binaries.program("postgres"));
        command.arg("--single").arg("-D").arg(cluster);
        for parameter in [
            "config_file=/dev/null",
            "exit_on_error=on",
            "log_min_error_statement=panic",
            "log_checkpoints=off",
            "password_encryption=scram-sha-256",
        ] {
            command.args(["-c", parameter]);
        }
        command.arg("postgres").current_dir(self.layout.root());
        let input = reveal(sql).as_bytes();
        tool::run("setting up roles (postgres --single)", command, input, deadline).await.map(|_| ())
    }
}

/// Removes a cluster whose building was interrupted, after ending what still works in it: an
/// `initdb` outlives a killed NetRaven and would go on writing.
pub(super) async fn discard_left_over(layout: &Layout) -> Result<(), PrivateError> {
    let building = layout.building();
    postmaster::clear(&building, LEFT_OVER_LIMIT).await?;
    layout::remove_file(&layout.password_file())?;
    layout::remove_file(&layout.building_config_file())?;
    layout.remove_dir(&building)
}

/// The file that hands the superuser's password to `initdb`; removed in any case.
struct PasswordFile(PathBuf);

impl Drop for PasswordFile {
    fn drop(&mut self) {
        if let Err(error) = layout::remove_file(&self.0) {
            tracing::error!(%error, "the superuser's password for initdb stays on the disk");
        }
    }
}
