//! The shell: what goes in, what comes out, and what happens when the device does not play along.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Chunk, SshConnection, SshSettings, SshShell, Terminal};
use netraven_model::{ErrorCode, Failure, Phase};
use ssh_common::peer::{self, Peer, Script, Shell};
use ssh_common::*;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

async fn connect(shell: Shell) -> (Peer, SshConnection) {
    let peer = peer::start(Script { shell, ..Script::default() }).await;
    let connection = open(&peer.target, &password("right"), &[], &settings()).await.unwrap();
    (peer, connection)
}

async fn shell(shell: Shell) -> (Peer, SshConnection, SshShell) {
    let (peer, mut connection) = connect(shell).await;
    let shell = connection.shell().await.unwrap();
    (peer, connection, shell)
}

async fn no_shell(shell: Shell) -> Failure {
    let (_peer, mut connection) = connect(shell).await;
    connection.shell().await.unwrap_err()
}

/// Output until it is as long as `expected`.
async fn read(shell: &mut SshShell, expected: usize) -> Vec<u8> {
    let mut output = Vec::new();
    while output.len() < expected {
        match recv(shell).await {
            Chunk::Data(bytes) => output.extend(bytes),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&output)),
        }
    }
    output
}

#[tokio::test]
async fn what_is_sent_arrives_and_what_is_answered_comes_back() {
    let (_peer, _connection, mut shell) = shell(Shell::Echo).await;
    for text in ["show version\n", "", "ü\0\u{3}"] {
        send(&mut shell, text.as_bytes()).await;
        assert_eq!(read(&mut shell, text.len()).await, text.as_bytes());
    }
    let large: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    send(&mut shell, &large).await;
    assert_eq!(read(&mut shell, large.len()).await, large);
}

#[tokio::test]
async fn the_terminal_is_as_asked_for_with_echo() {
    let peer = peer::start(Script::default()).await;
    let terminal = Terminal { name: "xterm".into(), columns: 200, rows: 50 };
    let settings = SshSettings { terminal, ..settings() };
    let mut connection = open(&peer.target, &password("right"), &[], &settings).await.unwrap();
    connection.shell().await.unwrap();
    assert_eq!(peer.log.lines()[1..], ["pty xterm 200x50 [(ECHO, 1)]", "shell"]);
}

#[tokio::test]
async fn output_in_single_bytes_is_complete_and_the_exit_status_known() {
    let text = b"interface Ethernet1\r\n no shutdown\r\n!\r\nend\r\n";
    let (_peer, _connection, mut shell) = shell(Shell::Bytewise(text, 7)).await;
    let (output, status) = read_to_end(&mut shell).await;
    assert_eq!((output.as_slice(), status), (&text[..], Some(7)));
    assert_eq!(recv(&mut shell).await, Chunk::Closed { exit_status: Some(7) }, "it stays closed");
    assert_eq!(shell.end().unwrap(), "the device closed the shell");
}

#[tokio::test]
async fn a_half_closed_shell_still_takes_input() {
    let (_peer, _connection, mut shell) = shell(Shell::HalfClosed).await;
    assert_eq!(recv(&mut shell).await, Chunk::Eof);
    assert_eq!(shell.end(), None);
    send(&mut shell, b"exit").await;
    assert_eq!(read_to_end(&mut shell).await, (b"exit".to_vec(), None));
}

#[tokio::test]
async fn a_farewell_is_told() {
    let (_peer, _connection, mut shell) = shell(Shell::Farewell("idle\ntimeout")).await;
    send(&mut shell, b"show").await;
    assert_eq!(read_to_end(&mut shell).await, (vec![], None));
    assert!(shell.end().unwrap().ends_with("saying: \"idle\\ntimeout\""), "{:?}", shell.end());
    let failure = shell.send(b"more", Phase::Logout, Instant::now() + LONG).await.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::Disconnected, Phase::Logout));
    assert!(failure.message.contains("idle\\ntimeout"), "{failure}");
}

#[tokio::test]
async fn a_broken_connection_ends_the_shell_and_sending() {
    let (_peer, _connection, mut shell) = shell(Shell::Break).await;
    send(&mut shell, b"show").await;
    assert_eq!(read_to_end(&mut shell).await, (vec![], None));
    let failure = shell.send(b"more", Phase::Collect, Instant::now() + LONG).await.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::Disconnected, Phase::Collect));
    assert!(failure.message.contains("without a farewell"), "{failure}");
}

