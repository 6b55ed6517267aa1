//! What weak algorithms a device needs is learned at the first contact, and binds afterwards. The real OpenSSH server, with one
//! weak algorithm at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, SshSettings};
use netraven_model::SshProfile::{self, Compatible, Legacy, Modern};
use netraven_model::{ErrorCode, Failure};
use ssh_common::sshd::{self, Sshd};
use ssh_common::*;

const USER_KEY: &str = "ed25519";

fn access(server: &Sshd, profile: Option<SshProfile>) -> Access {
    Access { profile, ..Access::new(server.target.clone(), server.login()) }
}

async fn refused(server: &Sshd, profile: SshProfile, settings: &SshSettings) -> Failure {
    reach(&access(server, Some(profile)), settings).await.unwrap_err().failure
}

/// A server with nothing but that algorithm: it is found to need `needed`, and refused with less.
async fn needs(line: &str, more: &[&str], host_key: &str, needed: SshProfile) {
    let name = line.split(' ').nth(1).unwrap();
    let lines: Vec<&str> = [line].iter().chain(more).copied().collect();
    let Some(server) = sshd::start(&lines, &[host_key], USER_KEY).await else { return };
    let connection = match reach(&access(&server, None), &settings()).await {
        Ok(connection) => connection,
        Err(failure) => panic!("{line}: {failure}\n{}", server.errors()),
    };
    assert_eq!(connection.profile(), needed, "{line}");
    if needed > Modern {
        assert_eq!(connection.weakest_algorithms(), [name], "{line}");
    }
    for profile in SshProfile::ALL.iter().copied() {
        if profile >= needed {
            let opened = reach(&access(&server, Some(profile)), &settings()).await;
            assert_eq!(opened.unwrap().profile(), needed, "{line}");
            continue;
        }
        let failure = refused(&server, profile, &settings()).await;
        assert_eq!(failure.code, ErrorCode::SshDowngrade, "{line}: {failure}");
        let (stored, needed) = (profile.as_str(), needed.as_str());
        for words in [
            format!("the device offers [{name}"),
            format!("spoken to with `{stored}` before"),
            format!("`netraven device update r1 --ssh-profile {needed}`"),
        ] {
            assert!(failure.message.contains(&words), "{words} is missing in: {failure}");
        }
    }
}

#[tokio::test]
async fn weak_key_exchanges_are_learned_and_refused_later() {
    needs("KexAlgorithms diffie-hellman-group1-sha1", &[], "ed25519", Legacy).await;
    needs("KexAlgorithms diffie-hellman-group14-sha1", &[], "ed25519", Compatible).await;
    needs("KexAlgorithms diffie-hellman-group-exchange-sha1", &[], "ed25519", Compatible).await;
}

#[tokio::test]
async fn weak_host_keys_are_learned_and_refused_later() {
    needs("HostKeyAlgorithms ssh-rsa", &[], "rsa-2048", Compatible).await;
    needs("HostKeyAlgorithms ssh-dss", &[], "dsa", Legacy).await;
}

#[tokio::test]
async fn weak_ciphers_are_learned_and_refused_later() {
    needs("Ciphers aes128-cbc", &[], "ed25519", Compatible).await;
    needs("Ciphers aes256-cbc", &[], "ed25519", Compatible).await;
    needs("Ciphers 3des-cbc", &[], "ed25519", Legacy).await;
}

#[tokio::test]
async fn weak_macs_count_where_the_cipher_needs_one() {
    needs("MACs hmac-sha1", &["Ciphers aes128-ctr"], "ed25519", Compatible).await;
    needs("MACs hmac-sha1", &["Ciphers aes128-gcm@openssh.com"], "ed25519", Modern).await;
}

#[tokio::test]
async fn what_a_device_that_knows_better_offers_besides_is_not_taken() {
    let lines =
        ["KexAlgorithms +diffie-hellman-group1-sha1", "Ciphers +3des-cbc", "HostKeyAlgorithms +ssh-dss"];
    let Some(server) = sshd::start(&lines, &["ed25519", "dsa"], USER_KEY).await else { return };
    assert_eq!(reach(&access(&server, None), &settings()).await.unwrap().profile(), Modern);
}

#[tokio::test]
async fn a_signature_with_sha1_counts_too() {
    let Some(server) = sshd::start(&["PubkeyAcceptedAlgorithms ssh-rsa"], &["ed25519"], "rsa-2048").await
    else {
        return;
    };
    let connection = reach(&access(&server, None), &settings()).await.unwrap();
    assert_eq!((connection.profile(), connection.weakest_algorithms()), (Compatible, vec!["ssh-rsa".into()]));
}

#[tokio::test]
async fn what_is_allowed_for_no_device_is_no_downgrade_but_names_the_setting() {
    let lines = ["KexAlgorithms diffie-hellman-group1-sha1"];
    let Some(server) = sshd::start(&lines, &["ed25519"], USER_KEY).await else { return };
    let strict = SshSettings { weakest: Compatible, ..settings() };
    for profile in [Modern, Legacy] {
        let failure = refused(&server, profile, &strict).await;
        assert_eq!(failure.code, ErrorCode::SshNegotiation, "{failure}");
        let words = "nothing below `compatible` is allowed (`device.ssh_weakest_profile`)";
        assert!(failure.message.contains(words), "{failure}");
    }
}
