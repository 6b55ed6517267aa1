//! The lab over real SSH: logins, slowness, changes, failures, shutdown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/client.rs"]
mod client;

use client::{Terminal, keyboard_interactive, password, reach, reach_with};
use netraven_lab::{Failing, KeyExchange, Lab, LabSettings};
use russh::keys::{PrivateKeyWithHashAlg, ssh_key::private::Ed25519Keypair};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

fn settings(count: u32) -> LabSettings {
    LabSettings { count, rejection_delay: Duration::ZERO, ..LabSettings::default() }
}

fn one(platform: &str) -> LabSettings {
    LabSettings { platforms: vec![platform.into()], ..settings(1) }
}

#[tokio::test]
async fn every_platform_is_logged_in_to_and_out_of() {
    let lab = Lab::start(settings(10)).unwrap();
    let mut platforms = HashSet::new();
    for device in lab.devices() {
        let mut terminal = Terminal::open(&device).await;
        terminal.type_in("exit\r").await;
        terminal.wait_for_end().await;
        let counters = lab.counters(device.index).unwrap();
        assert_eq!((counters.sessions, counters.commands, counters.unexpected), (1, 1, 0), "{device:?}");
        platforms.insert(device.platform);
    }
    assert_eq!(platforms.len(), 5);
    assert!(lab.unexpected().is_empty());
    lab.shutdown().await;
}

#[tokio::test]
async fn enable_and_the_running_configuration_work_over_ssh() {
    let lab = Lab::start(one("cisco_ios")).unwrap();
    let device = lab.device(0).unwrap();
    let mut terminal = Terminal::open(&device).await;
    terminal.type_in("enable\r").await;
    assert!(terminal.wait_for("Password:").await);
    terminal.command(device.enable.expose_text().unwrap(), &device.hostname).await;
    terminal.command("terminal length 0", &device.hostname).await;
    let shown = terminal.command("show running-config", &device.hostname).await;
    assert!(shown.contains(&format!("\r\nhostname {}\r\n", device.hostname)), "{shown}");
    assert!(shown.contains(&format!(" ip address {} ", device.address)));
    assert!(shown.ends_with(&format!("\r\nend\r\n\r\n{}#", device.hostname)));
    lab.shutdown().await;
}

#[tokio::test]
async fn only_the_right_password_lets_in() {
    let lab = Lab::start(one("linux")).unwrap();
    let device = lab.device(0).unwrap();
    let right = device.password.expose_text().unwrap();
    for (user, given, expected) in [
        ("netraven", "wrong", false),
        ("root", right, false),
        ("netraven", right, true),
        ("netraven", "", false),
    ] {
        let (mut handle, _) = reach(&device).await.unwrap();
        assert_eq!(password(&mut handle, user, given).await, expected, "{user}");
        let (mut handle, _) = reach(&device).await.unwrap();
        assert_eq!(keyboard_interactive(&mut handle, user, given).await, expected, "{user}");
    }
    assert_eq!(lab.counters(0).unwrap().sessions, 0);
    lab.shutdown().await;
}

#[tokio::test]
async fn only_the_authorised_key_lets_in() {
    let key = |seed| russh::keys::PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let authorized_key = Some(key(1).public_key().to_openssh().unwrap());
    let lab = Lab::start(LabSettings { authorized_key, ..one("linux") }).unwrap();
    for (seed, expected) in [(1, true), (2, false)] {
        let (mut handle, _) = reach(&lab.device(0).unwrap()).await.unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key(seed)), None);
        let result = handle.authenticate_publickey("netraven", key).await;
        assert_eq!(client::accepted(result), expected);
    }
    lab.shutdown().await;
}

