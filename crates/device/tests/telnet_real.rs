//! Telnet to real servers: the one of GNU inetutils, and FRR's own command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{
    Access, CollectOutcome, CollectRequest, Collected, DeviceSettings, Gateway, LoginResult,
};
use netraven_model::{ErrorCode, Login, Protocol, Target};
use netraven_platform::Platforms;
use netraven_seal::{FingerprintKey, SealedConfig, decompress};
use ssh_common::frr::Frr;
use ssh_common::{LONG, skip, sshd, target};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const TELNETD: &str = "/usr/sbin/telnetd";

/// What stands in for `login`: asks as it does, and then is a shell.
const LOGIN: &str = r#"#!/bin/bash
for try in 1 2 3; do
    read -r -p "box login: " name
    stty -echo
    read -r -p "Password: " password
    stty echo
    echo
    if [ "$name $password" = "ops password-canary" ]; then
        echo "Last login: Tue Nov 21 from 10.0.0.1"
        exec env PS1='ops@box:~$ ' bash --norc -i
    fi
    echo "Login incorrect"
done
"#;

/// inetutils' server, one process per connection. `None`, said aloud, where it is missing.
async fn telnetd(folder: &Path) -> Option<u16> {
    if !Path::new(TELNETD).exists() {
        skip("/usr/sbin/telnetd is missing: install the package inetutils-telnetd");
        return None;
    }
    let login = folder.join("login");
    fs::write(&login, LOGIN).unwrap();
    fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut children = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let socket: OwnedFd = stream.into();
            let child = Command::new(TELNETD)
                .arg("--exec-login")
                .arg(&login)
                .stdin(socket.try_clone().unwrap())
                .stdout(socket.try_clone().unwrap())
                .stderr(socket)
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            children.push(child);
        }
    });
    Some(port)
}

async fn collect(port: u16, platform: &str, login: Login) -> CollectOutcome {
    collect_via(port, platform, login, Vec::new()).await
}

async fn collect_via(port: u16, platform: &str, login: Login, via: Vec<Access>) -> CollectOutcome {
    let target =
        Target { protocol: Protocol::Telnet, platform: platform.into(), ..target("127.0.0.1", port) };
    let request = CollectRequest {
        job: None,
        access: Access { via, ..Access::new(target, login) },
        platform: Platforms::shipped().unwrap().get(platform).unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    };
    Gateway::new(DeviceSettings::default()).collect(&request).await
}

fn login(username: &str, password: &str, enable: Option<&str>) -> Login {
    Login {
        username: username.into(),
        password: Some(password.into()),
        enable: enable.map(Into::into),
        ..Login::default()
    }
}

fn changed(outcome: CollectOutcome) -> Box<SealedConfig> {
    match outcome.result {
        Ok(Collected::Changed { config, .. }) => config,
        other => panic!("{other:?}\n{}", outcome.dialogue),
    }
}

fn text(config: &SealedConfig, name: &str) -> String {
    let part = config.parts().iter().find(|part| part.name == name).unwrap();
    String::from_utf8(decompress(&part.content, part.size, part.digest).unwrap()).unwrap()
}

#[tokio::test]
async fn a_shell_behind_a_real_telnet_server_is_collected() {
    let folder = TempDir::new().unwrap();
    let Some(port) = telnetd(folder.path()).await else { return };
    let outcome = collect(port, "linux", login("ops", "password-canary", None)).await;
    assert_eq!(outcome.login, LoginResult::Accepted, "{outcome:?}");
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    let config = changed(outcome);
    assert!(text(&config, "kernel").starts_with("Linux "));
    assert!(text(&config, "hosts").contains("localhost"));
}

#[tokio::test]
async fn a_real_telnet_server_that_refuses_the_login_is_not_asked_twice() {
    let folder = TempDir::new().unwrap();
    let Some(port) = telnetd(folder.path()).await else { return };
    let outcome = collect(port, "linux", login("ops", "wrong-canary", None)).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, outcome.login), (ErrorCode::AuthFailed, LoginResult::Refused), "{failure}");
    assert!(failure.message.contains("Login incorrect"), "{failure}");
    assert!(
        !outcome.dialogue.contains("canary") && !failure.message.contains("canary"),
        "{}",
        outcome.dialogue
    );
}

const ZEBRA: &str = "hostname frr-telnet\npassword line-canary\nenable password enable-canary\n!\n\
    interface lo\n description reached over telnet\n";

async fn zebra() -> Option<(Frr, u16)> {
    let mut frr = Frr::new()?;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    frr.daemon("zebra", ZEBRA, port, &[]);
    let listens = async { while TcpStream::connect(("127.0.0.1", port)).await.is_err() {} };
    tokio::time::timeout(LONG, listens).await.expect("zebra listens");
    Some((frr, port))
}

#[tokio::test]
async fn frr_is_collected_over_its_own_telnet_with_line_password_and_enable() {
    let Some((_frr, port)) = zebra().await else { return };
    let outcome = collect(port, "frr", login("ops", "line-canary", Some("enable-canary"))).await;
    assert_eq!(outcome.login, LoginResult::Accepted, "{outcome:?}");
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    let config = changed(outcome);
    let running = text(&config, "running-config");
    assert!(running.contains("hostname frr-telnet\n") && running.ends_with("end\n"), "{running}");
    assert!(
        running.contains(" description reached over telnet\n") && !running.contains("canary"),
        "{running}"
    );
    assert!(running.contains("password <secret:"), "{running}");
}

#[tokio::test]
async fn frrs_refusals_are_told_apart() {
    let Some((_frr, port)) = zebra().await else { return };
    let line = collect(port, "frr", login("ops", "wrong", Some("enable-canary"))).await;
    assert_eq!(line.result.unwrap_err().code, ErrorCode::AuthFailed, "{}", line.dialogue);
    let enable = collect(port, "frr", login("ops", "line-canary", Some("wrong"))).await;
    assert_eq!(enable.result.unwrap_err().code, ErrorCode::EnableFailed, "{}", enable.dialogue);
}

#[tokio::test]
async fn telnet_goes_through_a_jump_host_like_any_other_session() {
    let folder = TempDir::new().unwrap();
    let Some(port) = telnetd(folder.path()).await else { return };
    let Some(jump) = sshd::start(&["AllowTcpForwarding yes"], &["ed25519"], "ed25519").await else { return };
    let via = vec![Access::new(jump.target.clone(), jump.login())];
    let outcome = collect_via(port, "linux", login("ops", "password-canary", None), via).await;
    assert_eq!((outcome.login, outcome.hops.len()), (LoginResult::Accepted, 1), "{outcome:?}");
    assert!(text(&changed(outcome), "hosts").contains("localhost"));
}
