//! FRR's daemons: real command lines of a router.

use super::skip;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const DAEMONS: &str = "/usr/lib/frr";

/// FRR's daemons with their own sockets and configuration; dropping it ends them.
pub struct Frr {
    pub folder: TempDir,
    daemons: Vec<Child>,
}

impl Drop for Frr {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            // Gone already is as good.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Frr {
    /// Without daemons yet. `None`, said aloud, where FRR cannot run.
    pub fn new() -> Option<Self> {
        if !Path::new(DAEMONS).join("zebra").exists() {
            skip("FRR is missing: install the package frr");
            return None;
        }
        if !nix_root() {
            skip("FRR's daemons need root");
            return None;
        }
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Some(Self { folder, daemons: Vec::new() })
    }

    /// Starts one with this configuration; `port` is the one for Telnet, 0 for none.
    pub fn daemon(&mut self, name: &str, config: &str, port: u16, extra: &[&str]) {
        let file = |suffix: &str| self.folder.path().join(format!("{name}.{suffix}"));
        fs::write(file("conf"), config).unwrap();
        fs::set_permissions(file("conf"), fs::Permissions::from_mode(0o644)).unwrap();
        let child = Command::new(Path::new(DAEMONS).join(name))
            .arg("-f")
            .arg(file("conf"))
            .arg("-i")
            .arg(file("pid"))
            .arg("-z")
            .arg(self.folder.path().join("zserv.api"))
            .arg("--vty_socket")
            .arg(self.folder.path())
            .args(["-A", "127.0.0.1", "-P", &port.to_string()])
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.daemons.push(child);
    }

    /// Waits until a daemon has its socket.
    pub async fn wait_for(&self, socket: &str) {
        let path = self.folder.path().join(socket);
        let appears = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::LONG, appears).await.expect("the daemon opens its socket");
    }
}

fn nix_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
