//! The real OpenSSH server: every algorithm on its own, keys as `ssh-keygen` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::SshSettings;
use netraven_model::{ErrorCode, Login, SshProfile};
use ssh_common::sshd::{self, Sshd};
use ssh_common::*;

const MODERN: &str = "ed25519";

/// Logs in, has the shell count, and looks at the end of it.
async fn works(server: &Sshd, login: &Login, what: &str) {
    let mut connection = match open(&server.target, login, &[], &settings()).await {
        Ok(connection) => connection,
        Err(failure) => panic!("{what}: {failure}\n{}", server.errors()),
    };
    let mut shell = connection.shell().await.unwrap();
    send(&mut shell, b"stty -echo; seq -s, 1 9999; exit 7\n").await;
    let (output, status) = read_to_end(&mut shell).await;
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains(",4999,5000,5001,") && output.contains(",9998,9999"), "{what}: {output}");
    assert_eq!(status, Some(7), "{what}");
    connection.disconnect().await;
}

/// One server per name, each with nothing but it.
async fn each_works(option: &str, names: &[&str], more: &[&str]) {
    for name in names {
        let line = format!("{option} {name}");
        let mut lines = vec![line.as_str()];
        lines.extend(more);
        let Some(server) = sshd::start(&lines, &[MODERN], MODERN).await else { return };
        works(&server, &server.login(), &line).await;
    }
}

/// One server per name, with which nothing can be agreed on.
async fn each_is_refused(option: &str, names: &[&str], kind: &str, more: &[&str]) {
    for name in names {
        let line = format!("{option} {name}");
        let mut lines = vec![line.as_str()];
        lines.extend(more);
        let Some(server) = sshd::start(&lines, &[MODERN], MODERN).await else { return };
        let failure = open(&server.target, &server.login(), &[], &settings()).await.unwrap_err().failure;
        assert_eq!(failure.code, ErrorCode::SshNegotiation, "{line}: {failure}");
        let told = format!("no common {kind} algorithm: the device offers [{name}");
        assert!(failure.message.contains(&told), "{failure}");
    }
}

#[tokio::test]
async fn key_exchanges() {
    let names = [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
    ];
    each_works("KexAlgorithms", &names, &[]).await;
}

#[tokio::test]
async fn ciphers() {
    let names = [
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
        "aes256-cbc",
        "aes192-cbc",
        "aes128-cbc",
        "3des-cbc",
    ];
    each_works("Ciphers", &names, &[]).await;
}

#[tokio::test]
async fn macs() {
    let names = [
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha1-etm@openssh.com",
        "hmac-sha1",
    ];
    each_works("MACs", &names, &["Ciphers aes128-ctr"]).await;
}

#[tokio::test]
async fn macs_with_cbc_as_old_devices_have_it() {
    each_works("MACs", &["hmac-sha1", "hmac-sha1-etm@openssh.com"], &["Ciphers 3des-cbc"]).await;
}

#[tokio::test]
async fn algorithms_that_cannot_be_spoken_are_named() {
    each_is_refused("KexAlgorithms", &["sntrup761x25519-sha512@openssh.com"], "key exchange", &[]).await;
    let macs = ["hmac-md5", "hmac-md5-96", "hmac-sha1-96", "umac-64@openssh.com"];
    each_is_refused("MACs", &macs, "MAC", &["Ciphers aes128-ctr"]).await;
}

