//! A server that runs: finding it through its `postmaster.pid`, and stopping it.

use super::deadline::Deadline;
use super::error::PrivateError;
use super::{layout, process};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the server gets to quit without ceremony.
const QUIT_LIMIT: Duration = Duration::from_secs(10);

/// What a server says about itself in `postmaster.pid` (PostgreSQL's `miscadmin.h`, LOCK_FILE_LINE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) pid: i32,
    pub(super) status: Status,
    /// Port and directory of its Unix socket, once it has opened it.
    pub(super) socket: Option<(PathBuf, u16)>,
}

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Starting,
    Ready,
    Stopping,
}

impl Postmaster {
    /// The live server of this cluster, if there is one. A file left by a dead server, also when
    /// its number now belongs to some other process, is nobody.
    pub(super) fn of(cluster: &Path) -> Option<Self> {
        // The file is being replaced or is not text: no server that could be spoken to.
        let text = std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        parse(&text).filter(|found| process::is_postmaster(found.pid, cluster))
    }

    pub(super) fn is_alive(&self, cluster: &Path) -> bool {
        process::is_postmaster(self.pid, cluster)
    }

    /// Stops the server: clients are cut off and everything is written out (SIGINT, "fast"); if
    /// that takes too long it quits at once (SIGQUIT) and recovers at its next start.
    pub(super) async fn stop(&self, cluster: &Path, limit: Duration) -> Result<(), PrivateError> {
        for (signal, limit) in [(Signal::SIGINT, limit), (Signal::SIGQUIT, QUIT_LIMIT)] {
            process::signal(self.pid, signal);
            let deadline = Deadline::after(limit);
            if deadline.poll(|| (!self.is_alive(cluster)).then_some(())).await.is_some() {
                return Ok(());
            }
            tracing::warn!(pid = self.pid, %signal, "PostgreSQL did not stop in time");
        }
        let hint = format!("look at process {} and end it by hand", self.pid);
        Err(PrivateError::Timeout { what: "stopping PostgreSQL", limit: limit + QUIT_LIMIT, hint })
    }
}

/// Ends whatever runs in this cluster's directory, in order where that is possible, and clears away
/// what a dead server leaves.
pub(super) async fn clear(cluster: &Path, limit: Duration) -> Result<(), PrivateError> {
    if let Some(server) = Postmaster::of(cluster) {
        server.stop(cluster, limit).await?;
    }
    if !process::end_strays(cluster).await {
        let hint = format!("end the processes that work in {} by hand", cluster.display());
        return Err(PrivateError::Timeout { what: "ending left-over PostgreSQL processes", limit, hint });
    }
    layout::remove_file(&cluster.join("postmaster.pid"))
}

/// Lines: pid, data directory, start time, port, socket directory, first TCP address, shared memory
/// key, status.
fn parse(text: &str) -> Option<Postmaster> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pid = lines.first()?.parse().ok().filter(|&pid| pid > 1)?;
    let status = match lines.get(7).copied() {
        Some("ready") => Status::Ready,
        Some("stopping") => Status::Stopping,
        _ => Status::Starting,
    };
    let port = lines.get(3).and_then(|port| port.parse().ok());
    let directory = lines.get(4).filter(|directory| !directory.is_empty()).map(PathBuf::from);
    Some(Postmaster { pid, status, socket: directory.zip(port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_server_names_its_socket() {
        let text = "4711\n/data/postgres\n1763700000\n5432\n/data/run\n\n  5432001         3\nready   \n";
        let socket = Some((PathBuf::from("/data/run"), 5432));
        assert_eq!(parse(text), Some(Postmaster { pid: 4711, status: Status::Ready, socket }));
    }

    #[test]
    fn a_file_that_is_not_finished_means_starting() {
        let starting = Postmaster { pid: 4711, status: Status::Starting, socket: None };
        assert_eq!(parse("4711\n/data/postgres\n"), Some(starting));
    }

    #[test]
    fn garbage_and_impossible_numbers_are_nobody() {
        for text in ["", "\n", "no number\n", "-1\n", "0\n", "1\n", "99999999999999\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_that_belongs_to_an_unrelated_process_is_nobody() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(Postmaster::of(dir.path()), None);
    }
}
