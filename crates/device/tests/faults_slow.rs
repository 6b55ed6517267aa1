//! Slow, fragmented, late and noisy devices that are honest: they are collected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults_common;

use faults_common::device::{CONFIG, Device, Pieces, lines};
use faults_common::*;
use netraven_model::Protocol;

async fn text(device: Device) -> [String; 2] {
    let telnet = telnet::start(device.clone()).await;
    let ssh = ssh::start(device).await;
    let telnet = collect(Protocol::Telnet, telnet.port, patient());
    let ssh = collect(Protocol::Ssh, ssh.port, patient());
    let (telnet, ssh) = tokio::join!(telnet, ssh);
    [collected(telnet), collected(ssh)]
}

async fn is_collected_as_ever(device: Device) {
    let [expected, _] = text(Device { config: device.config.clone(), ..Device::default() }).await;
    assert_eq!(expected.lines().count(), device.config.split(|byte| *byte == b'\n').count() - 1);
    assert_eq!(text(device).await, [expected.clone(), expected]);
}

#[tokio::test]
async fn one_byte_at_a_time() {
    is_collected_as_ever(Device { pieces: Pieces::Bytes, ..Device::default() }).await;
}

#[tokio::test]
async fn carriage_return_and_line_feed_apart_make_no_blank_lines() {
    is_collected_as_ever(Device { pieces: Pieces::LineEndsApart, ..Device::default() }).await;
}

#[tokio::test]
async fn fifty_kilobytes_per_second() {
    let long = CONFIG.replace("!\nend", &format!("{}!\nend", " description of an interface\n".repeat(7000)));
    is_collected_as_ever(Device { pieces: Pieces::Rate(50_000), config: lines(&long), ..Device::default() })
        .await;
}

#[tokio::test]
async fn a_pager_that_is_overwritten() {
    let back = b"\x08\x08\x08\x08\x08\x08\x08\x08\x08        \x08\x08\x08\x08\x08\x08\x08\x08\x08";
    let erasures: [&[u8]; 4] = [back, b"\r         \r", b"\r\x1b[K", b"\x1b[2K\r"];
    for goes_on in erasures {
        for pieces in [Pieces::Whole, Pieces::Bytes] {
            let pager = Some((3, &b" --More--"[..], goes_on));
            is_collected_as_ever(Device { pager, pieces, ..Device::default() }).await;
        }
    }
}

#[tokio::test]
async fn log_messages_printed_into_the_prompt() {
    let log = "*Mar  1 00:12:01: %LINK-3-UPDOWN: Interface eth0, changed state to up\r\n";
    for behind in [
        // The prompt is drawn again.
        format!("sw1#\r\n{log}sw1#"),
        // It is not.
        format!("sw1#\r\n{log}"),
        format!("sw1#{log}"),
        format!("sw1#\r\n{log}{log}\r\n"),
    ] {
        is_collected_as_ever(Device { behind_config: Some(behind.into()), ..Device::default() }).await;
    }
}
