//! A PostgreSQL server of one test's own: of another major version, or with settings that the shared one cannot have.

use super::{fail, or_panic, scratch_dir, skip_or_fail};
use crate::private::{Account, Available, connection_url};
use netraven_model::Secret;
use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use uuid::Uuid;

/// Where `scripts/setup.sh` puts other major versions, below the checkout.
const TOOLS: &str = "../../target/test-tools";
/// The superuser of the server, and a database.
const SUPERUSER: &str = "postgres";
/// It names the socket where no TCP port is asked for.
const SOCKET_PORT: u16 = 5432;
/// A free TCP port may be taken by somebody else before the server has it.
const TRIES: u32 = 5;
/// The process between the test and the server.
const SUPERVISOR: &str = include_str!("other_server.sh");

/// A server of its own, which never waits for the disk. Dropping it stops it and removes its data; so does the end
/// of the test's process, even by force.
pub struct OtherServer {
    major: u32,
    port: u16,
    directory: PathBuf,
    password: Secret,
    url: Secret,
    supervisor: Child,
    /// The supervisor stops the server when this closes.
    input: Option<ChildStdin>,
}

/// What a server has beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Whether it listens on a free port of 127.0.0.1 besides its Unix socket.
    pub tcp: bool,
    /// Lines of `postgresql.conf`: name and value, which is quoted.
    pub settings: Vec<(&'static str, String)>,
    /// The whole of `pg_hba.conf`; by default everybody who reaches the server needs a password (scram-sha-256).
    pub hba: Option<String>,
    /// Files to lay into the data directory, readable to the server alone: name and content.
    pub files: Vec<(&'static str, String)>,
}

impl OtherServer {
    /// Starts a server of this major version. `None` where the version is not to be had (see [`skip_or_fail`]).
    pub async fn start(major: u32) -> Option<Self> {
        Self::start_with(major, ServerOptions::default()).await
    }

    /// As [`OtherServer::start`], with options.
    pub async fn start_with(major: u32, options: ServerOptions) -> Option<Self> {
        let Some(programs) = programs(major).await else {
            skip_or_fail(&format!(
                "PostgreSQL {major} is not here (scripts/setup.sh puts it into target/test-tools)"
            ));
            return None;
        };
        let started = tokio::task::spawn_blocking(move || Self::launch(major, &programs, &options)).await;
        Some(or_panic("start a server", or_panic("wait for the start of a server", started)))
    }

    /// The newest major version that the system itself has; `None` where it has none (see [`skip_or_fail`]).
    pub async fn system_major() -> Option<u32> {
        let available = or_panic("look for PostgreSQL", Available::search(None).await);
        match available.newest(false) {
            Ok(newest) => Some(newest.major()),
            Err(reason) => {
                skip_or_fail(&reason.to_string());
                None
            }
        }
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The port of its socket and, if asked for, of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connection URL of the superuser and the database `postgres` over the socket. Contains a password.
    pub fn admin_url(&self) -> &str {
        self.url.expose_text().unwrap_or_default()
    }

    /// Connection URL over the socket for some role and database.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> Secret {
        connection_url(user, &Secret::from(password), database, &self.directory, self.port)
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        self.password.expose_text().unwrap_or_default()
    }

    /// Where its data, its socket and its log are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the server wrote into its log so far.
    pub fn log(&self) -> String {
        or_panic("read the log of a server", std::fs::read_to_string(self.directory.join("log")))
    }

    fn launch(major: u32, programs: &Path, options: &ServerOptions) -> Result<Self, String> {
        let directory = scratch_dir().join(format!("nr-pg-{}", Uuid::now_v7().simple()));
        let account = Account::choose(None, &directory).map_err(|error| error.to_string())?;
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| format!("create {}: {error}", directory.display()))?;
        account.take_over(&directory).map_err(|error| error.to_string())?;
        let password = Secret::from(Uuid::new_v4().simple().to_string());
        let place = Place { programs, directory: &directory, account: &account };
        let running =
            place.init(&password).and_then(|()| place.configure(options)).and_then(|()| place.run(options));
        match running {
            Ok((port, supervisor, input)) => {
                let url = connection_url(SUPERUSER, &password, SUPERUSER, &directory, port);
                Ok(Self { major, port, directory, password, url, supervisor, input: Some(input) })
            }
            Err(reason) => {
                remove(&directory);
                Err(format!("PostgreSQL {major}: {reason}"))
            }
        }
    }
}

