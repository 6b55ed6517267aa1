//! Dropbear's server, as OpenWrt and many small devices have it, one process per connection.

use super::{at, skip, sshd};
use netraven_model::{Login, Secret, Target};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

const DROPBEAR: &str = "/usr/sbin/dropbear";

/// Dropbear takes keys from the home directory that the password file names: a folder is mounted over it, which nobody else
/// sees.
const START: &str = "mount --bind \"$0/home\" /root && exec \"$1\" -i -r \"$0/host\"";

/// A running server; dropping it ends it and its connections.
pub struct Dropbear {
    pub target: Target,
    folder: TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts it with a host key of that type. `None`, said aloud, where it cannot run.
pub async fn start(host_key: &str) -> Option<Dropbear> {
    if !Path::new(DROPBEAR).exists() {
        skip("/usr/sbin/dropbear is missing: install the package dropbear-bin");
        return None;
    }
    if !namespace(&["true"]).status().await.is_ok_and(|status| status.success()) {
        skip("dropbear's test needs a mount namespace of its own, as root has it");
        return None;
    }
    let folder = TempDir::new().unwrap();
    let ssh = folder.path().join("home/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    sshd::make_key(folder.path(), "user", "ed25519", "").await;
    fs::copy(folder.path().join("user.pub"), ssh.join("authorized_keys")).unwrap();
    let mut make = Command::new("dropbearkey");
    make.args(["-t", host_key, "-f"]).arg(folder.path().join("host")).stdout(Stdio::null());
    assert!(make.stderr(Stdio::null()).status().await.unwrap().success(), "dropbearkey {host_key}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = at(listener.local_addr().unwrap());
    let path = folder.path().to_owned();
    let serving = tokio::spawn(async move {
        let mut children = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let socket: OwnedFd = stream.into();
            let mut command = namespace(&["sh", "-c", START]);
            command.arg(&path).arg(DROPBEAR).stdin(socket.try_clone().unwrap()).stdout(socket);
            children.push(command.stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap());
        }
    });
    Some(Dropbear { target, folder, serving })
}

impl Dropbear {
    /// A login with the authorized key.
    pub fn login(&self) -> Login {
        let key = fs::read(self.folder.path().join("user")).unwrap();
        Login { username: "root".into(), private_key: Some(Secret::new(key)), ..Login::default() }
    }
}

fn namespace(program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount").args(program);
    command
}
