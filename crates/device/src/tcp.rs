//! From a name to a TCP connection.

use crate::gateway::Reachable;
use netraven_model::{ErrorCode, Failure, Phase};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Connects within the time, trying every address of the name. The time that is left is shared among
/// the addresses that are left, so that one dead address does not use up all of it.
///
/// # Errors
/// `address_not_allowed` or `credential_not_allowed` where the networks leave none of the addresses; the others are not
/// connected to.
pub(crate) async fn connect(
    address: &str,
    port: u16,
    networks: Reachable<'_>,
    within: Duration,
) -> Result<TcpStream, Failure> {
    let deadline = Instant::now() + within;
    let addresses = allowed(resolve(address, port, deadline, within).await?, networks)?;
    let mut failed = Vec::with_capacity(addresses.len());
    for (at, socket) in addresses.iter().enumerate() {
        let started = Instant::now();
        let share = deadline.saturating_duration_since(started) / (addresses.len() - at) as u32;
        match timeout_at(started + share, TcpStream::connect(socket)).await {
            Ok(Ok(stream)) => {
                // Otherwise every keystroke waits for the device's delayed acknowledgement. It fails
                // only on a socket that is dead already, which the next read reports better.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failed.push(Attempt { socket: *socket, error: Some(error), share }),
            Err(_) => failed.push(Attempt { socket: *socket, error: None, share }),
        }
    }
    Err(explain(address, &failed))
}

/// What another host is to connect to for us: a name is looked up here where the networks are restricted, because what
/// the other host makes of it cannot be checked.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn destination(
    address: &str,
    port: u16,
    networks: Reachable<'_>,
    within: Duration,
) -> Result<String, Failure> {
    if literal(address).is_none() && !networks.are_restricted() {
        return Ok(address.to_owned());
    }
    let addresses = resolve(address, port, Instant::now() + within, within).await?;
    let first = allowed(addresses, networks)?.into_iter().next();
    Ok(first.map_or_else(|| address.to_owned(), |socket| socket.ip().to_string()))
}

/// Those that may be connected to; at least one.
fn allowed(addresses: Vec<SocketAddr>, networks: Reachable<'_>) -> Result<Vec<SocketAddr>, Failure> {
    let checked: Vec<_> =
        addresses.into_iter().map(|socket| networks.check(socket.ip()).map(|()| socket)).collect();
    let (good, bad): (Vec<_>, Vec<_>) = checked.into_iter().partition(Result::is_ok);
    match bad.into_iter().next() {
        Some(Err(refused)) if good.is_empty() => Err(refused),
        _ => Ok(good.into_iter().flatten().collect()),
    }
}

/// The address, where it is one and no name.
fn literal(address: &str) -> Option<IpAddr> {
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    bare.parse().ok()
}

async fn resolve(
    address: &str,
    port: u16,
    deadline: Instant,
    within: Duration,
) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(ip) = literal(address) {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let not_found = |why: String| {
        let message = format!("the name \"{address}\" has no address: {why}");
        Failure::new(ErrorCode::NameNotFound, Phase::Connect, message)
    };
    let found = match timeout_at(deadline, lookup_host((address, port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(not_found(error.to_string())),
        Err(_) => return Err(not_found(format!("no answer within {within:?}"))),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for socket in found {
        if !addresses.contains(&socket) {
            addresses.push(socket);
        }
    }
    if addresses.is_empty() { Err(not_found("the answer is empty".into())) } else { Ok(addresses) }
}

struct Attempt {
    socket: SocketAddr,
    /// `None`: the time was over.
    error: Option<io::Error>,
    share: Duration,
}

impl Attempt {
    fn code(&self) -> ErrorCode {
        match &self.error {
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => ErrorCode::Refused,
            Some(error) if is_our_own(error) => ErrorCode::Internal,
            _ => ErrorCode::Unreachable,
        }
    }

    fn text(&self) -> String {
        match &self.error {
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                format!("{} refused the connection", self.socket)
            }
            Some(error) => format!("{}: {error}", self.socket),
            None => format!("{} did not answer within {}", self.socket, seconds(self.share)),
        }
    }
}

/// Whether this machine ran out of something: the device has no part in it.
fn is_our_own(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
        || matches!(error.kind(), io::ErrorKind::OutOfMemory | io::ErrorKind::AddrNotAvailable)
}

/// All addresses failed: one code when all agree, else "unreachable".
fn explain(address: &str, failed: &[Attempt]) -> Failure {
    let mut codes = failed.iter().map(Attempt::code);
    let first = codes.next().unwrap_or(ErrorCode::Unreachable);
    let code = if codes.all(|code| code == first) { first } else { ErrorCode::Unreachable };
    let texts: Vec<String> = failed.iter().map(Attempt::text).collect();
    let named = failed.iter().any(|attempt| attempt.socket.ip().to_string() != address);
    let name = if named { format!("{address}: ") } else { String::new() };
    Failure::new(code, Phase::Connect, format!("{name}{}", texts.join("; ")))
}

/// A duration for people: `10 s`, `0.25 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 100.0).round() / 100.0)
}
