//! Devices behind jump hosts: real OpenSSH servers one behind the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, DeviceSettings, ExecuteRequest, Gateway, Outcome};
use netraven_model::{ErrorCode, Event, Login, Phase};
use netraven_platform::Platforms;
use ssh_common::peer::{self, Script};
use ssh_common::sshd::{self, Sshd};
use ssh_common::*;
use std::time::Duration;

const KEY: &str = "ed25519";
const FORWARDS: &str = "AllowTcpForwarding yes";

async fn host(lines: &[&str]) -> Option<Sshd> {
    sshd::start(lines, &[KEY], KEY).await
}

fn hop(server: &Sshd, name: &str) -> Access {
    let mut access = Access::new(server.target.clone(), server.login());
    access.target.hostname = name.into();
    access
}

fn behind(target: netraven_model::Target, login: Login, via: Vec<Access>) -> Access {
    Access { via, ..Access::new(target, login) }
}

async fn ask(access: Access) -> Outcome<Vec<netraven_device::Answer>> {
    let settings = DeviceSettings { ssh: settings(), ..DeviceSettings::default() };
    let request = ExecuteRequest {
        job: None,
        access,
        platform: Platforms::shipped().unwrap().get("linux").unwrap(),
        commands: vec!["echo $((6*7))".into()],
        within: LONG,
    };
    Gateway::new(settings).execute(&request).await
}

#[tokio::test]
async fn a_device_behind_two_jump_hosts_is_asked_and_every_host_key_learned() {
    let shell = "ForceCommand env PS1='ops@box:~$ ' bash --norc -i";
    let (Some(first), Some(second)) = (host(&[FORWARDS]).await, host(&[FORWARDS]).await) else { return };
    let Some(device) = host(&[shell]).await else { return };
    let via = vec![hop(&first, "jump1"), hop(&second, "jump2")];
    let mut access = behind(device.target.clone(), device.login(), via);

    let outcome = ask(access.clone()).await;
    let answers = outcome.result.unwrap_or_else(|failure| panic!("{failure}\n{}", outcome.dialogue));
    assert_eq!(answers[0].text.expose_bytes(), b"42\n");
    assert_eq!(outcome.learned.unwrap(), device.stored_host_key(KEY).await);
    let names: Vec<_> = outcome.hops.iter().map(|hop| hop.target.hostname.as_str()).collect();
    assert_eq!(names, ["jump1", "jump2"]);
    for (learned, server) in outcome.hops.iter().zip([&first, &second]) {
        assert_eq!(learned.host_key.as_ref().unwrap(), &server.stored_host_key(KEY).await);
        assert!(learned.profile.is_some());
    }
    assert!(outcome.events.iter().any(|event| matches!(&event.event,
        Event::JumpHostKeyLearned { jump_host, .. } if jump_host == "jump2")));

    for (hop, learned) in access.via.iter_mut().zip(outcome.hops) {
        (hop.host_keys, hop.profile) = (learned.host_key.into_iter().collect(), learned.profile);
    }
    let again = ask(access).await;
    assert!(again.result.is_ok() && again.hops.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_jump_host_with_another_key_than_the_known_one_is_refused_by_name() {
    let (Some(first), Some(second)) = (host(&[FORWARDS]).await, host(&[FORWARDS]).await) else { return };
    let mut wrong = hop(&second, "jump2");
    wrong.host_keys.push(first.stored_host_key(KEY).await);
    let target = target("127.0.0.1", 9);
    let failure =
        ask(behind(target, password("x"), vec![hop(&first, "jump1"), wrong])).await.result.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::HostKeyChanged, Phase::Handshake), "{failure}");
    assert!(failure.message.starts_with("jump host jump2 (127.0.0.1 port "), "{failure}");
}

#[tokio::test]
async fn a_jump_host_that_refuses_its_login_does_not_count_against_the_devices_credential() {
    let Some(first) = host(&[FORWARDS]).await else { return };
    let mut closed = hop(&first, "jump1");
    closed.login = password("canary");
    let outcome = ask(behind(target("127.0.0.1", 9), password("x"), vec![closed])).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::JumpHost, Phase::Authenticate), "{failure}");
    assert_eq!(outcome.login, netraven_device::LoginResult::NotTried);
    assert!(failure.message.contains("jump1") && !failure.message.contains("canary"), "{failure}");
    assert_eq!(outcome.hops.len(), 1, "its host key was learned all the same");
}

#[tokio::test]
async fn a_jump_host_that_does_not_forward_is_told_from_a_device_that_is_not_there() {
    let Some(closed) = host(&["AllowTcpForwarding no"]).await else { return };
    let (listener, device) = listen().await;
    let via = vec![hop(&closed, "jump1")];
    let failure = ask(behind(device.clone(), password("x"), via)).await.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::JumpHost, "{failure}");
    assert!(failure.message.contains("does not forward to 127.0.0.1"), "{failure}");

    let Some(open) = host(&[FORWARDS]).await else { return };
    drop(listener);
    let failure = ask(behind(device, password("x"), vec![hop(&open, "jump1")])).await.result.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::Unreachable, Phase::Connect), "{failure}");
    assert!(failure.message.contains("jump1") && failure.message.contains("cannot connect"), "{failure}");
}

#[tokio::test]
async fn giving_up_closes_every_connection_on_the_way() {
    let (Some(first), Some(second)) = (host(&[FORWARDS]).await, host(&[FORWARDS]).await) else { return };
    let peer = peer::start(Script::default()).await;
    let via = vec![hop(&first, "jump1"), hop(&second, "jump2")];
    let access = behind(peer.target.clone(), password("right"), via);
    let mut connection = reach(&access, &settings()).await.unwrap();
    let mut shell = connection.shell().await.unwrap();
    send(&mut shell, b"hello").await;
    assert!(matches!(recv(&mut shell).await, netraven_device::Chunk::Data(_)));
    drop((connection, shell));
    for server in [&first, &second] {
        tokio::time::timeout(LONG, server.until_idle()).await.expect("its connection is closed");
    }
}

#[tokio::test]
async fn a_jump_host_that_stalls_is_given_up_in_time_and_by_name() {
    let (_listener, stalled) = listen().await;
    let mut hop = Access::new(stalled, password("x"));
    hop.target.hostname = "jump1".into();
    let access = behind(target("127.0.0.1", 9), password("x"), vec![hop]);
    let hasty = netraven_device::SshSettings { handshake_timeout: Duration::from_millis(300), ..settings() };
    let failure = reach(&access, &hasty).await.unwrap_err().failure;
    assert_eq!((failure.code, failure.phase), (ErrorCode::Timeout, Phase::Handshake), "{failure}");
    assert!(failure.message.contains("jump1"), "{failure}");
}
