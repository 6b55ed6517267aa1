//! Fetching a file on a channel of its own: the driver of a [`Transfer`].

use super::command::{NotStarted, Piece, SshCommand};
use super::connection::SshConnection;
use super::shell::SshShell;
use crate::link::Chunk;
use netraven_platform::{Fetched, FileProtocol, FileRequest, Opening, Transfer, TransferNext};
use std::time::{Duration, Instant};

/// Requests are short: a device that cannot take one for so long takes nothing any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a channel is tried again, and how long to wait in between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// Tries one protocol after the other until one brings the file, or fails for another reason than that it is not spoken
/// or the file is not given.
pub(super) async fn fetch(
    connection: &SshConnection,
    request: &FileRequest,
    mut shell: Option<&mut SshShell>,
) -> Fetched {
    let mut refusals = Vec::new();
    for &protocol in &request.over {
        match fetch_over(connection, request, protocol, shell.as_deref_mut()).await {
            Fetched::Refused(why) => refusals.push(format!("over {}: {why}", protocol.as_str())),
            other => return other,
        }
    }
    Fetched::Refused(refusals.join("\n"))
}

async fn fetch_over(
    connection: &SshConnection,
    request: &FileRequest,
    protocol: FileProtocol,
    mut shell: Option<&mut SshShell>,
) -> Fetched {
    let mut transfer = Transfer::new(request, protocol, Instant::now());
    let started = start(connection, &Transfer::opening(&request.path, protocol), shell.is_none()).await;
    let mut channel = match started {
        Ok(channel) => channel,
        Err(NotStarted::Refused(channel)) => {
            if let Some(channel) = channel {
                channel.close().await;
            }
            transfer.refused();
            return transfer.finish();
        }
        Err(NotStarted::NoChannel(failure)) => return Fetched::NoChannel(failure),
        Err(NotStarted::Failed(failure)) => return Fetched::Failed(failure),
    };
    loop {
        match transfer.next(Instant::now()) {
            TransferNext::Finished => break,
            TransferNext::Send(bytes) => {
                let deadline = Instant::now() + SEND_TIMEOUT;
                if let Err(failure) = channel.send(bytes, deadline.into()).await {
                    transfer.broken(failure);
                }
            }
            TransferNext::Wait(until) => tokio::select! {
                piece = channel.recv() => take(&mut transfer, piece),
                // Left alone it would fill up, and then nothing more would be read from the socket.
                () = overhear(&mut shell) => {}
                () = tokio::time::sleep_until(until.into()) => {}
            },
        }
    }
    let fetched = transfer.finish();
    channel.close(matches!(fetched, Fetched::Content(_))).await;
    fetched
}

/// Opens a channel. Where nothing but another transfer may have been in its way it is tried again: devices with one channel
/// give it back only when the program on it has ended.
async fn start(connection: &SshConnection, opening: &Opening, alone: bool) -> Result<SshCommand, NotStarted> {
    for _ in 0..TRIES {
        match connection.converse(opening).await {
            Err(NotStarted::NoChannel(_)) if alone => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
    connection.converse(opening).await
}

fn take(transfer: &mut Transfer, piece: Piece) {
    match piece {
        Piece::Output(bytes) => transfer.receive(&bytes, Instant::now()),
        Piece::Errors(bytes) => transfer.errors(&bytes, Instant::now()),
        Piece::Ended { exit_status } => transfer.ended(exit_status),
        Piece::Lost(failure) => transfer.broken(failure),
    }
}

/// Throws away what the shell says; without end where there is none, or where it is closed. Whoever uses the shell next is
/// told that it is.
async fn overhear(shell: &mut Option<&mut SshShell>) {
    match shell {
        Some(open) => {
            if let Chunk::Eof | Chunk::Closed { .. } = open.recv().await {
                *shell = None;
            }
        }
        None => std::future::pending().await,
    }
}