impl Drop for OtherServer {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(error) = self.supervisor.wait() {
            eprintln!("a test's server was not waited for: {error}");
        }
        remove(&self.directory);
    }
}

/// Where a server is made, by whom and with which programs.
struct Place<'a> {
    programs: &'a Path,
    directory: &'a Path,
    account: &'a Account,
}

impl Place<'_> {
    fn init(&self, password: &Secret) -> Result<(), String> {
        let handed_over = self.directory.join("password");
        self.write("password", password.expose_text().unwrap_or_default())?;
        let mut command = self.account.command(&self.programs.join("initdb")).into_std();
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&handed_over).args(["--username", SUPERUSER]);
        command.args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        ]);
        let done =
            command.current_dir(self.directory).output().map_err(|error| format!("run initdb: {error}"))?;
        let removed = std::fs::remove_file(&handed_over);
        removed.map_err(|error| format!("remove {}: {error}", handed_over.display()))?;
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    }

    fn configure(&self, options: &ServerOptions) -> Result<(), String> {
        if let Some(hba) = &options.hba {
            self.write("data/pg_hba.conf", hba)?;
        }
        options.files.iter().try_for_each(|(name, content)| self.write(&format!("data/{name}"), content))
    }

    /// Starts the server; with a TCP port that is taken in this very moment once more.
    fn run(&self, options: &ServerOptions) -> Result<(u16, Child, ChildStdin), String> {
        let mut tries = 1;
        loop {
            let port = if options.tcp { free_port()? } else { SOCKET_PORT };
            self.write("data/postgresql.auto.conf", &self.configuration(options, port))?;
            match self.supervise() {
                Ok((supervisor, input)) => return Ok((port, supervisor, input)),
                Err(reason) if tries == TRIES || !reason.contains("Address already in use") => {
                    return Err(reason);
                }
                Err(_) => tries += 1,
            }
        }
    }

    fn configuration(&self, options: &ServerOptions, port: u16) -> String {
        let own = [
            ("listen_addresses", if options.tcp { "127.0.0.1" } else { "" }.to_owned()),
            ("port", port.to_string()),
            ("unix_socket_directories", self.directory.display().to_string()),
            ("password_encryption", "scram-sha-256".to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            ("fsync", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
            ("autovacuum", "off".to_owned()),
        ];
        let mut text = String::new();
        for (name, value) in own.iter().chain(&options.settings) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        text
    }

    fn supervise(&self) -> Result<(Child, ChildStdin), String> {
        let mut command = self.account.command(Path::new("/bin/sh")).into_std();
        command.args(["-c", SUPERVISOR, "netraven-test-server"]).arg(self.programs).arg(self.directory);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| format!("run sh: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the supervisor has no pipes".to_owned());
        };
        let mut output = BufReader::new(output);
        let mut said = String::new();
        let read = output.read_line(&mut said);
        read.map_err(|error| format!("listen to the supervisor: {error}"))?;
        if said == "ready\n" {
            return Ok((child, input));
        }
        // It ended, and its last words are short: whatever cannot be read of them is only an explanation less.
        let _ = output.read_to_string(&mut said);
        let _ = child.wait();
        Err(format!("the server did not start: {said}"))
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Writes a file that belongs to the server's user, in the place of one that was there.
    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        let path = self.directory.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(|error| format!("write {}: {error}", path.display()))?;
        self.account.take_over(&path).map_err(|error| error.to_string())
    }
}

/// The directory with this version's programs: what the test set-up fetched, else the system's own.
async fn programs(major: u32) -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(TOOLS).join(format!("postgresql-{major}/bin"));
    if let Ok(directory) = fetched.canonicalize() {
        return Some(directory);
    }
    let available = or_panic("look for PostgreSQL", Available::search(None).await);
    available.of_major(major).and_then(|found| found.program("postgres").parent().map(Path::to_path_buf))
}

fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("find a free TCP port: {error}"))
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            fail_unless_panicking(&format!("remove {}: {error}", directory.display()));
        }
        _ => {}
    }
}

/// A panic during a panic would hide why the test failed.
fn fail_unless_panicking(message: &str) {
    if std::thread::panicking() { eprintln!("{message}") } else { fail(message) }
}
