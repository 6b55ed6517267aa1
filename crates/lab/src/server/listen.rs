//! The sockets of a lab. One listener serves all devices: it is bound to every address, but to the loopback
//! interface only, so that nobody outside this machine reaches it.

use super::address::address_of;
use super::error::LabError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;

/// Listeners at most, where each device needs its own.
const MAX_LISTENERS: u32 = 512;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How the addresses of a lab are listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// One socket, bound to the loopback interface.
    Interface,
    /// One socket for each device.
    Addresses,
}

/// The listeners of a lab and their port.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) port: u16,
}

/// Listens for `count` devices on `port`; falls back to single addresses where the system refuses the interface.
pub(super) fn listen(count: u32, port: u16) -> Result<Listeners, LabError> {
    match listen_with(Binding::Interface, count, port) {
        Err(LabError::Listen { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            if count > MAX_LISTENERS {
                return Err(LabError::TooManyListeners { count, max: MAX_LISTENERS, source });
            }
            listen_with(Binding::Addresses, count, port)
        }
        other => other,
    }
}

/// The same, in one of the two ways.
pub(super) fn listen_with(binding: Binding, count: u32, port: u16) -> Result<Listeners, LabError> {
    let addresses: Vec<Ipv4Addr> = match binding {
        Binding::Interface => vec![Ipv4Addr::UNSPECIFIED],
        Binding::Addresses => (0..count).map(address_of).collect(),
    };
    let mut port = port;
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let address = SocketAddr::from((address, port));
        let listener = open(binding, address).map_err(|source| LabError::Listen { address, source })?;
        // The first one finds a free port, the others take the same.
        port = listener.local_addr().map_err(|source| LabError::Listen { address, source })?.port();
        listeners.push(listener);
    }
    Ok(Listeners { listeners, port })
}

/// Takes a port on which nobody listens, so that connections to it are refused as long as the socket is kept.
pub(super) fn reserve_closed_port() -> Result<(Socket, u16), LabError> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let reserve = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&address.into())?;
        let port = socket.local_addr()?.as_socket().map_or(0, |bound| bound.port());
        Ok((socket, port))
    };
    reserve().map_err(|source| LabError::Listen { address, source })
}

fn open(binding: Binding, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if binding == Binding::Interface {
        socket.bind_device(Some(b"lo"))?;
    }
    // A lab that is started again takes the port that it had, though old connections linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn single_addresses_share_one_port() {
        let bound = listen_with(Binding::Addresses, 3, 0).unwrap();
        assert_eq!(bound.listeners.len(), 3);
        for index in 0..3 {
            let client = TcpStream::connect((address_of(index), bound.port)).await.unwrap();
            assert_eq!(client.peer_addr().unwrap().ip(), address_of(index));
        }
        assert!(TcpStream::connect((address_of(3), bound.port)).await.is_err());
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = listen(1, 0).unwrap();
        let error = listen(1, first.port).unwrap_err().to_string();
        assert!(error.contains(&format!("0.0.0.0:{}", first.port)), "{error}");
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let (_socket, port) = reserve_closed_port().unwrap();
        let error = TcpStream::connect((address_of(9), port)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
