//! Connections over TLS, with certificates of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_store::testing::{OtherServer, ServerOptions};
use netraven_store::{ConnectSettings, DatabaseInfo, Store, StoreError};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::path::PathBuf;
use tempfile::TempDir;

/// A certificate and its key as PEM.
struct Identity {
    certificate: String,
    key: String,
}

/// A certificate authority.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A client's certificate for a database user.
    fn issue_to(&self, user: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params)
    }
}

/// What a server of this name or address shows.
fn server_params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

/// A server on 127.0.0.1 with this certificate.
async fn server_with(identity: &Identity, client_ca: Option<&Authority>) -> Option<OtherServer> {
    let mut options = ServerOptions {
        tcp: true,
        settings: vec![("ssl", "on".to_owned())],
        hba: Some("hostssl all all 127.0.0.1/32 scram-sha-256\n".to_owned()),
        files: vec![("server.crt", identity.certificate.clone()), ("server.key", identity.key.clone())],
    };
    if let Some(ca) = client_ca {
        options.settings.push(("ssl_ca_file", "clients.crt".to_owned()));
        options.files.push(("clients.crt", ca.certificate.clone()));
        options.hba = Some("hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n".to_owned());
    }
    OtherServer::start_with(OtherServer::system_major().await?, options).await
}

/// Connects as the superuser with these parameters of the URL.
async fn connect(server: &OtherServer, parameters: &str) -> Result<DatabaseInfo, StoreError> {
    let place = format!("127.0.0.1:{}", server.port());
    let url = format!("postgresql://postgres:{}@{place}/postgres?{parameters}", server.password());
    let store = Store::connect(&ConnectSettings { max_connections: 1, ..ConnectSettings::new(url) }).await?;
    let info = store.check().await?;
    store.close().await;
    Ok(info)
}

/// The message of a connection that cannot be secured; any other end is a failure of the test.
async fn unsecured(server: &OtherServer, parameters: &str) -> String {
    match connect(server, parameters).await {
        Err(error @ StoreError::Tls { .. }) => error.to_string(),
        other => panic!("expected a failure of TLS, found {other:?}"),
    }
}

