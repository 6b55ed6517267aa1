//! Many devices that do not answer, and what is left of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults_common;

use faults_common::device::{Device, End};
use faults_common::*;
use netraven_device::{DeviceSettings, Gateway};
use netraven_model::{ErrorCode, Protocol};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Of each kind: at the login and in the middle of the configuration, over Telnet and SSH.
const STALLED: usize = 50;

/// How long the stalled sessions last: much longer than a healthy one takes on the busiest machine.
const SILENCE: Duration = Duration::from_secs(25);

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The one test of this program, which counts its files and tasks.
#[tokio::test]
async fn two_hundred_stalled_devices_delay_nobody_and_leave_nothing_behind() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let healthy = telnet::start(Device::default()).await;
    // The machine's own habits, such as the platform's definition, are opened before.
    collected(collect(Protocol::Telnet, healthy.port, patient()).await);
    // The healthy device's listener is one.
    let at_rest = async {
        while tasks() > 1 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, at_rest).await.expect("the first session leaves nothing behind");
    let files = open_files();

    let stalled = |at| Device { ends_after: Some((at, End::Stall)), ..Device::default() };
    let (at_login, in_config) = (stalled(20), stalled(200));
    let mut peers = Vec::new();
    for _ in 0..STALLED {
        for device in [&at_login, &in_config] {
            peers.push((Protocol::Telnet, telnet::start(device.clone()).await));
            peers.push((Protocol::Ssh, ssh::start(device.clone()).await));
        }
    }
    let settings = DeviceSettings { login_timeout: SILENCE, command_timeout: SILENCE, ..patient() };
    let gateway = Arc::new(Gateway::new(settings));
    let mut sessions = JoinSet::new();
    for (protocol, served) in &peers {
        let (request, gateway) = (request(*protocol, served.port), gateway.clone());
        sessions.spawn(async move { failed(&gateway.collect(&request).await) });
    }
    let all_connected = async {
        // Listeners, and both ends of each connection.
        while open_files() < files + 3 * 4 * STALLED {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, all_connected).await.expect("they connect");
    let started = Instant::now();
    let outcome = timeout(LONG, gateway.collect(&request(Protocol::Telnet, healthy.port))).await.unwrap();
    collected(outcome);
    assert!(started.elapsed() < SILENCE / 2, "{:?}", started.elapsed());

    for code in timeout(LONG, sessions.join_all()).await.expect("each has its deadline") {
        assert!(matches!(code, ErrorCode::Timeout | ErrorCode::PromptNotFound), "{code}");
    }
    drop((gateway, peers));
    let nothing_left = async {
        while open_files() > files || tasks() > 1 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let left = timeout(LONG, nothing_left).await;
    assert!(left.is_ok(), "{} files instead of {files}, {} tasks instead of 1", open_files(), tasks());
}
