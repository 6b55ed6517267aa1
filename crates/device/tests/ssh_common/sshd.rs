//! OpenSSH's server with its own configuration and keys, one process per connection.

use super::{at, skip};
use netraven_model::{HostKey, Login, Secret, Target};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

const SSHD: &str = "/usr/sbin/sshd";

/// A running server; dropping it ends it and its connections.
pub struct Sshd {
    pub target: Target,
    pub user: String,
    folder: TempDir,
    /// Connections being served.
    busy: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts `sshd` with these lines in its configuration, host keys of these types and the public key
/// of a fresh user key of type `user_key` as authorized. `None`, said aloud, where there is no `sshd`.
pub async fn start(lines: &[&str], host_keys: &[&str], user_key: &str) -> Option<Sshd> {
    if !Path::new(SSHD).exists() {
        skip("/usr/sbin/sshd is missing: install the package openssh-server");
        return None;
    }
    let folder = TempDir::new().unwrap();
    make_key(folder.path(), "user", user_key, "").await;
    fs::copy(folder.path().join("user.pub"), folder.path().join("authorized")).unwrap();
    let mut config = vec![
        "UsePAM no".to_owned(),
        "StrictModes no".into(),
        "PidFile none".into(),
        "PermitRootLogin yes".into(),
        "PrintMotd no".into(),
        "PrintLastLog no".into(),
        format!("AuthorizedKeysFile {}", folder.path().join("authorized").display()),
    ];
    for kind in host_keys {
        make_key(folder.path(), &format!("host_{kind}"), kind, "").await;
        config.push(format!("HostKey {}", folder.path().join(format!("host_{kind}")).display()));
    }
    config.extend(lines.iter().map(|line| (*line).to_owned()));
    let user = user().await;
    if user != "root" && !terminals_belong_to_their_group() {
        // Without root, sshd cannot hand a terminal over itself and gives up the whole session.
        config.push("PermitTTY no".into());
    }
    let file = folder.path().join("config");
    fs::write(&file, config.join("\n") + "\n").unwrap();
    if user == "root" {
        // Debian's service creates it at each start of the machine; sshd insists on it as root.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = at(listener.local_addr().unwrap());
    let errors = folder.path().join("errors");
    let busy = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&busy);
    let serving = tokio::spawn(async move {
        let mut children = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let socket: OwnedFd = stream.into();
            let log = fs::File::options().create(true).append(true).open(&errors).unwrap();
            let mut child = Command::new(SSHD)
                .args(["-i", "-e", "-f"])
                .arg(&file)
                .stdin(socket.try_clone().unwrap())
                .stdout(socket)
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let counter = Arc::clone(&counter);
            children.spawn(async move {
                let _ = child.wait().await;
                counter.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    Some(Sshd { target, user, folder, busy, serving })
}

impl Sshd {
    /// A login with the authorized key.
    pub fn login(&self) -> Login {
        Login {
            username: self.user.clone(),
            private_key: Some(Secret::new(fs::read(self.folder.path().join("user")).unwrap())),
            ..Login::default()
        }
    }

    /// A login with a key that nobody authorized, of the same format as `ssh-keygen` writes it.
    pub async fn stranger(&self, kind: &str, extra: &str) -> Login {
        make_key(self.folder.path(), "stranger", kind, extra).await;
        let key = fs::read(self.folder.path().join("stranger")).unwrap();
        Login { username: self.user.clone(), private_key: Some(Secret::new(key)), ..Login::default() }
    }

    /// Authorizes the stranger's key.
    pub fn befriend(&self) {
        let name = |name| self.folder.path().join(name);
        fs::copy(name("stranger.pub"), name("authorized")).unwrap();
    }

    /// What `ssh-keygen -l` says about a host key.
    pub async fn fingerprint(&self, kind: &str) -> String {
        let key = self.folder.path().join(format!("host_{kind}.pub"));
        let output = Command::new("ssh-keygen").arg("-lf").arg(key).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// A host key in the form in which it is stored.
    pub async fn stored_host_key(&self, kind: &str) -> HostKey {
        let line = fs::read_to_string(self.folder.path().join(format!("host_{kind}.pub"))).unwrap();
        let mut words = line.split(' ').map(str::to_owned);
        let (algorithm, key) = (words.next().unwrap(), words.next().unwrap());
        HostKey { algorithm, key, fingerprint: self.fingerprint(kind).await }
    }

    /// Waits until no connection is being served.
    pub async fn until_idle(&self) {
        while self.busy.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// What the server complained about.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }
}

/// Writes a key pair. `kind` is `ed25519`, `ecdsa-384`, `rsa-2048`, ...; `extra` are more options.
pub async fn make_key(folder: &Path, name: &str, kind: &str, extra: &str) {
    let (kind, bits) = kind.split_once('-').unwrap_or((kind, ""));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-f"]).arg(folder.join(name));
    if !bits.is_empty() {
        command.args(["-b", bits]);
    }
    command.args(extra.split_whitespace());
    if !extra.contains("-N") {
        command.args(["-N", ""]);
    }
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().await.unwrap();
    assert!(status.success(), "ssh-keygen {kind} {bits}");
}

/// Whether new pseudo-terminals come with the group that sshd wants for them.
fn terminals_belong_to_their_group() -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|mount| mount.contains(" /dev/pts ") && mount.contains("gid="))
}

async fn user() -> String {
    let output = Command::new("id").arg("-un").output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
