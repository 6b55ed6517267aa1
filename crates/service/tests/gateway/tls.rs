use crate::client::over;
use crate::place::Place;
use netraven_service::gateway::TlsFiles;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a new certificate and its key; answers the certificate.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(folder.join("key.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

async fn connect(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn over_tls_it_serves_and_takes_a_renewed_certificate_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = renew(folder.path());
    let place = Place::with(None, |settings| {
        let (certificates, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        settings.tls = Some(TlsFiles { certificates, key });
    })
    .await;
    let stream = connect(place.address, &first).await.unwrap();
    let headers = [("x-api-key", place.key.as_str())];
    assert_eq!(over(stream, "GET", "/ready", &headers, Vec::new()).await.status, 200);

    let second = renew(folder.path());
    let deadline = Instant::now() + Duration::from_secs(30);
    while connect(place.address, &second).await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(connect(place.address, &first).await.is_err());
    place.stop().await;
}

#[test]
fn a_key_that_everybody_can_read_or_that_is_anothers_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    renew(folder.path());
    let start = || {
        let tls =
            TlsFiles { certificates: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let keys = tempfile::tempdir().unwrap();
        let settings =
            netraven_service::gateway::ApiSettings { tls: Some(tls), ..crate::place::settings(&keys) };
        let definitions =
            netraven_service::Definitions::new(Arc::new(netraven_platform::Platforms::shipped().unwrap()));
        let gateway = Arc::new(netraven_device::Gateway::new(netraven_device::DeviceSettings::default()));
        let started = netraven_service::gateway::ApiServer::start(gateway, definitions, None, settings);
        runtime.block_on(started).unwrap_err().to_string()
    };
    std::fs::set_permissions(folder.path().join("key.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(start().contains("everybody can read it"));
    let certificate = std::fs::read(folder.path().join("cert.pem")).unwrap();
    renew(folder.path());
    std::fs::write(folder.path().join("cert.pem"), certificate).unwrap();
    let error = start();
    assert!(error.contains("key.pem") && error.contains("KeyMismatch"), "{error}");
}