/// What the server says when it refuses.
async fn refused(server: &OtherServer, parameters: &str) -> String {
    match connect(server, parameters).await {
        Err(StoreError::AuthRejected { reason, .. }) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// What is wrong with the URL.
async fn invalid(server: &OtherServer, parameters: &str) -> String {
    match connect(server, parameters).await {
        Err(error @ StoreError::Invalid { .. }) => error.to_string(),
        other => panic!("expected an unusable URL, found {other:?}"),
    }
}

/// PEM files of the client.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives the parameter that names it.
    fn write(&self, parameter: &str, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        format!("{parameter}={}", self.path(name).display())
    }

    /// The parameters that name a client's certificate and key.
    fn identity(&self, name: &str, identity: &Identity) -> String {
        let certificate = self.write("sslcert", &format!("{name}.crt"), &identity.certificate);
        format!("{certificate}&{}", self.write("sslkey", &format!("{name}.key"), &identity.key))
    }
}

#[tokio::test]
async fn a_server_is_trusted_when_its_issuer_is() {
    let (authority, other) = (Authority::new("NetRaven test CA"), Authority::new("Somebody else's CA"));
    let Some(server) = server_with(&authority.issue(&server_params("127.0.0.1")), None).await else { return };
    let files = Files::new();
    let right = files.write("sslrootcert", "right ca.crt", &authority.certificate).replace(' ', "%20");
    let info = connect(&server, &format!("sslmode=verify-full&{right}")).await.unwrap();
    assert_eq!((info.tls.as_deref(), info.in_clear), (Some("TLSv1.3"), false));

    let wrong = files.write("sslrootcert", "other.crt", &other.certificate);
    for parameters in [format!("sslmode=verify-full&{wrong}"), format!("sslmode=verify-ca&{wrong}")] {
        let message = unsecured(&server, &parameters).await;
        assert!(message.contains("issued by nobody who is trusted here"), "{message}");
        assert!(message.contains("127.0.0.1") && message.contains("as sslrootcert"), "{message}");
    }
    // Without a file the authorities that everybody knows are trusted, and ours is none.
    assert!(unsecured(&server, "sslmode=verify-full").await.contains("nobody"));
    assert!(refused(&server, "sslmode=disable").await.contains("no encryption"));
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_named() {
    let authority = Authority::new("NetRaven test CA");
    let Some(server) = server_with(&authority.issue(&server_params("127.0.0.1")), None).await else { return };
    let files = Files::new();
    let missing = files.path("missing.crt").display().to_string();
    let message = invalid(&server, &format!("sslmode=verify-full&sslrootcert={missing}")).await;
    assert!(message.contains(&missing) && message.contains("No such file"), "{message}");
    let nonsense = files.write("sslrootcert", "ca.crt", "not a certificate");
    let message = invalid(&server, &format!("sslmode=verify-full&{nonsense}")).await;
    assert!(message.contains("ca.crt") && message.contains("PEM"), "{message}");
    let alone = files.write("sslcert", "alone.crt", &authority.certificate);
    let message = invalid(&server, &format!("sslmode=require&{alone}")).await;
    assert!(message.contains("sslkey"), "{message}");
    let locked = files.write("sslkey", "locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    let message = invalid(&server, &format!("sslmode=require&{alone}&{locked}")).await;
    assert!(message.contains("passphrase") && message.contains("locked.key"), "{message}");
}

#[tokio::test]
async fn a_certificate_for_another_name_counts_for_verify_ca_only() {
    let authority = Authority::new("NetRaven test CA");
    let Some(server) = server_with(&authority.issue(&server_params("db.example")), None).await else {
        return;
    };
    let files = Files::new();
    let root = files.write("sslrootcert", "ca.crt", &authority.certificate);
    let message = unsecured(&server, &format!("sslmode=verify-full&{root}")).await;
    assert!(message.contains("is for db.example, not for 127.0.0.1"), "{message}");
    assert!(message.contains("; connect by a name"), "{message}");
    assert!(connect(&server, &format!("sslmode=verify-ca&{root}")).await.unwrap().tls.is_some());
}

#[tokio::test]
async fn certificates_before_and_after_their_time_say_so() {
    let authority = Authority::new("NetRaven test CA");
    let files = Files::new();
    let root = files.write("sslrootcert", "ca.crt", &authority.certificate);
    for (from, until, expected) in [(2000, 2001, "expired on 2001-02-03"), (4000, 4001, "not valid yet")] {
        let mut params = server_params("127.0.0.1");
        (params.not_before, params.not_after) = (date_time_ymd(from, 2, 3), date_time_ymd(until, 2, 3));
        let Some(server) = server_with(&authority.issue(&params), None).await else { return };
        let message = unsecured(&server, &format!("sslmode=verify-full&{root}")).await;
        assert!(message.contains(expected), "{message}");
        assert!(
            connect(&server, "sslmode=require").await.unwrap().tls.is_some(),
            "encrypted, but nothing is checked"
        );
    }
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_gets_the_right_one() {
    let (authority, clients, other) = (
        Authority::new("NetRaven test CA"),
        Authority::new("Clients' CA"),
        Authority::new("Somebody else's CA"),
    );
    let identity = authority.issue(&server_params("127.0.0.1"));
    let Some(server) = server_with(&identity, Some(&clients)).await else { return };
    let files = Files::new();
    let secure =
        format!("sslmode=verify-full&{}", files.write("sslrootcert", "ca.crt", &authority.certificate));
    assert!(refused(&server, &secure).await.contains("requires a valid client certificate"));

    let right = files.identity("right", &clients.issue_to("postgres"));
    assert_eq!(connect(&server, &format!("{secure}&{right}")).await.unwrap().tls.as_deref(), Some("TLSv1.3"));

    let somebody = files.identity("somebody", &clients.issue_to("somebody"));
    let reason = refused(&server, &format!("{secure}&{somebody}")).await;
    assert!(reason.contains("authentication failed"), "{reason}");

    let foreign = files.identity("foreign", &other.issue_to("postgres"));
    let message = unsecured(&server, &format!("{secure}&{foreign}")).await;
    assert!(message.contains("UnknownCA") && message.contains("ssl_ca_file"), "{message}");
}

#[tokio::test]
async fn a_server_without_tls_is_no_match_for_a_url_that_demands_it() {
    let Some(major) = OtherServer::system_major().await else { return };
    let options = ServerOptions { tcp: true, ..ServerOptions::default() };
    let Some(server) = OtherServer::start_with(major, options).await else { return };
    let message = unsecured(&server, "sslmode=require").await;
    assert!(message.contains("does not offer TLS") && message.contains("`ssl = on`"), "{message}");
    let info = connect(&server, "sslmode=prefer").await.unwrap();
    assert_eq!((info.tls, info.in_clear), (None, false), "it does not leave this machine");
}
