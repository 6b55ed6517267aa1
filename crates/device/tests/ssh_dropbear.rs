//! Dropbear, as OpenWrt and many small devices have it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, DeviceSettings, ExecuteRequest, Gateway};
use netraven_model::SshProfile;
use netraven_platform::Platforms;
use ssh_common::peer::{self, Script};
use ssh_common::*;

#[tokio::test]
async fn a_shell_with_every_type_of_host_key() {
    for (kind, algorithm) in
        [("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")]
    {
        let Some(server) = dropbear::start(kind).await else { return };
        let mut connection = open(&server.target, &server.login(), &[], &settings()).await.unwrap();
        assert_eq!(connection.host_key().algorithm, algorithm);
        assert_eq!(connection.profile(), SshProfile::Modern, "{kind}");
        assert!(connection.server_version().contains("dropbear"), "{}", connection.server_version());
        let mut shell = connection.shell().await.unwrap();
        send(&mut shell, b"stty -echo; echo $((6*7))-answer; exit 7\n").await;
        let (output, status) = read_to_end(&mut shell).await;
        assert!(String::from_utf8_lossy(&output).contains("42-answer"));
        assert_eq!(status, Some(7));
    }
}

#[tokio::test]
async fn commands_on_channels_of_their_own() {
    let Some(server) = dropbear::start("ed25519").await else { return };
    let request = ExecuteRequest {
        job: None,
        access: Access::new(server.target.clone(), server.login()),
        platform: Platforms::shipped().unwrap().get("linux").unwrap(),
        commands: vec!["echo $((6*7))".into(), "seq 1 99999".into(), "no-such-command".into()],
        within: LONG,
    };
    let answers = Gateway::new(DeviceSettings::default()).execute(&request).await.result.unwrap();
    assert_eq!(answers[0].text.expose_bytes(), b"42\n");
    assert!(answers[1].text.expose_bytes().ends_with(b"\n99998\n99999\n"));
    assert!(
        !answers[2].accepted && String::from_utf8_lossy(answers[2].text.expose_bytes()).contains("not found")
    );
}

#[tokio::test]
async fn a_jump_host() {
    let Some(server) = dropbear::start("ed25519").await else { return };
    let peer = peer::start(Script::default()).await;
    let via = vec![Access::new(server.target.clone(), server.login())];
    let access = Access { via, ..Access::new(peer.target.clone(), password("right")) };
    let mut connection = reach(&access, &settings()).await.unwrap();
    let mut shell = connection.shell().await.unwrap();
    send(&mut shell, b"hello").await;
    assert!(matches!(recv(&mut shell).await, netraven_device::Chunk::Data(_)));
}
