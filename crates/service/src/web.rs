//! HTTP and HTTPS to other services: gateways elsewhere, webhooks.

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a connection is kept for the next request: less than servers keep theirs, this project's own 30 seconds.
const KEPT: Duration = Duration::from_secs(20);

/// Why no client could be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The file with authorities cannot be read.
    #[error("{}: expected certificates in PEM: {reason}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library refuses its settings.
    #[error("no HTTP client can be made: {0}")]
    Library(String),
}

/// Why an answer was not read to its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// More came than is wanted.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The connection failed before the end.
    #[error(transparent)]
    Cut(#[from] reqwest::Error),
}

/// A client that believes the system's authorities, or those of `ca_file` instead. It follows no redirect and uses no proxy:
/// what it carries is for the address that was named. Each connection has `connect` to come about; the whole exchange
/// is bounded by the caller.
///
/// # Errors
/// See [`ClientError`].
pub fn client(ca_file: Option<&Path>, connect: Duration) -> Result<Client, ClientError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let wrong = |reason: String| ClientError::Authorities { file: file.to_owned(), reason };
            let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is none in it".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let library = |error: String| ClientError::Library(error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| library(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(connect)
        .pool_idle_timeout(KEPT)
        .build()
        .map_err(|error| library(error.to_string()))
}

/// The body of an answer, up to `max` bytes.
///
/// # Errors
/// See [`BodyError`].
pub async fn body(mut answer: Response, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > max {
            return Err(BodyError::TooLarge(max));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = client(Some(file.path()), Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()) && error.contains("PEM"), "{error}");
    }
}