#[tokio::test]
async fn host_keys() {
    for (algorithm, kind, stored) in [
        ("ssh-ed25519", "ed25519", "ssh-ed25519"),
        ("ecdsa-sha2-nistp256", "ecdsa-256", "ecdsa-sha2-nistp256"),
        ("ecdsa-sha2-nistp384", "ecdsa-384", "ecdsa-sha2-nistp384"),
        ("ecdsa-sha2-nistp521", "ecdsa-521", "ecdsa-sha2-nistp521"),
        ("rsa-sha2-512", "rsa-2048", "ssh-rsa"),
        ("rsa-sha2-256", "rsa-3072", "ssh-rsa"),
        ("ssh-rsa", "rsa-1024", "ssh-rsa"),
        ("ssh-dss", "dsa", "ssh-dss"),
    ] {
        let lines = [format!("HostKeyAlgorithms {algorithm}"), "RequiredRSASize 1024".into()];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let Some(server) = sshd::start(&lines, &[kind], MODERN).await else { return };
        let connection = match open(&server.target, &server.login(), &[], &settings()).await {
            Ok(connection) => connection,
            Err(failure) => panic!("{algorithm}: {failure}\n{}", server.errors()),
        };
        assert_eq!(connection.host_key().algorithm, stored);
        assert_eq!(connection.host_key().fingerprint, server.fingerprint(kind).await);
    }
}

#[tokio::test]
async fn the_stored_host_key_algorithm_is_asked_for_first() {
    let kinds = ["ed25519", "ecdsa-256", "rsa-2048"];
    let Some(server) = sshd::start(&[], &kinds, MODERN).await else { return };
    let newest = open(&server.target, &server.login(), &[], &settings()).await.unwrap();
    assert_eq!(newest.host_key().algorithm, "ssh-ed25519");
    for kind in ["rsa-2048", "ecdsa-256"] {
        let stored = server.stored_host_key(kind).await;
        let connection =
            open(&server.target, &server.login(), std::slice::from_ref(&stored), &settings()).await.unwrap();
        assert_eq!(connection.host_key(), &stored);
    }
}

#[tokio::test]
async fn a_key_of_another_algorithm_than_the_stored_one_is_refused() {
    let Some(before) = sshd::start(&[], &["rsa-2048"], MODERN).await else { return };
    let stored = before.stored_host_key("rsa-2048").await;
    let Some(server) = sshd::start(&[], &["ed25519"], MODERN).await else { return };
    let refusal =
        open(&server.target, &server.login(), std::slice::from_ref(&stored), &settings()).await.unwrap_err();
    assert_eq!(refusal.failure.code, ErrorCode::HostKeyChanged);
    let shown = format!("ssh-ed25519 {}", server.fingerprint("ed25519").await);
    let expected = format!("ssh-rsa {}", stored.fingerprint);
    let message = &refusal.failure.message;
    assert!(message.contains(&shown) && message.contains(&expected), "{message}");
}

#[tokio::test]
async fn user_keys_of_every_type_and_format() {
    for (kind, options) in [
        ("ed25519", ""),
        ("ecdsa-256", ""),
        ("ecdsa-521", ""),
        ("rsa-2048", ""),
        ("rsa-4096", "-m PEM"),
        ("rsa-2048", "-m PKCS8"),
        ("ecdsa-256", "-m PKCS8"),
    ] {
        let Some(server) = sshd::start(&[], &[MODERN], MODERN).await else { return };
        let login = server.stranger(kind, options).await;
        server.befriend();
        works(&server, &login, &format!("{kind} {options}")).await;
    }
}

#[tokio::test]
async fn encrypted_user_keys_open_with_their_passphrase() {
    for (kind, options) in [
        ("ed25519", "-N canary-open"),
        ("rsa-2048", "-N canary-open"),
        ("rsa-2048", "-m PKCS8 -N canary-open"),
    ] {
        let Some(server) = sshd::start(&[], &[MODERN], MODERN).await else { return };
        let login = server.stranger(kind, options).await;
        server.befriend();
        let login = Login { key_passphrase: Some("canary-open".into()), ..login };
        works(&server, &login, &format!("{kind} {options}")).await;
    }
}

#[tokio::test]
async fn rsa_user_keys_sign_with_what_the_server_takes() {
    for accepted in ["rsa-sha2-512", "ssh-rsa"] {
        let line = format!("PubkeyAcceptedAlgorithms {accepted}");
        let Some(server) = sshd::start(&[&line], &[MODERN], "rsa-2048").await else { return };
        works(&server, &server.login(), &line).await;
    }
}

