//! What the tests of the private PostgreSQL share: data directories that leave nothing running,
//! a second process, and a look at `/proc`.

// Each test file is a program of its own and uses only some of this.
#![allow(dead_code)]

use netraven_store::private::{PrivateCluster, PrivateError, PrivateSettings};
use netraven_store::testing::{scratch_dir, skip_or_fail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long any single thing may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A data directory that is removed at the end of the test, with every server that runs in it.
pub struct DataDir(tempfile::TempDir);

impl DataDir {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("nr").tempdir_in(scratch_dir()).unwrap();
        // The server's user, who is not us when we are root, must get through.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    pub fn cluster(&self) -> PathBuf {
        self.path().join("postgres")
    }

    /// Settings for a cluster in it that starts quickly.
    pub fn settings(&self) -> PrivateSettings {
        PrivateSettings {
            disposable: true,
            memory_mib: 128,
            start_timeout: PATIENCE,
            ..PrivateSettings::new(self.path())
        }
    }

    /// Number of the server process according to its own file.
    pub fn server_pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.cluster().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().trim().parse().unwrap()
    }

    /// PostgreSQL processes that work below the directory.
    pub fn processes(&self) -> Vec<i32> {
        let root = self.path();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&root))
        })
        .collect()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // SIGQUIT lets a server remove its shared memory; what does not heed it is killed.
        for (signal, patience) in [(Signal::SIGQUIT, 10), (Signal::SIGKILL, 10)] {
            let end = Instant::now() + Duration::from_secs(patience);
            for pid in self.processes() {
                // It may have ended on its own in the meantime.
                let _ = kill(Pid::from_raw(pid), signal);
            }
            while !self.processes().is_empty() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Joins the cluster, or skips the test visibly where there is no PostgreSQL.
pub async fn acquire(settings: &PrivateSettings) -> Option<PrivateCluster> {
    match PrivateCluster::acquire(settings).await {
        Ok(cluster) => Some(cluster),
        Err(error @ PrivateError::NoBinaries { .. }) => {
            skip_or_fail(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether there is a PostgreSQL; where there is none, the skip is shown.
pub async fn postgres_is_here() -> bool {
    let dir = DataDir::new();
    match acquire(&dir.settings()).await {
        Some(cluster) => cluster.release().await.is_ok(),
        None => false,
    }
}

/// The single value that a statement gives, as text.
pub async fn ask(url: &str, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let value: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    value.unwrap_or_default()
}

/// Runs statements.
pub async fn execute(url: &str, sql: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Waits for something that nobody announces.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        ticks.tick().await;
    }
}

pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// For tests of what only root can do; other users are told that the test has nothing to do.
pub fn only_as_root() -> bool {
    if !is_root() {
        eprintln!("SKIPPED: this concerns root only");
    }
    is_root()
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Names the role that a re-executed test program plays, and its data directory.
const ROLE: &str = "NETRAVEN_TEST_ROLE";
const ROLE_DIR: &str = "NETRAVEN_TEST_DIR";

/// In a re-executed program: the role and the data directory it was given.
pub fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, PathBuf::from(std::env::var_os(ROLE_DIR)?)))
}

/// Another process of this test program, playing a role (see [`role`]).
pub struct Other {
    child: Child,
    /// Closing it tells the other to leave.
    stdin: Option<ChildStdin>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Other {
    /// Runs the test `entry` of this program alone, in the given role.
    pub fn start(entry: &str, role: &str, dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", entry, "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ROLE_DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    /// Waits until the other has printed this word on a line (libtest may print before it).
    pub fn expect(&self, word: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap();
            if line.ends_with(word) {
                return;
            }
        }
    }

    /// Tells the other to leave, and waits until it has.
    pub fn leave(mut self) {
        drop(self.stdin.take());
        self.expect("left");
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends the other without any warning, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// In a re-executed program: waits until the parent closes our input.
pub fn until_told_to_leave() {
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
}

/// In a re-executed program: joins the cluster, says so, stays until told to leave.
pub async fn use_cluster(dir: &Path) {
    let settings = PrivateSettings {
        disposable: true,
        memory_mib: 128,
        start_timeout: PATIENCE,
        ..PrivateSettings::new(dir)
    };
    let cluster = PrivateCluster::acquire(&settings).await.unwrap();
    println!("joined");
    until_told_to_leave();
    cluster.release().await.unwrap();
    println!("left");
}
