//! Devices that say what they should not, and devices that only look as if they did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults_common;

use faults_common::device::{CONFIG, Device, lines};
use faults_common::*;
use netraven_device::{CollectOutcome, DeviceSettings};
use netraven_model::{ErrorCode, Protocol};
use std::time::{Duration, Instant};

async fn try_both(device: Device, settings: impl Fn() -> DeviceSettings) -> [CollectOutcome; 2] {
    let telnet = telnet::start(device.clone()).await;
    let ssh = ssh::start(device).await;
    let telnet = collect(Protocol::Telnet, telnet.port, settings());
    let ssh = collect(Protocol::Ssh, ssh.port, settings());
    tokio::join!(telnet, ssh).into()
}

async fn fails(device: Device, settings: impl Fn() -> DeviceSettings) -> [(ErrorCode, String); 2] {
    let both = try_both(device, settings).await;
    both.map(|outcome| (failed(&outcome), outcome.result.unwrap_err().message))
}

async fn succeeds(device: Device, expected: &str) {
    for outcome in try_both(device, patient).await {
        assert_eq!(collected(outcome), expected);
    }
}

/// The configuration as it is stored: its secret sealed.
async fn stored() -> String {
    let served = telnet::start(Device::default()).await;
    collected(collect(Protocol::Telnet, served.port, patient()).await)
}

#[tokio::test]
async fn garbage_before_the_banner_does_no_harm() {
    let garbage = b"\x00\x80\xfe\x1b[\xff\xf1\x07\r\r\n\x08\x08Password\r\n\xc3( login\r\n\r\n".to_vec();
    succeeds(Device { banner: garbage.clone(), motd: garbage, ..Device::default() }, &stored().await).await;
}

#[tokio::test]
async fn output_without_end_is_too_large() {
    for text in ["and so on\r\n", "sw1#", "\r", "-"] {
        let device = Device { endless: Some(text.repeat(1000).into()), ..Device::default() };
        let small = || DeviceSettings { max_output: 4 << 20, ..patient() };
        for (code, message) in fails(device, small).await {
            assert_eq!(code, ErrorCode::OutputTooLarge, "{text:?}: {message}");
        }
    }
}

#[tokio::test]
async fn a_hundred_megabytes_in_one_line_end_in_bounded_memory_and_linear_time() {
    let served = telnet::start(Device { config: vec![b'x'; 100 << 20], ..Device::default() }).await;
    let before = peak_memory();
    let started = Instant::now();
    let outcome = collect(Protocol::Telnet, served.port, patient()).await;
    assert_eq!(failed(&outcome), ErrorCode::OutputTooLarge);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    // What may be kept, while a growing buffer is copied, and the device's own copy of its text in the same process.
    let most = 3 * patient().max_output as u64 + (100 << 20);
    assert!(peak_memory() - before < most, "{} MiB more", (peak_memory() - before) >> 20);
}

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_prompt_of_another_family_is_named() {
    let device = Device { user_prompt: "[admin@box] /> ".into(), ..Device::default() };
    for (code, message) in fails(device, impatient).await {
        assert_eq!(code, ErrorCode::PromptNotFound);
        assert!(message.contains("[admin@box]") && message.contains("[a-z]"), "{message}");
    }
}

#[tokio::test]
async fn a_prompt_inside_the_configuration_does_not_end_it() {
    let inside = CONFIG.replace("!\nend", "banner motd ^\nsw1#\nsw1# \nsw1#exit\n^\nend");
    let stored = stored().await.replace("!\nend", "banner motd ^\nsw1#\nsw1# \nsw1#exit\n^\nend");
    succeeds(Device { config: lines(&inside), ..Device::default() }, &stored).await;
}

#[tokio::test]
async fn a_prompt_with_another_name_after_enable_is_named() {
    let device = Device { prompt: "other#".into(), ..Device::default() };
    for (code, message) in fails(device, impatient).await {
        assert_eq!(code, ErrorCode::PromptNotFound, "{message}");
        assert!(message.contains("other") && message.contains("sw1"), "{message}");
    }
}

#[tokio::test]
async fn a_device_without_echo_is_collected() {
    succeeds(Device { echoes: false, ..Device::default() }, &stored().await).await;
}

#[tokio::test]
async fn what_is_meant_for_the_eye_is_no_text() {
    let device = Device {
        motd: b"\r\n\x1b[2J\x1b[1;32mWelcome\x1b[0m\r\n".to_vec(),
        user_prompt: "\x1b]0;sw1\x07\x1b[1msw1\x1b[0m>".into(),
        prompt: "\x1b[1msw1\x1b[0m#\x1b[K".into(),
        config: [lines(CONFIG), b"\x1b[0m".to_vec()].concat(),
        ..Device::default()
    };
    succeeds(device, &stored().await).await;
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_kept() {
    let text: Vec<u8> =
        CONFIG.bytes().flat_map(|byte| if byte == b'h' { vec![b'h', 0xe9] } else { vec![byte] }).collect();
    let config: Vec<u8> =
        text.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    let expected = stored().await.replace('h', "h\u{fffd}");
    // Over Telnet 0xe9 is itself: only 0xff is doubled.
    succeeds(Device { config, ..Device::default() }, &expected).await;
}
