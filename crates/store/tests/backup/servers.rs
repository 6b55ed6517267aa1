use crate::bench::{Bench, made, restore_settings, settings_for};
use netraven_store::ConnectSettings;
use netraven_store::access::{Role, RolePrefix};
use netraven_store::audit::Actor;
use netraven_store::backup::{BackupError, RestoreSettings, create, restore};
use netraven_store::setup::{self, SetupSettings};
use netraven_store::testing::{OtherServer, ServerOptions, TestDatabase, skip_or_fail};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

fn setup_of(admin: ConnectSettings, folder: &Path) -> SetupSettings {
    SetupSettings {
        admin,
        prefix: RolePrefix::default(),
        logins_file: folder.join("logins.json"),
        server: Some("one for this test".to_owned()),
        new_passwords: false,
        wait: Duration::ZERO,
        actor: Actor::shell(),
    }
}

fn database(admin: &str, name: &str) -> ConnectSettings {
    ConnectSettings { database: Some(name.to_owned()), ..ConnectSettings::new(admin) }
}

#[tokio::test]
async fn a_backup_moves_to_a_newer_server_and_not_to_an_older_one() {
    let Some(old) = OtherServer::start(14).await else { return };
    let temp = tempfile::tempdir().unwrap();
    let setup = setup_of(database(old.admin_url(), "netraven"), temp.path());
    setup::initialize(&setup, None, &|_| {}).await.unwrap();
    let Some(created) = made(create(&settings_for(setup.admin, temp.path())).await) else { return };
    assert_eq!(created.manifest.postgresql_major, 14);
    let newer = TestDatabase::empty().await.unwrap();
    restore(&created.dump, &restore_settings(&newer).await, &|_| {}).await.unwrap();
    newer.store().await.ready().await.unwrap();

    let Some(bench) = Bench::new().await else { return };
    let Some(created) = bench.backup().await else { return };
    let setup = setup_of(database(old.admin_url(), "second"), temp.path());
    let refused =
        restore(&created.dump, &RestoreSettings { setup, binaries: None }, &|_| {}).await.unwrap_err();
    assert!(matches!(refused, BackupError::ServerTooOld { server: 14, .. }), "{refused}");
}

#[tokio::test]
async fn a_server_newer_than_every_pg_dump_is_told_with_what_to_install() {
    let Some(newer) = OtherServer::start(18).await else { return };
    if OtherServer::system_major().await.is_none_or(|major| major >= 18) {
        return skip_or_fail("pg_dump of this machine is not older than PostgreSQL 18");
    }
    let temp = tempfile::tempdir().unwrap();
    let setup = setup_of(database(newer.admin_url(), "netraven"), temp.path());
    setup::initialize(&setup, None, &|_| {}).await.unwrap();
    let error = create(&settings_for(setup.admin, &temp.path().join("backups"))).await.unwrap_err();
    assert!(matches!(error, BackupError::NoProgram { program: "pg_dump", needed: 18, .. }), "{error}");
    assert!(error.to_string().contains("postgresql-client-18"), "{error}");
}

/// Certificates as PEM: of an authority, and of whom it vouches for, with the key.
fn certificates(name: &str) -> (String, [(String, String); 2]) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let issue = |params: CertificateParams| {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, "client");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (authority, [issue(CertificateParams::new([name.to_owned()]).unwrap()), issue(client)])
}

#[tokio::test]
async fn certificates_that_the_url_names_are_used_for_backup_and_restore() {
    let Some(major) = OtherServer::system_major().await else { return };
    let (authority, [server, client]) = certificates("127.0.0.1");
    let options = ServerOptions {
        tcp: true,
        settings: vec![("ssl", "on".to_owned()), ("ssl_ca_file", "clients.crt".to_owned())],
        hba: Some("hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n".to_owned()),
        files: vec![("server.crt", server.0), ("server.key", server.1), ("clients.crt", authority.clone())],
    };
    let Some(server) = OtherServer::start_with(major, options).await else { return };
    let temp = tempfile::tempdir().unwrap();
    for (name, content) in [("ca.pem", &authority), ("client.pem", &client.0), ("client.key", &client.1)] {
        let path = temp.path().join(name);
        std::fs::write(&path, content).unwrap();
        // PostgreSQL's programs insist.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let url = format!(
        "postgresql://postgres:{}@127.0.0.1:{}/postgres?sslmode=verify-full&sslrootcert={folder}/ca.pem\
         &sslcert={folder}/client.pem&sslkey={folder}/client.key",
        server.password(),
        server.port(),
        folder = temp.path().display()
    );
    let setup = setup_of(database(&url, "netraven"), temp.path());
    let done = setup::initialize(&setup, None, &|_| {}).await.unwrap();
    let login = done.logins.login(Role::Backup).map(|(user, password)| (user, password.clone()));
    let backup = settings_for(ConnectSettings { login, ..setup.admin }, &temp.path().join("backups"));
    let Some(created) = made(create(&backup).await) else { return };
    // Into a database that is not there yet.
    let setup = setup_of(database(&url, "a \"second\" one"), temp.path());
    let restored = restore(&created.dump, &RestoreSettings { setup, binaries: None }, &|_| {}).await.unwrap();
    assert_eq!(restored.manifest.rows["installation"], 1);
}
