//! A lab's life: what it starts with, what goes on in it, what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/client.rs"]
mod client;

use client::{Terminal, reach};
use netraven_lab::{Failing, Lab, LabError, LabSettings};
use std::time::Duration;
use tokio::net::TcpStream;

fn settings(count: u32) -> LabSettings {
    LabSettings { count, rejection_delay: Duration::ZERO, ..LabSettings::default() }
}

fn one(platform: &str) -> LabSettings {
    LabSettings { platforms: vec![platform.into()], ..settings(1) }
}

#[tokio::test]
async fn host_keys_differ_per_device_and_survive_a_restart() {
    let shown = |lab: &Lab, index| {
        let device = lab.device(index).unwrap();
        async move {
            let (_handle, keeper) = reach(&device).await.unwrap();
            keeper.0.lock().unwrap().clone().unwrap()
        }
    };
    let lab = Lab::start(settings(3)).unwrap();
    let before = [shown(&lab, 0).await, shown(&lab, 1).await];
    assert_ne!(before[0], before[1]);
    assert_eq!(lab.host_key(1).as_ref(), Some(&before[1]));
    lab.shutdown().await;
    let again = Lab::start(settings(3)).unwrap();
    assert_eq!([shown(&again, 0).await, shown(&again, 1).await], before);
    let other = Lab::start(LabSettings { seed: 2, ..settings(3) }).unwrap();
    assert_ne!(shown(&other, 0).await, before[0]);
}

#[tokio::test]
async fn operators_change_devices_at_the_rate_asked_for() {
    let lab = Lab::start(LabSettings { changes_per_minute: 60_000.0, ..settings(5) }).unwrap();
    let changed = async {
        while (0..5).any(|index| lab.inside(index).unwrap().2.revision == 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(client::PATIENCE, changed).await.unwrap();
    lab.shutdown().await;
}

#[tokio::test]
async fn an_idle_session_is_ended() {
    let idle_timeout = Duration::from_secs(2);
    let lab = Lab::start(LabSettings { idle_timeout, ..one("linux") }).unwrap();
    let mut terminal = Terminal::open(&lab.device(0).unwrap()).await;
    terminal.wait_for_end().await;
    lab.shutdown().await;
}

#[test]
fn shutdown_leaves_no_task_and_no_socket() {
    let clients = tokio::runtime::Runtime::new().unwrap();
    let servers = tokio::runtime::Runtime::new().unwrap();
    let mut silent = settings(12);
    silent.failures.listed = [(11, Failing::NeverAnswers)].into();
    let lab = servers.block_on(async { Lab::start(silent) }).unwrap();
    let (device, other, mute) = (lab.device(0).unwrap(), lab.device(4).unwrap(), lab.device(11).unwrap());
    let mut terminal = clients.block_on(Terminal::open(&device));
    let not_logged_in = clients.block_on(reach(&other)).unwrap();
    let unheard = clients.block_on(TcpStream::connect((mute.address, mute.port))).unwrap();
    assert!(lab.open_connections() >= 2);
    servers.block_on(lab.shutdown());
    // A task counts as alive for a moment after those who waited for it were told.
    servers.block_on(async {
        let gone = async {
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(client::PATIENCE, gone).await.expect("no task is left");
    });
    clients.block_on(async {
        terminal.wait_for_end().await;
        let error = TcpStream::connect((device.address, device.port)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        drop((not_logged_in, unheard));
    });
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let refuse = |settings| Lab::start(settings).err().expect("an error").to_string();
    assert!(refuse(settings(0)).contains("from 1 to 64000"));
    assert!(refuse(settings(64_001)).contains("64001 devices"));
    let error = refuse(LabSettings { platforms: vec!["cisco_ox".into()], ..settings(1) });
    assert!(error.contains("`cisco_ox`") && error.contains("cisco_ios, "), "{error}");
    let error = refuse(LabSettings { authorized_key: Some("ssh-rsa nonsense".into()), ..settings(1) });
    assert!(error.contains("authorized_key"), "{error}");
    let mut half = settings(1);
    half.failures.fraction = 1.5;
    assert!(refuse(half).contains("failures.fraction is 1.5"));
    assert!(
        refuse(LabSettings { changes_per_minute: f64::NAN, ..settings(1) }).contains("changes_per_minute")
    );
    let first = Lab::start(settings(1)).unwrap();
    let port = first.device(0).unwrap().port;
    assert!(matches!(Lab::start(LabSettings { port, ..settings(1) }), Err(LabError::Listen { .. })));
}

#[tokio::test]
async fn a_few_changes_are_spread_over_the_lab() {
    let lab = Lab::start(settings(10)).unwrap();
    assert_eq!(lab.change_some(3), [0, 3, 6]);
    let changed: Vec<_> = (0..10).map(|index| lab.inside(index).unwrap().2.revision).collect();
    assert_eq!(changed, [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]);
    assert_eq!(lab.change_some(50).len(), 10);
    assert!(lab.change_some(0).is_empty());
}

#[tokio::test]
async fn a_lab_has_ten_thousand_devices_with_names_of_their_own() {
    let lab = Lab::start(settings(10_000)).unwrap();
    let devices = lab.devices();
    let names: std::collections::HashSet<_> = devices.iter().map(|device| &device.hostname).collect();
    assert_eq!(names.len(), 10_000);
    Terminal::open(&devices[9_999]).await;
    assert_eq!(lab.counters(9_999).unwrap().sessions, 1);
}

#[tokio::test]
async fn a_session_from_a_folder_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let session = "platform: acme_os\nhardware: box\nsource: {kind: written, documents: [none]}\n\
        ssh_version: SSH-2.0-acme\nhostname: acme{{n}}\nlogin: {mode: main}\nmodes: {main: '{{hostname}}# '}\n\
        error: what?\ncommands: [{command: exit, close: true}]\nexpect: {parts: []}\n";
    std::fs::write(folder.path().join("session.yaml"), session).unwrap();
    let session_folders = vec![folder.path().to_path_buf()];
    let lab = Lab::start(LabSettings { session_folders, ..one("acme_os") }).unwrap();
    let device = lab.device(0).unwrap();
    let mut terminal = Terminal::open(&device).await;
    assert_eq!(terminal.command("hello", "acme0").await, "hello\r\nwhat?acme0# ");
    lab.shutdown().await;
}