#[tokio::test]
async fn two_hundred_sessions_run_at_the_same_time() {
    let lab = Lab::start(LabSettings { config_size: Some(64 * 1024), ..settings(200) }).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let all_in = Arc::new(tokio::sync::Barrier::new(200));
    for device in lab.devices() {
        let all_in = all_in.clone();
        tasks.spawn(async move {
            let mut terminal = Terminal::open(&device).await;
            all_in.wait().await;
            let version = if device.platform == "linux" { "uname -a" } else { "show version" };
            terminal.command("terminal length 0", &device.hostname).await;
            terminal.command("set cli screen-length 0", &device.hostname).await;
            let shown = terminal.command(version, &device.hostname).await;
            assert!(shown.contains(&device.hostname) || shown.contains("Arista"), "{shown}");
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert!(lab.devices().iter().all(|device| lab.counters(device.index).unwrap().sessions == 1));
    lab.shutdown().await;
}

#[tokio::test]
async fn a_long_configuration_arrives_whole_through_a_narrow_line() {
    let bandwidth = std::num::NonZeroU32::new(4 * 1024 * 1024);
    let settings = LabSettings { config_size: Some(1024 * 1024), bandwidth, ..one("juniper_junos") };
    let lab = Lab::start(settings).unwrap();
    let device = lab.device(0).unwrap();
    let mut terminal = Terminal::open(&device).await;
    terminal.command("set cli screen-length 0", &device.hostname).await;
    let began = Instant::now();
    let shown = terminal.command("show configuration", &device.hostname).await;
    assert!(shown.len().abs_diff(1024 * 1024) < 1024, "{}", shown.len());
    assert_eq!(shown.matches('{').count(), shown.matches('}').count());
    assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
    lab.shutdown().await;
}

#[tokio::test]
async fn a_thinking_device_answers_commands_in_their_order() {
    let think_time = Duration::from_millis(150);
    let lab = Lab::start(LabSettings { think_time, ..one("frr") }).unwrap();
    let device = lab.device(0).unwrap();
    let mut terminal = Terminal::open(&device).await;
    terminal.shown.clear();
    let began = Instant::now();
    terminal.type_in("nonsense 1\rnonsense 2\rnonsense 3\r").await;
    assert!(terminal.wait_for(&format!("command: nonsense 3\r\n{}#", device.hostname)).await);
    assert!(began.elapsed() >= 3 * think_time, "{:?}", began.elapsed());
    let positions: Vec<_> =
        (1..=3).map(|n| terminal.shown.find(&format!("% Unknown command: nonsense {n}")).unwrap()).collect();
    assert!(positions.is_sorted());
    let unexpected = lab.unexpected();
    assert_eq!(unexpected.len(), 3);
    assert!(unexpected[0].1.contains("nonsense 1"));
    lab.shutdown().await;
}

#[tokio::test]
async fn a_change_is_seen_by_a_session_that_is_open() {
    let lab = Lab::start(one("arista_eos")).unwrap();
    let device = lab.device(0).unwrap();
    let mut terminal = Terminal::open(&device).await;
    terminal.command("terminal length 0", &device.hostname).await;
    let before = terminal.command("show running-config", &device.hostname).await;
    assert!(lab.change(0));
    let after = terminal.command("show running-config", &device.hostname).await;
    let lines = |text: &str| text.lines().map(String::from).collect::<HashSet<_>>();
    let new: Vec<_> = lines(&after).difference(&lines(&before)).cloned().collect();
    assert!(new.iter().any(|line| line.contains("server-rack") && line.contains("(NET-")), "{new:?}");
    assert!(!lab.change(1), "there is no such device");
    lab.shutdown().await;
}

#[tokio::test]
async fn group14_devices_are_reached_with_group14_only() {
    let lab = Lab::start(LabSettings { key_exchange: KeyExchange::Group14, ..one("cisco_ios") }).unwrap();
    let device = lab.device(0).unwrap();
    let offering = |kex: &'static [russh::kex::Name]| russh::client::Config {
        preferred: russh::Preferred { kex: kex.into(), ..russh::Preferred::DEFAULT },
        ..Default::default()
    };
    assert!(reach_with(&device, offering(&[russh::kex::DH_G14_SHA1])).await.is_ok());
    assert!(matches!(
        reach_with(&device, offering(&[russh::kex::CURVE25519])).await,
        Err(russh::Error::NoCommonAlgo { .. })
    ));
    lab.shutdown().await;
}

#[tokio::test]
async fn devices_fail_in_the_ways_asked_for() {
    let kinds = [Failing::WrongPassword, Failing::ClosesMidOutput, Failing::Refuses, Failing::NeverAnswers];
    let mut settings = LabSettings { count: 4, ..one("frr") };
    settings.failures.listed = (0..).zip(kinds).collect();
    let lab = Lab::start(settings).unwrap();
    let device = |index| lab.device(index).unwrap();

    let (mut handle, _) = reach(&device(0)).await.unwrap();
    assert!(!password(&mut handle, "netraven", device(0).password.expose_text().unwrap()).await);

    let mut terminal = Terminal::open(&device(1)).await;
    terminal.type_in("show running-config\r").await;
    assert!(!terminal.wait_for("# ").await);
    assert!(terminal.shown.contains("Building configuration") && !terminal.shown.contains("\nend"));

    let refused = TcpStream::connect((device(2).address, device(2).port)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    let silent = TcpStream::connect((device(3).address, device(3).port)).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(300), silent.readable()).await;
    assert!(heard.is_err(), "the device said something");
    lab.shutdown().await;
}

#[tokio::test]
async fn addresses_without_a_device_are_closed_at_once() {
    let lab = Lab::start(settings(1)).unwrap();
    let device = lab.device(0).unwrap();
    let stranger = TcpStream::connect(("127.66.9.9", device.port)).await.unwrap();
    tokio::time::timeout(client::PATIENCE, stranger.readable()).await.unwrap().unwrap();
    let read = stranger.try_read(&mut [0; 16]);
    assert!(matches!(read, Ok(0)) || read.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock));
    lab.shutdown().await;
}
