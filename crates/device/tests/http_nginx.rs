//! HTTPS against a real nginx: what its certificate must prove, redirects, packed and broken bodies, old TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http_common;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_common::nginx::Nginx;
use http_common::{access, changed, collect, definition, failure, settings, text};
use netraven_device::{Access, CollectOutcome, DeviceSettings};
use netraven_model::{CertificateCheck, ErrorCode, Phase, TlsTrust};
use netraven_platform::Platform;
use std::io::{Read, Write};
use std::sync::Arc;

const CONFIG: &[u8] = b"hostname nginx\nend\n";

fn platform() -> Arc<Platform> {
    definition("  auth: basic\n  parts: [{name: c, kind: config, end: '^end$', requests: [{path: /config}]}]")
}

fn with(nginx: &Nginx, certificate: CertificateCheck, legacy: bool) -> Access {
    access(nginx.address, "ops", "canary-pass", TlsTrust { certificate, legacy })
}

async fn ask(nginx: &Nginx, certificate: CertificateCheck, legacy: bool) -> CollectOutcome {
    collect(with(nginx, certificate, legacy), platform(), settings()).await
}

/// With the certificate as an authority.
async fn ask_knowing(nginx: &Nginx, legacy: bool) -> CollectOutcome {
    let mut settings = settings();
    settings.http.ca_file = Some(nginx.ca_file());
    collect(with(nginx, CertificateCheck::Authorities, legacy), platform(), settings).await
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_nothing_and_is_named() {
    let Some(nginx) = Nginx::start("", &[("config", CONFIG)]) else { return };
    let failed = failure(ask(&nginx, CertificateCheck::Authorities, false).await);
    assert_eq!((failed.code, failed.phase), (ErrorCode::TlsCertificate, Phase::Handshake));
    let (certificate, key) = (nginx.certificate.to_string(), nginx.key.to_string());
    assert!(failed.message.contains(&certificate) && failed.message.contains(&key), "{failed}");

    let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000".parse().unwrap();
    let failed = failure(ask(&nginx, CertificateCheck::Pin(wrong), false).await);
    assert_eq!(failed.code, ErrorCode::TlsCertificate);
    assert!(failed.message.contains(&certificate) && failed.message.contains("pinned"), "{failed}");
    assert_eq!(nginx.requests(), "", "nothing was asked");
}

#[tokio::test]
async fn an_authority_a_pin_or_an_opt_out_lets_a_device_in() {
    let Some(nginx) = Nginx::start("ssl_protocols TLSv1.3;", &[("config", CONFIG)]) else { return };
    for outcome in [
        ask_knowing(&nginx, false).await,
        ask(&nginx, CertificateCheck::Pin(nginx.certificate), false).await,
        ask(&nginx, CertificateCheck::Pin(nginx.key), false).await,
        ask(&nginx, CertificateCheck::Off, false).await,
    ] {
        assert!(outcome.dialogue.contains("TLSv1.3, certificate sha256:"), "{}", outcome.dialogue);
        assert_eq!(text(&changed(outcome).0, "c").as_bytes(), CONFIG);
    }
}

#[tokio::test]
async fn an_old_device_is_spoken_to_only_where_that_is_allowed() {
    for server in [
        "ssl_protocols TLSv1; ssl_ciphers ALL:@SECLEVEL=0;",
        "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;",
        "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-SHA;",
    ] {
        let Some(nginx) = Nginx::start(server, &[("config", CONFIG)]) else { return };
        let failed = failure(ask(&nginx, CertificateCheck::Off, false).await);
        assert_eq!(failed.code, ErrorCode::TlsNegotiation, "{server}: {failed}");
        assert!(failed.message.contains("legacy TLS") && failed.code.hint().contains("legacy"), "{failed}");

        let outcome = ask(&nginx, CertificateCheck::Pin(nginx.key), true).await;
        assert!(outcome.dialogue.contains("(legacy)"), "{}", outcome.dialogue);
        assert_eq!(text(&changed(outcome).0, "c").as_bytes(), CONFIG);
        changed(ask_knowing(&nginx, true).await);
        let asked = nginx.requests().lines().count();
        let unknown = failure(ask(&nginx, CertificateCheck::Authorities, true).await);
        assert_eq!(unknown.code, ErrorCode::TlsCertificate);
        assert!(unknown.message.contains(&nginx.certificate.to_string()), "{unknown}");
        let wrong = "0".repeat(64).parse().unwrap();
        let failed = failure(ask(&nginx, CertificateCheck::Pin(wrong), true).await);
        assert_eq!(failed.code, ErrorCode::TlsCertificate);
        assert_eq!(nginx.requests().lines().count(), asked, "nothing was asked");
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_and_nowhere_else() {
    let here = "location = /config { return 302 /a; } location = /a { return 307 https://$http_host/b; }";
    let Some(nginx) = Nginx::start(here, &[("b", CONFIG)]) else { return };
    changed(ask(&nginx, CertificateCheck::Off, false).await);

    let Some(other) = Nginx::start("", &[("config", CONFIG)]) else { return };
    let elsewhere = format!("location = /config {{ return 302 https://{}/config; }}", other.address);
    let Some(nginx) = Nginx::start(&elsewhere, &[]) else { return };
    let failed = failure(ask(&nginx, CertificateCheck::Off, false).await);
    assert_eq!(failed.code, ErrorCode::HttpProtocol);
    assert!(failed.message.contains("another host or port"), "{failed}");
    assert_eq!(other.requests(), "", "the credential stayed here");

    let Some(nginx) = Nginx::start("location = /config { return 302 /config; }", &[]) else { return };
    let failed = failure(ask(&nginx, CertificateCheck::Off, false).await);
    assert!(failed.message.contains("more than 3 redirects"), "{failed}");
}

#[tokio::test]
async fn a_packed_answer_is_unpacked_and_one_that_expands_without_end_is_stopped() {
    let long = ["interface Ethernet1\n".repeat(20_000).as_bytes(), b"end\n"].concat();
    let packing = "gzip on; gzip_types *; gzip_min_length 1;";
    let Some(nginx) = Nginx::start(packing, &[("config", &long)]) else { return };
    let outcome = ask(&nginx, CertificateCheck::Off, false).await;
    assert_eq!(text(&changed(outcome).0, "c").as_bytes(), long);
    let sent: usize = nginx.requests().split_whitespace().nth(9).unwrap().parse().unwrap();
    assert!(sent < long.len() / 10, "{sent} bytes were sent");

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'x'; 200 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let packed = "location = /config { add_header Content-Encoding gzip; }";
    let Some(nginx) = Nginx::start(packed, &[("config", &bomb)]) else { return };
    let settings = DeviceSettings { max_output: 1 << 20, ..settings() };
    let failed = failure(collect(with(&nginx, CertificateCheck::Off, false), platform(), settings).await);
    assert_eq!(failed.code, ErrorCode::OutputTooLarge);
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_truncated() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhostname x\nend\n").unwrap();
    });
    let server = format!("location = /config {{ proxy_pass http://{address}; proxy_buffering off; }}");
    let Some(nginx) = Nginx::start(&server, &[]) else {
        drop(std::net::TcpStream::connect(address));
        return;
    };
    let failed = failure(ask(&nginx, CertificateCheck::Off, false).await);
    assert_eq!(failed.code, ErrorCode::Truncated);
    assert!(failed.message.contains("of 1000 that were announced"), "{failed}");
    thread.join().unwrap();
}