#[tokio::test]
async fn refusals_on_the_way_to_a_shell_are_told_apart() {
    let channel = no_shell(Shell::NoChannel).await;
    assert_eq!((channel.code, channel.phase), (ErrorCode::Disconnected, Phase::Login));
    assert!(channel.message.contains("Resource shortage"), "{channel}");
    let refused = no_shell(Shell::Denied).await;
    assert_eq!((refused.code, refused.phase), (ErrorCode::CommandRejected, Phase::Login));
}

#[tokio::test]
async fn a_device_without_terminals_still_gives_a_shell() {
    let (_peer, _connection, mut shell) = shell(Shell::NoPty).await;
    send(&mut shell, b"show").await;
    assert_eq!(read(&mut shell, 4).await, b"show");
}

#[tokio::test]
async fn a_device_that_never_opens_the_shell_is_a_timeout() {
    let peer = peer::start(Script { shell: Shell::Mute, ..Script::default() }).await;
    let hasty = SshSettings { handshake_timeout: Duration::from_secs(2), ..settings() };
    let mut connection = open(&peer.target, &password("right"), &[], &hasty).await.unwrap();
    let failure = connection.shell().await.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::Timeout, Phase::Login));
    assert!(failure.message.contains("2 s"), "{failure}");
}

#[tokio::test]
async fn several_shells_share_one_connection() {
    let (_peer, mut connection, mut first) = shell(Shell::Echo).await;
    let mut second = connection.shell().await.unwrap();
    send(&mut first, b"first").await;
    send(&mut second, b"second").await;
    assert_eq!(read(&mut second, 6).await, b"second");
    assert_eq!(read(&mut first, 5).await, b"first");
}

#[tokio::test]
async fn output_that_nobody_reads_stops_the_device() {
    let (peer, _connection, mut shell) = shell(Shell::Flood).await;
    let stopped = until_it_stops(&peer).await;
    // The queue here, the device's own, and the socket buffers of both.
    assert!(stopped < 32 * 1024 * 1024, "{stopped} bytes are under way");
    read(&mut shell, stopped + 1024 * 1024).await;
    assert!(peer.flooded.load(Ordering::Relaxed) > stopped, "it goes on once somebody reads");
}

/// Waits until the flood has not grown for a while; its size.
async fn until_it_stops(peer: &Peer) -> usize {
    timeout(LONG, async {
        let mut before = 0;
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = peer.flooded.load(Ordering::Relaxed);
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    })
    .await
    .expect("the flood goes on although nobody reads")
}

#[tokio::test]
async fn a_device_that_takes_no_input_is_a_timeout() {
    // The endless output is not read, so that nothing can be sent either.
    let (peer, _connection, mut shell) = shell(Shell::Flood).await;
    until_it_stops(&peer).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let large = vec![b'x'; 16 * 1024 * 1024];
    let failure = shell.send(&large, Phase::Collect, deadline).await.unwrap_err();
    assert_eq!((failure.code, failure.phase), (ErrorCode::Timeout, Phase::Collect));
}

#[tokio::test]
async fn waiting_for_output_can_be_given_up_and_taken_up_again() {
    let (_peer, _connection, mut shell) = shell(Shell::Echo).await;
    assert!(timeout(Duration::from_millis(20), shell.recv()).await.is_err());
    send(&mut shell, b"show").await;
    assert_eq!(read(&mut shell, 4).await, b"show");
}

#[tokio::test]
async fn a_device_cannot_open_channels_on_us() {
    let (_peer, _connection, mut shell) = shell(Shell::OpenChannels).await;
    assert_eq!(read(&mut shell, 8).await, b"opened 0");
}

#[tokio::test]
async fn a_silent_device_is_given_up_when_keepalives_are_asked_for() {
    let (listener, target) = listen().await;
    let peer = peer::start(Script::default()).await;
    let (cut, pause) = tokio::sync::oneshot::channel::<()>();
    let port = peer.target.port;
    // A line between both that swallows everything once the test says so.
    let line = tokio::spawn(async move {
        let mut near = accept(&listener).await;
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = pause => {}
        }
        (near, far)
    });
    let settings = SshSettings { keepalive: Some(Duration::from_millis(500)), ..settings() };
    let mut connection = open(&target, &password("right"), &[], &settings).await.unwrap();
    let mut shell = connection.shell().await.unwrap();
    cut.send(()).unwrap();
    assert_eq!(read_to_end(&mut shell).await, (vec![], None));
    assert!(shell.end().unwrap().contains("keepalive"), "{:?}", shell.end());
    drop(line.await.unwrap());
}