#[tokio::test]
async fn an_rsa_key_is_not_shown_where_keys_are_not_taken() {
    let lines = ["PubkeyAuthentication no"];
    let Some(server) = sshd::start(&lines, &[MODERN], "rsa-2048").await else { return };
    let refusal = open(&server.target, &server.login(), &[], &settings()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::AuthFailed, false), "{refusal}");
    assert!(refusal.failure.message.contains("publickey (not offered)"), "{refusal}");
}

#[tokio::test]
async fn the_modern_profile_does_not_sign_with_sha1() {
    let lines = ["PubkeyAcceptedAlgorithms ssh-rsa"];
    let Some(server) = sshd::start(&lines, &[MODERN], "rsa-2048").await else { return };
    let modern = SshSettings { weakest: SshProfile::Modern, ..settings() };
    let refusal = open(&server.target, &server.login(), &[], &modern).await.unwrap_err();
    assert_eq!(refusal.failure.code, ErrorCode::AuthFailed, "{refusal}");
    let tried = "publickey with rsa-sha2-512, rsa-sha2-256 (refused)";
    assert!(refusal.failure.message.contains(tried), "{refusal}");
}

#[tokio::test]
async fn an_unknown_key_is_auth_failed_and_names_the_methods() {
    let Some(server) = sshd::start(&["PasswordAuthentication no"], &[MODERN], MODERN).await else { return };
    let login = server.stranger("ed25519", "").await;
    let refusal = open(&server.target, &login, &[], &settings()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::AuthFailed, true), "{refusal}");
    assert!(refusal.failure.message.contains("publickey with ssh-ed25519 (refused)"), "{refusal}");
}

#[tokio::test]
async fn a_password_where_only_keys_are_taken_is_told_what_is_taken() {
    let lines = ["PasswordAuthentication no", "KbdInteractiveAuthentication no"];
    let Some(server) = sshd::start(&lines, &[MODERN], MODERN).await else { return };
    let refusal = open(&server.target, &password("canary"), &[], &settings()).await.unwrap_err();
    assert_eq!(refusal.failure.code, ErrorCode::AuthFailed);
    let message = &refusal.failure.message;
    assert!(message.contains("it accepts publickey;") && message.contains("has a password"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

#[tokio::test]
async fn too_many_authentication_failures_are_a_refusal_and_no_lost_connection() {
    let lines = ["MaxAuthTries 1", "PasswordAuthentication yes"];
    let Some(server) = sshd::start(&lines, &[MODERN], MODERN).await else { return };
    let login = Login { username: server.user.clone(), ..password("canary-wrong") };
    let refusal = open(&server.target, &login, &[], &settings()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::AuthFailed, true), "{refusal}");
    let message = &refusal.failure.message;
    assert!(message.contains("Too many authentication failures") && !message.contains("canary"), "{message}");
}

#[tokio::test]
async fn the_server_names_itself_and_shows_its_banner() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("banner");
    std::fs::write(&file, "Authorised users only\n").unwrap();
    let line = format!("Banner {}", file.display());
    let Some(server) = sshd::start(&[&line], &[MODERN], MODERN).await else { return };
    let connection = open(&server.target, &server.login(), &[], &settings()).await.unwrap();
    assert_eq!(connection.banner().as_deref(), Some("Authorised users only\n"));
    assert!(connection.server_version().starts_with("SSH-2.0-OpenSSH_"), "{}", connection.server_version());
}

#[tokio::test]
async fn a_banner_that_is_not_utf8_is_named_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("banner");
    std::fs::write(&file, b"Zugriff nur f\xfcr Befugte\n").unwrap();
    let line = format!("Banner {}", file.display());
    let Some(server) = sshd::start(&[&line], &[MODERN], MODERN).await else { return };
    let refusal = open(&server.target, &server.login(), &[], &settings()).await.unwrap_err();
    assert_eq!((refusal.failure.code, refusal.auth_refused), (ErrorCode::SshProtocol, false), "{refusal}");
    assert!(refusal.failure.message.contains("not UTF-8, most likely its login banner"), "{refusal}");
}
