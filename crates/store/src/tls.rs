//! What goes wrong with TLS between here and the server, in words that help.

use crate::StoreError;
use rustls::CertificateError::{
    Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
    UnknownIssuer,
};
use rustls::Error as TlsError;
use sqlx::postgres::PgConnectOptions;
use std::net::IpAddr;

/// The parameters of a URL that name files, and what these must hold.
const FILES: [(&str, &str, &str); 3] = [
    ("sslrootcert", "CERTIFICATE-----", "the certificate of the authority that issued the server's"),
    ("sslcert", "CERTIFICATE-----", "the certificate to show to the server"),
    ("sslkey", "PRIVATE KEY-----", "the key of that certificate"),
];

/// Checks that the files a URL names can be read and hold what they should: the driver would only say that some file
/// is not there.
pub(crate) fn check_files(url: &str) -> Result<(), StoreError> {
    let parameters: Vec<(&str, String)> = url
        .split_once('?')
        .map_or("", |(_, query)| query)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key, decoded(value)))
        .collect();
    let value = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    for (name, content, what) in FILES {
        if let Some(path) = value(name) {
            check_file(path, content).map_err(|problem| {
                let reason = format!("{name}={path}: {problem}; expected a PEM file with {what}");
                StoreError::invalid("the database URL", reason)
            })?;
        }
    }
    if value("sslcert").is_some() != value("sslkey").is_some() {
        let reason = "it names one of sslcert and sslkey; expected both, since a certificate needs its key";
        return Err(StoreError::invalid("the database URL", reason));
    }
    Ok(())
}

/// Why the connection could not be secured and what to do; `None` for errors that have nothing to do with TLS.
pub(crate) fn explain(error: &sqlx::Error) -> Option<(String, &'static str)> {
    match error {
        sqlx::Error::Io(error) => error.get_ref()?.downcast_ref::<TlsError>().map(explain_handshake),
        sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS") => Some((
            "the server does not offer TLS, which the database URL demands".to_owned(),
            "set `ssl = on` on the server, or use sslmode=prefer where the way to it is safe",
        )),
        sqlx::Error::Tls(error) => Some((error.to_string(), "check sslrootcert, sslcert and sslkey")),
        _ => None,
    }
}

/// Whether the way to the server leaves this machine, as far as the host's name tells.
pub(crate) fn is_remote(options: &PgConnectOptions) -> bool {
    // An IPv6 address stands in brackets.
    let host = options.get_host().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
    options.get_socket().is_none() && !is_loopback
}

fn explain_handshake(error: &TlsError) -> (String, &'static str) {
    const RENEW: &str = "renew the certificate on the server";
    const CLOCKS: &str = "check the clocks of both machines and the certificate on the server";
    const NAME: &str = "connect by a name that the certificate holds, or have one issued for this name";
    match error {
        TlsError::InvalidCertificate(UnknownIssuer) => (
            "the server's certificate was issued by nobody who is trusted here".to_owned(),
            "name the file with the issuer's certificate as sslrootcert in the database URL",
        ),
        TlsError::InvalidCertificate(Expired) => ("the server's certificate has expired".to_owned(), RENEW),
        TlsError::InvalidCertificate(ExpiredContext { not_after, .. }) => {
            (format!("the server's certificate expired on {}", date(not_after.as_secs())), RENEW)
        }
        TlsError::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            ("the server's certificate is not valid yet".to_owned(), CLOCKS)
        }
        TlsError::InvalidCertificate(NotValidForName) => {
            ("the server's certificate is for another name".to_owned(), NAME)
        }
        TlsError::InvalidCertificate(NotValidForNameContext { expected, presented }) => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let presented = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            (format!("the server's certificate is for {presented}, not for {}", expected.to_str()), NAME)
        }
        TlsError::AlertReceived(alert) => (
            format!("the server refused with the alert {alert:?}"),
            "check sslcert and sslkey, and that the server's ssl_ca_file holds the issuer of that certificate",
        ),
        other => (other.to_string(), "check the certificate on the server, and its log"),
    }
}

/// The name alone out of `DnsName("db.example")`, `IpAddress(192.0.2.1)`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// The day of a time in seconds since 1970.
fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| format!("second {seconds}"), |time| time.format("%Y-%m-%d").to_string())
}

fn check_file(path: &str, content: &str) -> Result<(), String> {
    // The driver takes the text itself, too.
    let inline = path.trim_start().starts_with("-----BEGIN");
    let read = if inline { Ok(path.to_owned()) } else { std::fs::read_to_string(path) };
    let text = read.map_err(|error| error.to_string())?;
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err("the key is protected by a passphrase, which nobody could enter".to_owned());
    }
    if text.contains(content) { Ok(()) } else { Err(format!("it has no line that ends with `{content}`")) }
}

/// The value without percent-encoding.
fn decoded(value: &str) -> String {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let (bytes, mut text, mut at) = (value.as_bytes(), Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| Some(hex(pair[0])? * 16 + hex(pair[1])?));
        match pair.filter(|_| byte == b'%').and_then(|code| u8::try_from(code).ok()) {
            Some(code) => (text.push(code), at += 3),
            None => (text.push(byte), at += 1),
        };
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_elsewhere_is_remote() {
        let remote = |url: &str| is_remote(&url.parse().unwrap());
        for url in [
            "postgres://u@localhost/d",
            "postgres://u@127.0.0.2/d",
            "postgres://u@[::1]/d",
            "postgres://u@h/d?host=/run",
        ] {
            assert!(!remote(url), "{url}");
        }
        assert!(remote("postgres://u@192.0.2.1/d") && remote("postgres://u@db.example/d"));
    }

    #[test]
    fn percent_encoding_of_paths_is_undone() {
        assert_eq!(decoded("/a%20b/%C3%BC%2fc.pem"), "/a b/ü/c.pem");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn errors_without_tls_are_left_alone() {
        assert!(explain(&sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into())).is_none());
        assert!(explain(&sqlx::Error::PoolTimedOut).is_none());
    }
}
