//! TLS as OpenSSL speaks it with everything allowed: for single devices that know nothing newer than TLS 1.1 or CBC.

use super::connect::Stream;
use super::failures::{certificate_refused, pin_refused};
use super::tls::Seen;
use crate::route;
use netraven_model::{CertificateCheck, ErrorCode, Failure, Phase};
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509VerifyResult;
use std::path::Path;
use std::pin::Pin;
use tokio_openssl::SslStream;

/// Shakes hands and judges the certificate; the deadline is the caller's.
pub(super) async fn connect(
    stream: route::Stream,
    address: &str,
    check: CertificateCheck,
    ca_file: Option<&Path>,
) -> Result<(Stream, String), Failure> {
    let failed =
        |error: ErrorStack| Failure::new(ErrorCode::Internal, Phase::Handshake, format!("OpenSSL: {error}"));
    let session = session(address, ca_file).map_err(failed)?;
    let mut stream = SslStream::new(session, stream).map_err(failed)?;
    if let Err(error) = Pin::new(&mut stream).connect().await {
        let message = format!("the handshake with everything allowed that OpenSSL knows failed: {error}");
        return Err(Failure::new(ErrorCode::TlsNegotiation, Phase::Handshake, message));
    }
    // Before anything is sent: OpenSSL has judged the certificate, but goes on whatever it found.
    let seen = judge(stream.ssl(), check)?;
    let cipher = stream.ssl().current_cipher().map_or("no cipher", |cipher| cipher.name());
    let proof = format!("{} {cipher} (legacy), certificate {}", stream.ssl().version_str(), seen.certificate);
    Ok((Box::new(stream), proof))
}

fn session(address: &str, ca_file: Option<&Path>) -> Result<Ssl, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1))?;
    builder.set_cipher_list("ALL:@SECLEVEL=0")?;
    builder.set_verify(SslVerifyMode::NONE);
    if let Some(file) = ca_file {
        builder.set_ca_file(file)?;
    }
    let literal = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    builder.build().configure()?.into_ssl(literal)
}

fn judge(session: &openssl::ssl::SslRef, check: CertificateCheck) -> Result<Seen, Failure> {
    let certificate = session.peer_certificate();
    let der = certificate.as_ref().and_then(|certificate| certificate.to_der().ok());
    let key =
        certificate.as_ref().and_then(|certificate| certificate.public_key().ok()?.public_key_to_der().ok());
    let Some(der) = der else {
        return Err(certificate_refused("the device showed none", None));
    };
    let seen = Seen::of(&der, key.as_deref());
    let verified = session.verify_result();
    match check {
        CertificateCheck::Authorities if verified != X509VerifyResult::OK => {
            Err(certificate_refused(verified.error_string(), Some(&seen)))
        }
        CertificateCheck::Pin(pin) if !seen.is(pin) => Err(pin_refused(pin, Some(&seen))),
        _ => Ok(seen),
    }
}
