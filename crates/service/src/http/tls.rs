//! Certificates from files that may change while the service runs, as those of ACME clients do.

use super::auth::Kept;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// The files for TLS. They are read again when they change.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in PEM.
    pub certificates: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why certificate or key cannot be used.
#[derive(Debug, Error)]
#[error("{path}: {reason}")]
pub struct TlsError {
    /// The file.
    path: String,
    /// What was expected and what was found.
    reason: String,
}

fn wrong(path: &Path, reason: impl fmt::Display) -> TlsError {
    TlsError { path: path.display().to_string(), reason: reason.to_string() }
}

/// The certificate in use.
pub(crate) struct Certificate(pub(crate) Kept<Arc<CertifiedKey>>);

impl Certificate {
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let watched = vec![files.certificates.clone(), files.key.clone()];
        let files = files.clone();
        Kept::load("certificate and key of TLS", watched, move || read(&files)).map(Self)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current()))
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1.
pub(crate) fn config(certificate: Arc<Certificate>) -> Result<ServerConfig, rustls::Error> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth();
    let mut config = config.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The key is refused where others can read it, and where it is not the certificate's.
fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    use std::os::unix::fs::MetadataExt;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificates).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| wrong(&files.certificates, error))?;
    if certificates.is_empty() {
        return Err(wrong(&files.certificates, "expected a certificate in PEM"));
    }
    let mode = std::fs::metadata(&files.key).map_err(|error| wrong(&files.key, error))?.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(wrong(
            &files.key,
            format!("everybody can read it (mode {mode:04o}); run `chmod o-rwx` on it"),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|_| wrong(&files.key, "expected a private key in PEM"))?;
    let key = any_supported_type(&key).map_err(|error| wrong(&files.key, error))?;
    let certified = CertifiedKey::new(certificates, key);
    certified.keys_match().map_err(|error| wrong(&files.key, error))?;
    Ok(Arc::new(certified))
}
