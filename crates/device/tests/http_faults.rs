//! Devices that stall, and people who give up: every wait over HTTP has an end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http_common;

use http_common::{LONG, Reply, access, collect, definition, failure, request, serve, settings};
use netraven_device::Gateway;
use netraven_model::{CertificateCheck, ErrorCode, Phase, TlsTrust};
use netraven_platform::Platform;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const SHORT: Duration = Duration::from_millis(300);

fn platform(more: &str) -> Arc<Platform> {
    definition(&format!("  parts: [{{name: c, kind: config, requests: [{{path: /config}}]}}]\n{more}"))
}

#[tokio::test]
async fn a_device_that_falls_silent_at_any_point_is_a_timeout_that_says_where() {
    for (bytes, expected) in [
        (&b""[..], "the head of the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "the head of the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhostname", "more of the answer"),
    ] {
        let server = serve(move |_| Reply { bytes: bytes.to_vec(), close: false }).await;
        let mut settings = settings();
        settings.command_timeout = SHORT;
        let failed = failure(collect(server.access("ops", "x"), platform(""), settings).await);
        assert_eq!((failed.code, failed.phase), (ErrorCode::Timeout, Phase::Collect));
        assert!(failed.message.contains(expected), "{failed}");
    }
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let access = access(listener.local_addr().unwrap(), "ops", "x", TlsTrust::default());
    let mut settings = settings();
    settings.http.handshake_timeout = SHORT;
    settings.connect.attempts = 1;
    let failed = failure(collect(access, platform(""), settings).await);
    assert_eq!((failed.code, failed.phase), (ErrorCode::Timeout, Phase::Handshake));
}

#[tokio::test]
async fn a_session_that_is_given_up_closes_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let access = access(listener.local_addr().unwrap(), "ops", "x", TlsTrust::default());
    let task =
        tokio::spawn(async move { Gateway::new(settings()).collect(&request(access, platform(""))).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0, "the handshake has begun");
    task.abort();
    let closed = async { while stream.read(&mut [0; 4096]).await.is_ok_and(|came| came > 0) {} };
    tokio::time::timeout(LONG, closed).await.expect("the socket is closed");
}

#[tokio::test]
async fn plain_http_is_spoken_only_where_certificates_are_not_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let access = access(listener.local_addr().unwrap(), "ops", "x", TlsTrust::default());
    let plain = platform("  scheme: http");
    let failed = failure(collect(access.clone(), plain.clone(), settings()).await);
    assert_eq!((failed.code, failed.phase), (ErrorCode::TlsCertificate, Phase::Connect));

    let trust = TlsTrust { certificate: CertificateCheck::Off, legacy: false };
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let came = stream.read(&mut head).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhostname\n",
        )
        .await
        .unwrap();
        String::from_utf8_lossy(&head[..came]).into_owned()
    };
    let asking = collect(netraven_device::Access { tls: trust, ..access }, plain, settings());
    let (outcome, head) = tokio::join!(asking, answering);
    http_common::changed(outcome);
    assert!(head.starts_with("GET /config HTTP/1.1\r\n"), "{head}");
}
