//! Sessions that end in the middle, at every byte: each fails with a code that says so, and nothing is collected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults_common;

use faults_common::device::{CONFIG, Device, End, lines};
use faults_common::telnet::Served;
use faults_common::*;
use netraven_device::DeviceSettings;
use netraven_model::{ErrorCode, Protocol};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

async fn start(protocol: Protocol, device: Device) -> Served {
    match protocol {
        Protocol::Telnet => telnet::start(device).await,
        _ => ssh::start(device).await,
    }
}

/// How many bytes the device sends in a whole session.
async fn whole(protocol: Protocol) -> usize {
    let device = Device::default();
    let sent = device.sent.clone();
    let served = start(protocol, device).await;
    let config = collected(collect(protocol, served.port, patient()).await);
    assert!(config.starts_with("version 1\n") && config.ends_with("end\n"), "{config}");
    // The line end behind `exit` is of no consequence.
    sent.load(Ordering::Relaxed) - "exit\r\n".len()
}

/// The codes of sessions that end after each so many bytes.
async fn cut(
    protocol: Protocol,
    end: End,
    step: usize,
    settings: fn() -> DeviceSettings,
) -> Vec<(usize, ErrorCode)> {
    let all = whole(protocol).await;
    let permits = Arc::new(Semaphore::new(24));
    let mut sessions = JoinSet::new();
    for at in (0..all).step_by(step).chain([all - 1]) {
        let permits = permits.clone();
        sessions.spawn(async move {
            let _permit = permits.acquire_owned().await.unwrap();
            let served = start(protocol, Device { ends_after: Some((at, end)), ..Device::default() }).await;
            let outcome = collect(protocol, served.port, settings()).await;
            (at, failed(&outcome))
        });
    }
    sessions.join_all().await
}

/// Where the session may be taken for a refused login: from the password to the first text behind it.
fn login(at: usize) -> bool {
    let before = Device::default().banner.len() + "Username: ops\r\nPassword: ".len();
    (before..before + "\r\n\r\n".len() + 1).contains(&at)
}

#[tokio::test]
async fn a_telnet_session_that_is_closed_anywhere_is_disconnected() {
    for end in [End::Close, End::HalfClose] {
        for (at, code) in cut(Protocol::Telnet, end, 1, patient).await {
            let expected = if login(at) { ErrorCode::AuthFailed } else { ErrorCode::Disconnected };
            assert_eq!(code, expected, "{end:?} after {at} bytes");
        }
    }
}

#[tokio::test]
async fn a_telnet_session_that_is_reset_anywhere_is_disconnected() {
    for (at, code) in cut(Protocol::Telnet, End::Reset, 3, patient).await {
        // What was sent last may be lost with the reset: then it looks like one at the login.
        let expected = code == ErrorCode::Disconnected || code == ErrorCode::AuthFailed && at < 100;
        assert!(expected, "{code} after {at} bytes");
    }
}

#[tokio::test]
async fn a_telnet_session_that_stalls_anywhere_times_out() {
    for (at, code) in cut(Protocol::Telnet, End::Stall, 7, impatient).await {
        assert!(matches!(code, ErrorCode::Timeout | ErrorCode::PromptNotFound), "{code} after {at} bytes");
    }
}

#[tokio::test]
async fn an_ssh_session_that_ends_as_if_all_were_well_is_disconnected() {
    for (at, code) in cut(Protocol::Ssh, End::Close, 5, patient).await {
        assert_eq!(code, ErrorCode::Disconnected, "closed after {at} bytes");
    }
    for end in [End::HalfClose, End::Reset] {
        for (at, code) in cut(Protocol::Ssh, end, 11, patient).await {
            assert_eq!(code, ErrorCode::Disconnected, "{end:?} after {at} bytes");
        }
    }
}

#[tokio::test]
async fn an_ssh_session_that_stalls_anywhere_times_out() {
    for (at, code) in cut(Protocol::Ssh, End::Stall, 13, impatient).await {
        assert!(matches!(code, ErrorCode::Timeout | ErrorCode::PromptNotFound), "{code} after {at} bytes");
    }
}

#[tokio::test]
async fn half_a_configuration_is_truncated_whatever_stands_behind_it() {
    let half = lines(CONFIG)[..60].to_vec();
    let mut sessions = JoinSet::new();
    for behind in ["\r\nsw1#", "\r\n% Error reading NVRAM\r\nsw1#", "\r\nsw1#\r\nsw1#"] {
        for protocol in [Protocol::Telnet, Protocol::Ssh] {
            let behind_config = Some(behind.as_bytes().to_vec());
            let device = Device { config: half.clone(), behind_config, ..Device::default() };
            sessions.spawn(async move {
                let served = start(protocol, device).await;
                let outcome = collect(protocol, served.port, patient()).await;
                assert_eq!(failed(&outcome), ErrorCode::Truncated, "{behind:?} over {protocol:?}");
            });
        }
    }
    sessions.join_all().await;
}
