//! TLS 1.2 and 1.3 with `rustls`, and what a certificate must prove.
//!
//! The system's own roots are believed rather than a list inside the program: a company's authority is installed there,
//! and what the system no longer trusts is not trusted here either.

use super::connect::Stream;
use super::failures::{self, certificate_refused};
use crate::route;
use netraven_model::{CertificateCheck, CertificatePin, ErrorCode, Failure, Hash256, Phase};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// Shakes hands and judges the certificate; the deadline is the caller's.
pub(super) async fn connect(
    stream: route::Stream,
    address: &str,
    check: CertificateCheck,
    ca_file: Option<&Path>,
) -> Result<(Stream, String), Failure> {
    let name = server_name(address)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let judge = Arc::new(Judge {
        check: Check::new(check, ca_file, &provider)?,
        provider: provider.clone(),
        seen: OnceLock::new(),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(judge.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let version =
                session.protocol_version().map_or("TLS", |version| version.as_str().unwrap_or("TLS"));
            let proof = format!("{}, {}", version.replace('_', "."), judge.proof());
            Ok((Box::new(stream), proof))
        }
        Err(error) => Err(failures::tls(&error, judge.seen.get(), check)),
    }
}

fn server_name(address: &str) -> Result<ServerName<'static>, Failure> {
    let literal = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    ServerName::try_from(literal.to_owned()).map_err(|_| {
        let message =
            format!("\"{address}\" is neither an IP address nor a name that a certificate could have");
        Failure::new(ErrorCode::NameNotFound, Phase::Handshake, message)
    })
}

/// What a device showed.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub certificate: CertificatePin,
    pub key: Option<CertificatePin>,
}

impl Seen {
    pub(super) fn of(certificate: &[u8], key: Option<&[u8]>) -> Self {
        let pin = |der: &[u8]| CertificatePin(Hash256::sha256(der));
        Self { certificate: pin(certificate), key: key.map(pin) }
    }

    pub(super) fn is(&self, pin: CertificatePin) -> bool {
        self.certificate == pin || self.key == Some(pin)
    }
}

enum Check {
    Authorities(Arc<WebPkiServerVerifier>),
    Pin(CertificatePin),
    Off,
}

impl Check {
    fn new(
        check: CertificateCheck,
        ca_file: Option<&Path>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Failure> {
        Ok(match check {
            CertificateCheck::Pin(pin) => Self::Pin(pin),
            CertificateCheck::Off => Self::Off,
            CertificateCheck::Authorities => {
                let roots = authorities(ca_file)?;
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Self::Authorities(verifier.map_err(|_| {
                    certificate_refused("this machine knows no authority that could have signed it", None)
                })?)
            }
        })
    }
}

/// The system's authorities and those of the file.
fn authorities(ca_file: Option<&Path>) -> Result<Arc<RootCertStore>, Failure> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // What cannot be read is left out: it then signs nothing.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    let Some(file) = ca_file else { return Ok(system.clone()) };
    let wrong = |what: String| internal(format!("the authorities in {}: {what}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::clone(system);
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

fn internal(message: String) -> Failure {
    Failure::new(ErrorCode::Internal, Phase::Handshake, message)
}

/// Judges a certificate and remembers what it was, so that a refusal can name it.
struct Judge {
    check: Check,
    provider: Arc<CryptoProvider>,
    seen: OnceLock<Seen>,
}

impl Judge {
    fn proof(&self) -> String {
        let how = match self.check {
            Check::Authorities(_) => "signed by a known authority",
            Check::Pin(_) => "pinned",
            Check::Off => "not checked",
        };
        self.seen.get().map_or_else(String::new, |seen| format!("certificate {}, {how}", seen.certificate))
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Certificates of old devices may be of a version that has no readable key here.
        let key =
            ParsedCertificate::try_from(certificate).ok().map(|parsed| parsed.subject_public_key_info());
        let seen = self.seen.get_or_init(|| Seen::of(certificate, key.as_deref()));
        match &self.check {
            Check::Authorities(verifier) => verifier.verify_server_cert(certificate, others, name, ocsp, now),
            Check::Pin(pin) if !seen.is(*pin) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Check::Pin(_) | Check::Off => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.check {
            // Nobody asked who it is.
            Check::Off => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            ),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.check {
            Check::Off => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
