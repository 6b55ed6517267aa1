//! From the name to the host key: what is reached, what is refused, and what is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::SshSettings;
use netraven_model::{ErrorCode, Failure, HostKey, Phase, SshProfile, Target};
use russh::keys::{HashAlg, PublicKeyBase64};
use ssh_common::peer::{self, Script, new_key};
use ssh_common::*;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Deadlines that are meant to pass.
fn hasty() -> SshSettings {
    SshSettings {
        connect_timeout: Duration::from_millis(300),
        handshake_timeout: Duration::from_secs(2),
        ..settings()
    }
}

async fn failure(target: &Target, settings: &SshSettings) -> Failure {
    let failure = open(target, &password("canary"), &[], settings).await.unwrap_err();
    assert!(!failure.auth_refused);
    assert!(!failure.to_string().contains("canary"), "{failure}");
    failure.failure
}

fn expect(failure: &Failure, code: ErrorCode, phase: Phase, words: &[&str]) {
    assert_eq!((failure.code, failure.phase), (code, phase), "{failure}");
    for word in words {
        assert!(failure.message.contains(word), "{word} is missing in: {failure}");
    }
}

#[tokio::test]
async fn a_name_without_address_is_said_to_have_none() {
    let failure = failure(&target("router.invalid", 22), &settings()).await;
    expect(&failure, ErrorCode::NameNotFound, Phase::Connect, &["\"router.invalid\""]);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let (listener, target) = listen().await;
    drop(listener);
    let place = format!("127.0.0.1:{}", target.port);
    expect(&failure(&target, &settings()).await, ErrorCode::Refused, Phase::Connect, &[&place]);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_unreachable_after_the_time_given() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: once the queue is full, further requests stay without an answer.
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queue.push(stream.unwrap());
    }
    let place = address.to_string();
    expect(
        &failure(&at(address), &hasty()).await,
        ErrorCode::Unreachable,
        Phase::Connect,
        &[&place, "0.3 s"],
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let peer = peer::start(Script::default()).await;
    let target = target("localhost", peer.target.port);
    let connection = open(&target, &password("right"), &[], &settings()).await.unwrap();
    connection.disconnect().await;
}

#[tokio::test]
async fn ipv6_addresses_work_with_and_without_brackets() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return skip("no IPv6 on this machine") };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            accept(&listener).await.write_all(b"220 mail.example.net ESMTP\r\n").await.unwrap();
        }
    });
    for address in ["::1", "[::1]"] {
        let failure = failure(&target(address, port), &settings()).await;
        expect(&failure, ErrorCode::SshProtocol, Phase::Handshake, &["220 mail"]);
    }
}

#[tokio::test]
async fn a_peer_that_closes_at_once_is_disconnected() {
    let (listener, target) = listen().await;
    tokio::spawn(async move { drop(accept(&listener).await) });
    expect(
        &failure(&target, &settings()).await,
        ErrorCode::Disconnected,
        Phase::Handshake,
        &["without a word"],
    );
}

#[tokio::test]
async fn a_silent_peer_is_a_timeout_of_the_handshake() {
    let (listener, target) = listen().await;
    let failure = failure(&target, &hasty()).await;
    expect(&failure, ErrorCode::Timeout, Phase::Handshake, &["no SSH identification", "2 s"]);
    drop(listener);
}

#[tokio::test]
async fn a_peer_that_stalls_behind_its_identification_is_named() {
    let (listener, target) = listen().await;
    let stalled = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        stream.write_all(b"SSH-2.0-Slow_1.0\r\n").await.unwrap();
        stream
    });
    let failure = failure(&target, &hasty()).await;
    expect(&failure, ErrorCode::Timeout, Phase::Handshake, &["SSH-2.0-Slow_1.0", "key exchange", "2 s"]);
    drop(stalled.await.unwrap());
}

