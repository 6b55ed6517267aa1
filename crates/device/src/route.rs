//! The way to a device: a TCP connection, or a channel through one jump host after another.

use crate::gateway::Reachable;
use crate::outcome::LearnedHop;
use crate::request::{Access, DeviceSettings};
use crate::ssh::{self, Identity, SshConnection};
use crate::tcp;
use netraven_model::{ErrorCode, Failure, Phase, Target};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// More jump hosts than any network has in a row.
const MAX_HOPS: usize = 8;

/// Bytes to a device and back, whatever lies between. Dropping it closes every connection on the way.
#[derive(Debug)]
pub(crate) enum Stream {
    /// A socket of this machine.
    Tcp(TcpStream),
    /// A channel of a jump host.
    Hop(Box<HopStream>),
}

/// A channel and the connection to the jump host that carries it; nobody else holds that one.
pub(crate) struct HopStream {
    channel: ssh::Forwarded,
    /// Held for its drop, which closes the way.
    connection: SshConnection,
}

/// What came of a way.
#[derive(Debug)]
pub(crate) struct Routed {
    /// The stream at its end, or why there is none.
    pub(crate) result: Result<Stream, Failure>,
    /// What was learned of the jump hosts, also of a way that failed.
    pub(crate) hops: Vec<LearnedHop>,
}

/// Connects to the device's address and port, through the jump hosts if there are any. Every step has its deadline in the
/// settings; a failure on the way names the jump host.
pub(crate) async fn open(access: &Access, settings: &DeviceSettings) -> Routed {
    let mut hops = Vec::new();
    let result = follow(access, settings, &mut hops).await;
    Routed { result, hops }
}

async fn follow(
    access: &Access,
    settings: &DeviceSettings,
    hops: &mut Vec<LearnedHop>,
) -> Result<Stream, Failure> {
    let within = settings.ssh.connect_timeout;
    let Some(first) = access.via.first() else {
        let Target { address, port, .. } = &access.target;
        return Ok(Stream::Tcp(tcp::connect(address, *port, reachable(access, settings), within).await?));
    };
    if access.via.len() > MAX_HOPS {
        let message = format!("at most {MAX_HOPS} jump hosts in a row are supported");
        return Err(Failure::new(ErrorCode::Unsupported, Phase::Connect, message));
    }
    let Target { address, port, .. } = &first.target;
    let stream = tcp::connect(address, *port, reachable(first, settings), within).await;
    let mut stream = Stream::Tcp(stream.map_err(|failure| at_hop(first, failure))?);
    let next = access.via.iter().skip(1).chain([access]);
    for (hop, next) in access.via.iter().zip(next) {
        let identity = Identity::read(&hop.login).await.map_err(|failure| at_hop(hop, failure))?;
        let opened = ssh::connect(stream, &identity, hop, &settings.ssh).await;
        hops.extend(LearnedHop::of(hop, &opened));
        let connection = opened.map_err(|open| at_hop(hop, open.failure))?;
        let Target { address, port, .. } = &next.target;
        let address = tcp::destination(address, *port, reachable(next, settings), within).await?;
        let channel = connection.forward(&address, *port, within).await;
        let channel = channel.map_err(|failure| at_hop(hop, failure))?;
        stream = Stream::Hop(Box::new(HopStream { channel, connection }));
    }
    Ok(stream)
}

/// Where the login of an access may be shown.
fn reachable<'a>(access: &'a Access, settings: &'a DeviceSettings) -> Reachable<'a> {
    Reachable { all: &settings.networks, login: &access.login_networks }
}

/// A failure of a jump host, not of the device: a credential that it refuses must not count as the device's.
fn at_hop(hop: &Access, failure: Failure) -> Failure {
    let code = match failure.code {
        ErrorCode::AuthFailed | ErrorCode::CredentialUnusable | ErrorCode::CredentialNotAllowed => {
            ErrorCode::JumpHost
        }
        code => code,
    };
    let Target { hostname, address, port, .. } = &hop.target;
    let message = format!("jump host {hostname} ({address} port {port}): {}", failure.message);
    Failure { code, message, ..failure }
}

impl std::fmt::Debug for HopStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HopStream").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Hop(hop) => Pin::new(&mut hop.channel).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            // The channel takes a write of nothing amiss.
            Self::Hop(_) if bytes.is_empty() => Poll::Ready(Ok(0)),
            Self::Hop(hop) => Pin::new(&mut hop.channel).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Hop(hop) => Pin::new(&mut hop.channel).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Hop(hop) => Pin::new(&mut hop.channel).poll_shutdown(context),
        }
    }
}
