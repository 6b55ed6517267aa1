//! The lab as OpenSSH's own client sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use netraven_lab::{Lab, LabDevice, LabSettings};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `ssh` with `password` and `typed` as its input; `None` where there is no `ssh`.
fn ssh(folder: &Path, device: &LabDevice, known_hosts: &str, password: &str, typed: &str) -> Option<Output> {
    if Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no `ssh` here; install openssh-client");
        return None;
    }
    let askpass = folder.join("askpass");
    std::fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
    std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o700)).unwrap();
    let hosts = folder.join("known_hosts");
    std::fs::write(&hosts, known_hosts).unwrap();
    let input = folder.join("typed");
    std::fs::write(&input, typed).unwrap();
    let output = Command::new("timeout")
        .args(["60", "ssh", "-F", "none", "-tt", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"])
        .args(["-o", &format!("UserKnownHostsFile={}", hosts.display())])
        .args(["-p", &device.port.to_string(), &format!("{}@{}", device.username, device.address)])
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(std::fs::File::open(&input).unwrap())
        .output()
        .unwrap();
    Some(output)
}

/// A known-hosts line for the device.
fn known(lab: &Lab, device: &LabDevice) -> String {
    format!("[{}]:{} {}\n", device.address, device.port, lab.host_key(device.index).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_logs_in_types_commands_and_is_hung_up_on() {
    let lab =
        Lab::start(LabSettings { count: 2, platforms: vec!["arista_eos".into()], ..Default::default() });
    let lab = lab.unwrap();
    let device = lab.device(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = device.password.expose_text().unwrap();
    let typed = "terminal length 0\nshow running-config\nexit\n";
    let Some(output) = ssh(folder.path(), &device, &known(&lab, &device), password, typed) else { return };
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    assert!(shown.contains(&format!("hostname {}\r\n", device.hostname)), "{shown}");
    assert!(shown.trim_end().ends_with("#exit"), "{shown}");
    assert_eq!(lab.counters(1).unwrap().commands, 3);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_is_refused_with_a_wrong_password() {
    let lab = Lab::start(LabSettings { count: 1, ..Default::default() }).unwrap();
    let device = lab.device(0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(output) = ssh(folder.path(), &device, &known(&lab, &device), "wrong", "exit\n") else { return };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255));
    assert!(complaint.contains("Permission denied"), "{complaint}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_notices_a_device_in_the_place_of_another() {
    let lab = Lab::start(LabSettings { count: 2, ..Default::default() }).unwrap();
    let (device, other) = (lab.device(0).unwrap(), lab.device(1).unwrap());
    let wrong = known(&lab, &other).replace(&other.address.to_string(), &device.address.to_string());
    let folder = tempfile::tempdir().unwrap();
    let Some(output) = ssh(folder.path(), &device, &wrong, "any", "exit\n") else { return };
    assert_eq!(output.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Host key verification failed"));
    lab.shutdown().await;
}
