//! Whether devices are reached, over each protocol and through a jump host; what a login without commands proves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http_common;
mod ssh_common;

use http_common::{Got, json, reply, serve};
use netraven_device::{Access, DeviceSettings, Gateway, LoginResult, Outcome, ReachRequest};
use netraven_lab::{Lab, LabSettings};
use netraven_model::{Backoff, ErrorCode, Event, Login, Phase, Protocol, Target};
use netraven_platform::Platforms;
use ssh_common::sshd;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn quick() -> DeviceSettings {
    let connect =
        Backoff { attempts: 1, base: Duration::from_millis(20), factor: 2, limit: Duration::from_secs(1) };
    let mut settings = DeviceSettings { connect, ..DeviceSettings::default() };
    settings.ssh.handshake_timeout = Duration::from_secs(3);
    settings
}

fn at(address: SocketAddr, protocol: Protocol) -> Access {
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: "r1".into(),
        address: address.ip().to_string(),
        protocol,
        port: address.port(),
        platform: "cisco_ios".into(),
    };
    Access::new(target, Login::default())
}

async fn reach(access: Access) -> Outcome<()> {
    let platform = Platforms::shipped().unwrap().get(&access.target.platform);
    Gateway::new(quick()).reach(&ReachRequest { job: None, access, platform }).await
}

fn reached(outcome: &Outcome<()>) -> bool {
    let told = outcome.events.iter().any(|event| matches!(event.event, Event::Reached { .. }));
    assert_eq!(outcome.login, LoginResult::NotTried);
    assert_eq!(outcome.result.is_ok(), told, "{outcome:?}");
    told
}

/// A peer that says this to everybody and then closes, or stays silent.
async fn peer(words: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(words) = words {
                stream.write_all(words).await.unwrap();
                // What the client says is read, so that closing is no reset.
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0; 256]).await;
            } else {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_device_of_the_lab_is_reached_over_ssh_and_telnet() {
    let settings = LabSettings {
        count: 1,
        platforms: vec!["cisco_ios".into()],
        telnet_port: Some(0),
        ..LabSettings::default()
    };
    let lab = Lab::start(settings).unwrap();
    let device = lab.device(0).unwrap();
    let outcome = reach(at((device.address, device.port).into(), Protocol::Ssh)).await;
    assert!(reached(&outcome) && outcome.dialogue.contains("SSH-2.0-"), "{}", outcome.dialogue);
    let telnet = (device.address, device.telnet_port.unwrap()).into();
    assert!(reached(&reach(at(telnet, Protocol::Telnet)).await));
    assert_eq!(lab.counters(0).unwrap().sessions, 0);
    lab.shutdown().await;
}

#[tokio::test]
async fn what_answers_otherwise_or_not_at_all_is_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (silent, mute) = (peer(None).await, peer(Some(b"")).await);
    let web = peer(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let old = peer(Some(b"SSH-1.5-Cisco-1.25\r\n")).await;
    let ssh = peer(Some(b"Authorised users only\r\nSSH-2.0-Cisco-1.25\r\n")).await;
    for (address, protocol, expected) in [
        (closed, Protocol::Ssh, Some(ErrorCode::Refused)),
        (closed, Protocol::Telnet, Some(ErrorCode::Refused)),
        (closed, Protocol::Http, Some(ErrorCode::Refused)),
        (silent, Protocol::Ssh, Some(ErrorCode::Timeout)),
        (mute, Protocol::Ssh, Some(ErrorCode::Disconnected)),
        (mute, Protocol::Telnet, Some(ErrorCode::Disconnected)),
        (web, Protocol::Ssh, Some(ErrorCode::SshProtocol)),
        (old, Protocol::Ssh, Some(ErrorCode::SshProtocol)),
        (ssh, Protocol::Ssh, None),
        // Many a server waits for the client's options.
        (silent, Protocol::Telnet, None),
    ] {
        let outcome = reach(at(address, protocol)).await;
        reached(&outcome);
        let failure = outcome.result.err();
        assert_eq!(failure.as_ref().map(|failure| failure.code), expected, "{protocol:?}: {failure:?}");
        let early = failure.is_none_or(|failure| matches!(failure.phase, Phase::Connect | Phase::Handshake));
        assert!(early, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_web_server_is_reached_when_its_certificate_is_the_right_one() {
    let server = serve(|_: &Got| json("200 OK", &serde_json::json!({}))).await;
    let mut access = Access { login: Login::default(), ..server.access("x", "y") };
    access.target.platform = "cisco_ios".into();
    assert!(reached(&reach(access.clone()).await));
    access.tls = netraven_model::TlsTrust::default();
    let failure = reach(access).await.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TlsCertificate, "{failure}");
    assert!(server.targets().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_device_behind_a_jump_host_is_reached_with_the_jump_hosts_login_alone() {
    let Some(jump) = sshd::start(&["AllowTcpForwarding yes"], &["ed25519"], "ed25519").await else { return };
    let ssh = peer(Some(b"SSH-2.0-Cisco-1.25\r\n")).await;
    let hop = Access::new(jump.target.clone(), jump.login());
    let outcome = reach(Access { via: vec![hop], ..at(ssh, Protocol::Ssh) }).await;
    assert!(reached(&outcome), "{:?}", outcome.result);
    assert_eq!(outcome.hops.len(), 1, "the jump host's key is learned");
}

#[tokio::test]
async fn a_family_without_a_login_over_http_is_asked_one_thing_to_see_whether_the_credential_is_good() {
    let good = serve(|_: &Got| json("200 OK", &serde_json::json!({}))).await;
    let bad = serve(|_: &Got| reply("401 Unauthorized", "text/plain", "no")).await;
    for (server, expected) in [(&good, LoginResult::Accepted), (&bad, LoginResult::Refused)] {
        let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
        let outcome = http_common::execute(server.access("ops", "pw"), platform, &[]).await;
        assert_eq!(outcome.login, expected, "{:?}", outcome.result);
        assert_eq!(server.targets().len(), 1, "{:?}", server.targets());
    }
}
