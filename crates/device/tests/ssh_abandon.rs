//! Nobody wants the connection any more: the socket closes at once and nothing keeps running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::Access;
use ssh_common::peer::{self, Script};
use ssh_common::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn giving_up_at_any_point_closes_the_socket_and_leaves_no_task() {
    let (listener, target) = listen().await;
    for greeting in [&b""[..], b"SSH-2.0-Slow_1.0\r\n"] {
        let opening = {
            let target = target.clone();
            async move { netraven_device::open(&Access::new(target, password("x")), &whole(&settings())).await }
        };
        let opening = tokio::spawn(opening);
        let mut stream = accept(&listener).await;
        stream.write_all(greeting).await.unwrap();
        // What the client sends shows that it waits for the answer to it.
        let mut head = [0; 22];
        stream.read_exact(&mut head).await.unwrap();
        assert!(still_waits(&opening).await);
        opening.abort();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("closed at once");
        assert!(end.is_ok() || end.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        until_no_task_is_left().await;
    }
}

#[tokio::test]
async fn giving_up_in_the_authentication_closes_the_socket() {
    let peer = peer::start(Script { stalls_in_password: true, ..Script::default() }).await;
    let (listener, target) = listen().await;
    let port = peer.target.port;
    let upstream = tokio::spawn(async move {
        let mut near = accept(&listener).await;
        let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut from_client, mut to_client) = near.split();
        let (mut from_server, mut to_server) = far.split();
        // The server never ends this; the client's end of it does.
        tokio::select! {
            end = tokio::io::copy(&mut from_client, &mut to_server) => end.is_ok(),
            _ = tokio::io::copy(&mut from_server, &mut to_client) => false,
        }
    });
    let opening = tokio::spawn(async move {
        netraven_device::open(&Access::new(target, password("x")), &whole(&settings())).await.map(drop)
    });
    tokio::time::timeout(LONG, async {
        while peer.log.lines().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the password arrives");
    opening.abort();
    assert!(tokio::time::timeout(LONG, upstream).await.expect("closed at once").unwrap());
}

#[tokio::test]
async fn dropping_a_connection_closes_the_socket_and_leaves_no_task() {
    let peer = peer::start(Script::default()).await;
    let target = peer.target.clone();
    let mut connection = open(&target, &password("right"), &[], &settings()).await.unwrap();
    let mut shell = connection.shell().await.unwrap();
    send(&mut shell, b"hello").await;
    drop(connection);
    assert!(matches!(read_to_end(&mut shell).await, (_, None)));
    assert!(shell.end().is_some());
    drop((shell, peer));
    until_no_task_is_left().await;
}

#[tokio::test]
async fn disconnecting_ends_within_its_bound_even_when_the_peer_is_stuck() {
    let peer = peer::start(Script { shell: peer::Shell::Flood, ..Script::default() }).await;
    let mut connection = open(&peer.target, &password("right"), &[], &settings()).await.unwrap();
    // Output that nobody reads keeps the library from looking at anything else.
    let shell = connection.shell().await.unwrap();
    tokio::time::timeout(LONG, connection.disconnect()).await.expect("it is bounded");
    drop((shell, peer));
    until_no_task_is_left().await;
}

/// Whether the task is still at work after everything that could run has run.
async fn still_waits<T>(task: &tokio::task::JoinHandle<T>) -> bool {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    !task.is_finished()
}
