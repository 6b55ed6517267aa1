//! Who is let in, with which method, and what is said about those who are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{OpenFailure, SshSettings};
use netraven_model::{ErrorCode, Login, Phase, Secret};
use russh::MethodKind::{KeyboardInteractive, Password, PublicKey};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use ssh_common::peer::{self, Script, Shell, new_key};
use ssh_common::*;
use std::time::Duration;

fn with_key(key: &PrivateKey) -> Login {
    let text = key.to_openssh(LineEnding::LF).unwrap();
    Login { username: "ops".into(), private_key: Some(Secret::from(text.as_str())), ..Login::default() }
}

/// Logs in; what the server saw of it.
async fn let_in(script: Script, login: &Login) -> Vec<String> {
    let peer = peer::start(script).await;
    open(&peer.target, login, &[], &settings()).await.unwrap();
    peer.log.lines()
}

/// Is refused, without a secret in the message; the refusal and what the server saw.
async fn kept_out(script: Script, login: &Login) -> (OpenFailure, Vec<String>) {
    let peer = peer::start(script).await;
    let refusal = open(&peer.target, login, &[], &settings()).await.unwrap_err();
    assert_eq!(refusal.failure.phase, Phase::Authenticate);
    assert!(!format!("{refusal} {refusal:?}").contains("canary"), "{refusal}");
    (refusal, peer.log.lines())
}

fn expect(refusal: &OpenFailure, code: ErrorCode, refused: bool, words: &[&str]) {
    assert_eq!((refusal.failure.code, refusal.auth_refused), (code, refused), "{refusal}");
    for word in words {
        assert!(refusal.failure.message.contains(word), "{word} is missing in: {refusal}");
    }
}

#[tokio::test]
async fn a_password_is_sent_once_and_at_once() {
    assert_eq!(let_in(Script::default(), &password("right")).await, ["password ops right"]);
}

#[tokio::test]
async fn a_wrong_password_is_auth_failed_and_sent_once() {
    let (refusal, log) = kept_out(Script::default(), &password("canary")).await;
    expect(
        &refusal,
        ErrorCode::AuthFailed,
        true,
        &["\"ops\"", "password (refused)", "accepts no further method"],
    );
    assert_eq!(log, ["password ops canary"]);
}

#[tokio::test]
async fn a_server_with_keyboard_interactive_only_gets_the_password_as_an_answer() {
    let script = Script {
        methods: vec![KeyboardInteractive],
        rounds: vec![vec![("Password: ", false)]],
        ..Script::default()
    };
    let log = let_in(script, &password("right")).await;
    assert_eq!(log.last().unwrap(), "answers [\"right\"]");
    assert_eq!(log.iter().filter(|line| line.starts_with("keyboard")).count(), 1);
}

#[tokio::test]
async fn rounds_without_a_question_are_acknowledged() {
    let script = Script {
        methods: vec![KeyboardInteractive],
        rounds: vec![vec![], vec![("ops's password:", false)], vec![]],
        ..Script::default()
    };
    let log = let_in(script, &password("right")).await;
    assert_eq!(log[log.len() - 3..], ["answers []", "answers [\"right\"]", "answers []"]);
}

#[tokio::test]
async fn a_refused_password_is_sent_once_more_at_most_as_an_answer() {
    let script = Script {
        methods: vec![Password, KeyboardInteractive],
        rounds: vec![vec![("Password:", false)]],
        ..Script::default()
    };
    let (refusal, log) = kept_out(script, &password("canary")).await;
    expect(&refusal, ErrorCode::AuthFailed, true, &["password (refused), keyboard-interactive (refused)"]);
    assert_eq!(log, ["password ops canary", "keyboard ops", "answers [\"canary\"]"]);
}

#[tokio::test]
async fn a_password_that_was_looked_at_is_not_given_as_an_answer_too() {
    let script = Script {
        methods: vec![Password, KeyboardInteractive],
        rounds: vec![vec![("Password:", false)]],
        offers_again: true,
        ..Script::default()
    };
    let (refusal, log) = kept_out(script, &password("canary")).await;
    expect(&refusal, ErrorCode::AuthFailed, true, &["password (refused)"]);
    assert_eq!(log, ["password ops canary"]);
}

#[tokio::test]
async fn a_second_factor_is_quoted_and_gets_no_answer() {
    let script = Script {
        methods: vec![KeyboardInteractive],
        password: Some("canary"),
        rounds: vec![vec![("Password:", false)], vec![("Verification code\n(30 s): ", false)]],
        ..Script::default()
    };
    let (refusal, log) = kept_out(script, &password("canary")).await;
    expect(&refusal, ErrorCode::AuthFailed, true, &["\"Verification code\\n(30 s):\"", "cannot answer"]);
    assert_eq!(log.iter().filter(|line| line.starts_with("answers")).count(), 1);
}

