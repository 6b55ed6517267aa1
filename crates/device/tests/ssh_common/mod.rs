//! Peers for the SSH tests: a scripted server of `russh`, and OpenSSH's `sshd`.
// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod dropbear;
pub mod frr;
pub mod peer;
pub mod sshd;

use netraven_device::{Access, Chunk, DeviceSettings, OpenFailure, SshConnection, SshSettings, SshShell};
use netraven_model::{HostKey, Login, Phase, Protocol, Secret, Target};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Ends a test that hangs; nothing here takes that long.
pub const LONG: Duration = Duration::from_secs(60);

pub fn target(address: &str, port: u16) -> Target {
    Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: "r1".into(),
        address: address.into(),
        protocol: Protocol::Ssh,
        port,
        platform: "linux".into(),
    }
}

pub fn at(address: SocketAddr) -> Target {
    target(&address.ip().to_string(), address.port())
}

pub fn password(text: &str) -> Login {
    Login { username: "ops".into(), password: Some(Secret::from(text)), ..Login::default() }
}

pub fn settings() -> SshSettings {
    SshSettings {
        connect_timeout: Duration::from_secs(20),
        handshake_timeout: Duration::from_secs(20),
        auth_timeout: Duration::from_secs(20),
        ..SshSettings::default()
    }
}

/// Opens, or says why not; never longer than [`LONG`].
pub async fn open(
    target: &Target,
    login: &Login,
    known: &[HostKey],
    settings: &SshSettings,
) -> Result<SshConnection, OpenFailure> {
    let access = Access { host_keys: known.to_vec(), ..Access::new(target.clone(), login.clone()) };
    reach(&access, settings).await
}

/// With these and otherwise usual settings.
pub fn whole(ssh: &SshSettings) -> DeviceSettings {
    DeviceSettings { ssh: ssh.clone(), ..DeviceSettings::default() }
}

/// [`open`] with all that an access may have.
pub async fn reach(access: &Access, settings: &SshSettings) -> Result<SshConnection, OpenFailure> {
    timeout(LONG, netraven_device::open(access, &whole(settings))).await.expect("open has deadlines")
}

pub async fn recv(shell: &mut SshShell) -> Chunk {
    timeout(LONG, shell.recv()).await.expect("the peer has something to say")
}

pub async fn send(shell: &mut SshShell, bytes: &[u8]) {
    shell.send(bytes, Phase::Collect, Instant::now() + LONG).await.unwrap();
}

/// Everything until the shell is closed, and the exit status.
pub async fn read_to_end(shell: &mut SshShell) -> (Vec<u8>, Option<u32>) {
    let mut output = Vec::new();
    loop {
        match recv(shell).await {
            Chunk::Data(bytes) => output.extend(bytes),
            Chunk::Eof => {}
            Chunk::Closed { exit_status } => return (output, exit_status),
        }
    }
}

/// Waits until nothing but the test itself runs: no task of a connection is left.
pub async fn until_no_task_is_left() {
    let metrics = tokio::runtime::Handle::current().metrics();
    timeout(LONG, async {
        while metrics.num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a task of the connection stayed");
}

/// A listener on loopback, to be answered by hand.
pub async fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = at(listener.local_addr().unwrap());
    (listener, target)
}

pub async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(LONG, listener.accept()).await.expect("somebody connects").unwrap().0
}

/// Says visibly why a test does not run; a failure on the build machine, where everything must.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "must not be skipped in CI: {reason}");
    eprintln!("SKIPPED: {reason}");
}
