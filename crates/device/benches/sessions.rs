//! What a session costs: `cargo bench -p netraven-device --bench sessions`.
//!
//! The devices run in another process. First the CPU time per session for two commands beside the plain `ssh` of OpenSSH, which
//! gets the same commands on its standard input. Then 2,000 whole backups at once in a collector process of its own, whose peak
//! memory must stay within 512 MB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{Simulator, Wanted, cpu, each, peak_mib};
use netraven_device::{Access, CollectRequest, Collected, DeviceSettings, ExecuteRequest, Gateway};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use nix::sys::resource::UsageWho;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of the comparison.
const SESSIONS: usize = 100;
const COMMANDS: [&str; 2] = ["show version", "show running-config"];
const CONFIG: usize = 64 << 10;

/// Of the crowd.
const CROWD: usize = 2000;
const LIMIT_MIB: f64 = 512.0;
/// Long enough that the first session has not ended when the last one begins.
const THINK: Duration = Duration::from_secs(6);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("--simulate") => common::simulate(&arguments[1..]),
        Some("--crowd") => crowd(),
        _ => {
            compare();
            let status = Command::new(std::env::current_exe().unwrap()).arg("--crowd").status().unwrap();
            assert!(status.success(), "the crowd failed");
        }
    }
}

fn compare() {
    let wanted = Wanted { devices: 1, group14: false, think: Duration::ZERO, config_size: CONFIG };
    let simulator = Simulator::start(wanted);
    let access = &simulator.devices[0];
    println!("{SESSIONS} sessions, {} KiB each, one after the other", CONFIG >> 10);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("  netraven {:>7.2} CPU-ms per session", each(runtime.block_on(ask(access)), SESSIONS));
    match plain_ssh(access) {
        Some(spent) => println!("  ssh      {:>7.2} CPU-ms per session", each(spent, SESSIONS)),
        None => println!("  ssh      is not installed"),
    }
    simulator.stop();
}

async fn ask(access: &Access) -> Duration {
    let request = ExecuteRequest {
        job: None,
        platform: Platforms::shipped().unwrap().get(&access.target.platform).unwrap(),
        access: access.clone(),
        commands: COMMANDS.map(str::to_owned).into(),
        within: Duration::from_secs(60),
    };
    let gateway = Gateway::new(DeviceSettings { max_pool_size: 0, ..DeviceSettings::default() });
    let mut before = Duration::ZERO;
    for session in 0..=SESSIONS {
        if session == 1 {
            // The first one also compiled the definition.
            before = cpu(UsageWho::RUSAGE_SELF);
        }
        let answers = gateway.execute(&request).await.result.unwrap();
        assert!(answers[1].text.expose_bytes().len() > CONFIG / 2);
    }
    cpu(UsageWho::RUSAGE_SELF) - before
}

/// The same with OpenSSH's client; `None` where there is none.
fn plain_ssh(access: &Access) -> Option<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let askpass = folder.path().join("askpass");
    let password = access.login.password.as_ref().unwrap().expose_text().unwrap();
    fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).unwrap();
    let mut input = String::from("terminal length 0\n");
    COMMANDS.iter().for_each(|command| input.push_str(&format!("{command}\n")));
    input.push_str("exit\n");
    let before = cpu(UsageWho::RUSAGE_CHILDREN);
    for _ in 0..SESSIONS {
        let mut child = Command::new("ssh")
            .args([
                "-F",
                "none",
                "-tt",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["-o", "LogLevel=ERROR", "-o", "PubkeyAuthentication=no"])
            .args([
                "-p",
                &access.target.port.to_string(),
                "-l",
                &access.login.username,
                &access.target.address,
            ])
            .envs([("SSH_ASKPASS", askpass.as_os_str()), ("SSH_ASKPASS_REQUIRE", "force".as_ref())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut stdin = child.stdin.take().unwrap();
        let writing = std::thread::spawn({
            let input = input.clone();
            move || stdin.write_all(input.as_bytes()).map(|()| stdin)
        });
        let output = child.wait_with_output().unwrap();
        drop(writing.join());
        assert!(output.stdout.len() > CONFIG / 2, "ssh brought {} bytes", output.stdout.len());
    }
    Some(cpu(UsageWho::RUSAGE_CHILDREN) - before)
}

fn crowd() {
    let wanted = Wanted { devices: CROWD, group14: false, think: THINK, config_size: CONFIG };
    let simulator = Simulator::start(wanted);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (begun, before) = (Instant::now(), cpu(UsageWho::RUSAGE_SELF));
    let before_mib = peak_mib();
    runtime.block_on(collect_all(&simulator.devices));
    let (took, spent, peak) = (begun.elapsed(), cpu(UsageWho::RUSAGE_SELF) - before, peak_mib());
    let most = simulator.stop();
    println!("{CROWD} backups begun at once, {} KiB each", CONFIG >> 10);
    println!(
        "  {:.1} s, {:.2} CPU-ms per backup, {most} connections at once",
        took.as_secs_f64(),
        each(spent, CROWD)
    );
    println!(
        "  peak memory of the collector {peak:.0} MiB (limit {LIMIT_MIB:.0}, {before_mib:.0} before the first)"
    );
    assert!(most >= CROWD * 9 / 10, "they were not there at once");
    assert!(peak <= LIMIT_MIB, "more memory than allowed");
}

async fn collect_all(devices: &[Access]) {
    let platforms = Platforms::shipped().unwrap();
    let patient = Duration::from_secs(300);
    let mut settings =
        DeviceSettings { parallel_sessions: CROWD, command_timeout: patient, ..DeviceSettings::default() };
    (settings.ssh.connect_timeout, settings.ssh.handshake_timeout, settings.ssh.auth_timeout) =
        (patient, patient, patient);
    settings.login_timeout = patient;
    let gateway = Arc::new(Gateway::new(settings));
    let mut backups = tokio::task::JoinSet::new();
    for access in devices {
        let request = CollectRequest {
            job: None,
            platform: platforms.get(&access.target.platform).unwrap(),
            access: access.clone(),
            fingerprint_key: FingerprintKey::from_bytes([5; 32]),
            sealing: None,
            previous: None,
        };
        let gateway = Arc::clone(&gateway);
        backups.spawn(async move { gateway.collect(&request).await.result });
    }
    while let Some(result) = backups.join_next().await {
        let result = result.unwrap();
        assert!(matches!(result, Ok(Collected::Changed { .. })), "{result:?}");
    }
}