#[tokio::test]
async fn a_wrong_answer_is_not_given_twice() {
    let script = Script {
        methods: vec![KeyboardInteractive],
        password: Some("canary"),
        rounds: vec![vec![("Password:", false)], vec![("Password:", false)]],
        ..Script::default()
    };
    let (refusal, log) = kept_out(script, &password("canary")).await;
    expect(&refusal, ErrorCode::AuthFailed, true, &["\"Password:\" a second time"]);
    assert_eq!(log.iter().filter(|line| line.starts_with("answers")).count(), 1);
}

#[tokio::test]
async fn endless_rounds_are_given_up() {
    let script =
        Script { methods: vec![KeyboardInteractive], rounds: vec![vec![]; 1000], ..Script::default() };
    let (refusal, log) = kept_out(script, &password("canary")).await;
    expect(&refusal, ErrorCode::AuthFailed, true, &["10 rounds of questions"]);
    assert!(log.len() < 20, "{}", log.len());
}

#[tokio::test]
async fn a_private_key_is_tried_before_the_password() {
    let key = new_key();
    let login = Login { password: Some("unused".into()), ..with_key(&key) };
    let script = Script {
        methods: vec![PublicKey, Password],
        user_key: Some(key.public_key().clone()),
        ..Script::default()
    };
    assert_eq!(let_in(script, &login).await, ["publickey ops ssh-ed25519"]);
}

#[tokio::test]
async fn a_refused_key_is_followed_by_the_password() {
    let login = Login { password: Some("right".into()), ..with_key(&new_key()) };
    let script = Script { methods: vec![PublicKey, Password], ..Script::default() };
    assert_eq!(let_in(script, &login).await, ["publickey ops ssh-ed25519", "password ops right"]);
}

#[tokio::test]
async fn key_and_password_together_satisfy_a_server_that_wants_both() {
    let key = new_key();
    let login = Login { password: Some("right".into()), ..with_key(&key) };
    for partial in [vec![PublicKey], vec![Password]] {
        // In either order: with the password first, the key has to be shown again after it.
        let methods =
            if partial == [PublicKey] { vec![PublicKey, Password] } else { vec![Password, PublicKey] };
        let script = Script {
            methods,
            user_key: Some(key.public_key().clone()),
            partial: partial.clone(),
            ..Script::default()
        };
        let log = let_in(script, &login).await;
        assert!(log.contains(&"publickey ops ssh-ed25519".into()), "{partial:?}: {log:?}");
        assert!(log.iter().filter(|line| line.starts_with("password")).count() <= 1, "{log:?}");
    }
}

#[tokio::test]
async fn a_credential_that_lacks_what_the_server_wants_is_not_called_refused() {
    let script = Script { methods: vec![Password], ..Script::default() };
    let nothing = Login { username: "ops".into(), ..Login::default() };
    let (refusal, log) = kept_out(script, &nothing).await;
    expect(&refusal, ErrorCode::AuthFailed, false, &["accepts password", "neither password nor private key"]);
    assert_eq!(log, ["none ops"]);
}

#[tokio::test]
async fn a_connection_that_ends_in_the_authentication_says_nothing_about_the_password() {
    let script = Script { breaks_in_password: true, ..Script::default() };
    let (refusal, _) = kept_out(script, &password("canary")).await;
    expect(
        &refusal,
        ErrorCode::Disconnected,
        false,
        &["password was under way", "says nothing about the credential"],
    );
    assert!(refusal.learned.is_some());
}

#[tokio::test]
async fn a_server_that_never_answers_the_password_is_a_timeout() {
    let script = Script { stalls_in_password: true, ..Script::default() };
    let peer = peer::start(script).await;
    let hasty = SshSettings { auth_timeout: Duration::from_millis(300), ..settings() };
    let refusal = open(&peer.target, &password("canary"), &[], &hasty).await.unwrap_err();
    expect(&refusal, ErrorCode::Timeout, false, &["0.3 s", "password was under way"]);
    assert_eq!(refusal.failure.phase, Phase::Authenticate);
}

#[tokio::test]
async fn an_unreadable_key_fails_before_anything_is_sent() {
    let (listener, target) = listen().await;
    drop(listener);
    let login = Login {
        username: "ops".into(),
        private_key: Some("canary".into()),
        password: Some("canary".into()),
        ..Login::default()
    };
    let refusal = open(&target, &login, &[], &settings()).await.unwrap_err();
    expect(&refusal, ErrorCode::CredentialUnusable, false, &["\"ops\"", "OpenSSH, PEM"]);
}

#[tokio::test]
async fn the_banner_is_kept_and_bounded() {
    let banner = "Zugriff nur für Befugte\r\n".repeat(1000);
    let script = Script { banner: Some(banner.clone()), shell: Shell::Echo, ..Script::default() };
    let peer = peer::start(script).await;
    let connection = open(&peer.target, &password("right"), &[], &settings()).await.unwrap();
    let kept = connection.banner().unwrap();
    assert!(banner.starts_with(&kept) && (4000..=4096).contains(&kept.len()), "{}", kept.len());
    let peer = peer::start(Script::default()).await;
    assert_eq!(open(&peer.target, &password("right"), &[], &settings()).await.unwrap().banner(), None);
}
