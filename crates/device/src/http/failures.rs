//! From errors of TLS and HTTP to failures that say what happened and what would help.

use super::tls::Seen;
use netraven_model::{CertificateCheck, CertificatePin, ErrorCode, Failure, Phase};
use rustls::{CertificateError, Error};
use std::io;

/// A handshake that failed.
pub(super) fn tls(error: &io::Error, seen: Option<&Seen>, check: CertificateCheck) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let message = format!(
            "the connection ended during the TLS handshake: {error}; a device that knows nothing newer than TLS 1.1 may do so"
        );
        return Failure::new(ErrorCode::Disconnected, Phase::Handshake, message);
    };
    match (tls, check) {
        (Error::InvalidCertificate(_), CertificateCheck::Pin(pin)) => pin_refused(pin, seen),
        (Error::InvalidCertificate(problem), _) => certificate_refused(&reason(problem), seen),
        (Error::InvalidMessage(_), _) => {
            let message = "the peer does not speak TLS on this port";
            Failure::new(ErrorCode::TlsNegotiation, Phase::Handshake, message)
        }
        _ => {
            let message = format!(
                "no agreement on TLS: {tls}; NetRaven offers TLS 1.2 and 1.3 without CBC and static RSA, everything \
                 older only where legacy TLS is allowed for the device"
            );
            Failure::new(ErrorCode::TlsNegotiation, Phase::Handshake, message)
        }
    }
}

fn reason(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => "no authority known here has signed it".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name or address".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        problem => problem.to_string(),
    }
}

/// The certificate proves too little.
pub(super) fn certificate_refused(why: &str, seen: Option<&Seen>) -> Failure {
    let message = format!("the device's certificate is not trusted: {why}{}; nothing was sent", shown(seen));
    Failure::new(ErrorCode::TlsCertificate, Phase::Handshake, message)
}

/// It is another one than expected.
pub(super) fn pin_refused(pin: CertificatePin, seen: Option<&Seen>) -> Failure {
    let message = format!(
        "the certificate or key {pin} is pinned, the device showed another one{}; nothing was sent",
        shown(seen)
    );
    Failure::new(ErrorCode::TlsCertificate, Phase::Handshake, message)
}

fn shown(seen: Option<&Seen>) -> String {
    let Some(seen) = seen else { return String::new() };
    let key = seen.key.map_or_else(String::new, |key| format!(", that of its key {key}"));
    format!("; its fingerprint is {}{key}, which can be pinned for this device", seen.certificate)
}

/// A request without an answer.
pub(super) fn exchange(error: &hyper::Error, phase: Phase) -> Failure {
    if error.is_parse() {
        let message = format!("the peer did not answer in HTTP/1.1: {error}");
        return Failure::new(ErrorCode::HttpProtocol, phase, message);
    }
    let message = format!("the connection ended before the device answered: {error}");
    Failure::new(ErrorCode::Disconnected, phase, message)
}
