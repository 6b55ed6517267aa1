//! What carries a device's command line.

use bytes::Bytes;
use netraven_device::TelnetParser;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What is read at once from a Telnet client.
const PIECE: usize = 1024;

/// The client is gone.
pub(super) struct Gone;

/// A line to a client.
pub(super) enum Wire {
    Ssh {
        channel: Channel<Msg>,
        handle: Handle,
        /// Counts the bytes that the connection has sent.
        written: watch::Receiver<u64>,
    },
    Telnet {
        stream: TcpStream,
        parser: Box<TelnetParser>,
    },
}

impl Wire {
    /// What the client typed; `None` when it is gone.
    pub(super) async fn typed(&mut self) -> Option<Bytes> {
        match self {
            Self::Ssh { channel, .. } => loop {
                match channel.wait().await {
                    Some(ChannelMsg::Data { data }) => return Some(data),
                    Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return None,
                    Some(_) => {}
                }
            },
            Self::Telnet { stream, parser } => loop {
                // At first this sends what the device proposes.
                stream.write_all(&parser.take_answers()).await.ok()?;
                let mut piece = [0; PIECE];
                let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
                let typed = parser.receive(&piece[..count]);
                if !typed.is_empty() {
                    return Some(typed.into());
                }
            },
        }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Gone> {
        match self {
            Self::Ssh { channel, handle, .. } => handle.data(channel.id(), bytes).await.map_err(|_| Gone),
            Self::Telnet { stream, .. } => {
                stream.write_all(&TelnetParser::escape(&bytes)).await.map_err(|_| Gone)
            }
        }
    }

    /// How many bytes have left the device, as far as they are counted.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::Ssh { written, .. } => *written.borrow(),
            Self::Telnet { .. } => 0,
        }
    }

    /// Waits until so many bytes have left the device. What is written to a socket has.
    pub(super) async fn has_sent(&mut self, bytes: u64) {
        if let Self::Ssh { written, .. } = self {
            // An error means that the connection is gone.
            let _ = written.wait_for(|count| *count >= bytes).await;
        }
    }

    /// Ends the session as a server does whose shell has ended. A client that is gone misses nothing.
    pub(super) async fn hang_up(&mut self) {
        match self {
            Self::Ssh { channel, handle, .. } => {
                let _ = handle.exit_status_request(channel.id(), 0).await;
                let _ = handle.eof(channel.id()).await;
                let _ = handle.close(channel.id()).await;
            }
            Self::Telnet { stream, .. } => {
                let _ = stream.shutdown().await;
            }
        }
    }
}
