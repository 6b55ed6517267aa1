//! Runs the built program against a database of the test's own.
#![allow(dead_code, reason = "each test binary uses some of it")]

pub mod api;
pub mod network;

use netraven_lab::LabDevice;
use netraven_store::Store;
use netraven_store::testing::{OtherServer, TestDatabase};
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A working directory, and where wanted a database.
pub struct Place {
    database: Option<TestDatabase>,
    folder: tempfile::TempDir,
    /// What the program finds in its environment besides.
    pub variables: Vec<(&'static str, String)>,
}

/// What the program did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// With a database of this release's schema; `None` where PostgreSQL cannot be had.
    pub async fn new() -> Option<Self> {
        Some(Self { database: Some(TestDatabase::create().await?), ..Self::without_database() })
    }

    /// With a server of its own, whose superuser the program may use: roles belong to a whole server.
    pub async fn with_own_server() -> Option<(Self, OtherServer)> {
        let server = OtherServer::start(OtherServer::system_major().await?).await?;
        Some((Self::without_database(), server))
    }

    /// For a private PostgreSQL, whose own user may enter the folder when the tests run as root.
    pub fn with_private_server() -> Self {
        let place = Self::without_database();
        std::fs::create_dir_all(place.folder().join("data/keys")).unwrap();
        for folder in [place.folder().to_owned(), place.folder().join("data")] {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        }
        place
    }

    /// Without a database.
    pub fn without_database() -> Self {
        Self { database: None, folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn store(&self) -> Store {
        self.database.as_ref().unwrap().store().await
    }

    /// The database's URL, as its owner. Contains a password.
    pub fn database_url(&self) -> &str {
        self.database.as_ref().unwrap().url()
    }

    /// Writes a file into the working directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with nothing of this process's environment but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netraven"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("NETRAVEN_DATA_DIR", self.folder.path().join("data"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database.url());
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs it with something on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child)
    }

    /// Runs what must succeed, and answers its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ran:?}"))
    }

    /// Enters simulated devices and the credential with which they all let in.
    pub fn enter(&self, devices: &[LabDevice]) {
        let mut inventory = String::from("hostname,ip_address,port,device_type,site\n");
        for LabDevice { hostname, address, port, platform, site, .. } in devices {
            inventory += &format!("{hostname},{address},{port},{platform},{site}\n");
        }
        self.file("lab.csv", inventory);
        self.good(&["device", "import", "lab.csv"]);
        let (user, password) = (&devices[0].username, devices[0].password.expose_text().unwrap());
        let enable = self.file("enable.txt", devices[0].enable.expose_bytes());
        let add = ["credential", "add", "lab", "--username", user, "--password-stdin", "--enable-file"];
        let ran = self.run_with_input(&[&add[..], &[enable.to_str().unwrap()]].concat(), password);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// Runs what must succeed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.stdout
    }
}

/// Waits for its end.
pub fn finish(child: std::process::Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Checks that it failed with one `error:` line that contains this.
    #[track_caller]
    pub fn failed(&self, code: i32, message: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{self:?}");
        assert!(self.stderr.contains(message), "expected {message:?} in {self:?}");
    }
}