#[tokio::test]
async fn what_is_no_ssh_server_is_quoted_and_bounded() {
    let long = [b'x'; 100_000];
    let cases: [(&[u8], bool, &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", true, "HTTP/1.1 400 Bad Request\\r\\n"),
        (b"\xff\xfd\x18\xff\xfd\x20\r\nlogin: ", false, "\\xff\\xfd\\x18\\xff\\xfd \\r\\nlogin: "),
        (b"SSH-1.5-Cisco-1.25\n", false, "SSH-1.5-Cisco-1.25"),
        (b"Exceeded MaxStartups\r\n", true, "Exceeded MaxStartups"),
        (
            b"SSH-2.0-Fine_1.0\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            false,
            "does not keep to the SSH protocol",
        ),
        (&long, false, "xxxx"),
    ];
    for (sent, closes, quoted) in cases {
        let (listener, target) = listen().await;
        let sent = sent.to_vec();
        let peer = tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            let _ = stream.write_all(&sent).await;
            if closes {
                return None;
            }
            Some(stream)
        });
        let failure = failure(&target, &hasty()).await;
        expect(&failure, ErrorCode::SshProtocol, Phase::Handshake, &[quoted]);
        assert!(failure.message.chars().count() < 300, "{failure}");
        drop(peer.await.unwrap());
    }
}

#[tokio::test]
async fn a_first_host_key_is_learned_and_known_ones_are_accepted() {
    let key = new_key();
    let peer = peer::start_with(Script::default(), vec![key.clone()]).await;
    let connection = open(&peer.target, &password("right"), &[], &settings()).await.unwrap();
    assert!(connection.learned());
    let learned = connection.host_key().clone();
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    assert_eq!(
        learned,
        HostKey { algorithm: "ssh-ed25519".into(), key: key.public_key().public_key_base64(), fingerprint }
    );
    assert!(connection.server_version().starts_with("SSH-2.0-"));
    let again = open(&peer.target, &password("right"), &[other_key(), learned], &settings()).await.unwrap();
    assert!(!again.learned());
}

fn other_key() -> HostKey {
    let key = new_key();
    HostKey {
        algorithm: "ssh-ed25519".into(),
        key: key.public_key().public_key_base64(),
        fingerprint: key.public_key().fingerprint(HashAlg::Sha256).to_string(),
    }
}

#[tokio::test]
async fn another_host_key_is_refused_with_both_fingerprints_before_the_login() {
    let key = new_key();
    let peer = peer::start_with(Script::default(), vec![key.clone()]).await;
    let stored = other_key();
    let shown = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    let refusal =
        open(&peer.target, &password("right"), std::slice::from_ref(&stored), &settings()).await.unwrap_err();
    let words = [shown.as_str(), stored.fingerprint.as_str(), "ssh-ed25519"];
    expect(&refusal.failure, ErrorCode::HostKeyChanged, Phase::Handshake, &words);
    assert_eq!(refusal.learned, None);
    assert_eq!(peer.log.lines(), Vec::<String>::new(), "no login was tried");
}

#[tokio::test]
async fn a_learned_key_is_told_even_when_the_login_fails() {
    let peer = peer::start(Script::default()).await;
    let refusal = open(&peer.target, &password("wrong"), &[], &settings()).await.unwrap_err();
    assert_eq!(refusal.failure.code, ErrorCode::AuthFailed);
    let learned = refusal.learned.unwrap();
    let known = open(&peer.target, &password("wrong"), &[learned], &settings()).await.unwrap_err();
    assert_eq!(known.learned, None);
}

#[tokio::test]
async fn without_a_common_algorithm_both_lists_are_told() {
    let server = russh::server::Config {
        keys: vec![new_key()],
        preferred: russh::Preferred {
            kex: vec![russh::kex::DH_G1_SHA1].into(),
            ..russh::Preferred::default()
        },
        ..russh::server::Config::default()
    };
    let peer = peer::start_configured(Script::default(), server).await;
    let modern = SshSettings { weakest: SshProfile::Modern, ..settings() };
    let words = ["key exchange", "diffie-hellman-group1-sha1", "curve25519-sha256", "profile `legacy`"];
    expect(&failure(&peer.target, &modern).await, ErrorCode::SshNegotiation, Phase::Handshake, &words);
    assert!(open(&peer.target, &password("right"), &[], &settings()).await.is_ok());
}
