//! How a server introduces itself, and nothing behind that.

use super::connection::IDENTIFICATION;
use super::failures::protocol;
use super::preamble::Preamble;
use crate::route::Stream;
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, Phase};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The server's identification, e.g. `SSH-2.0-Cisco-1.25`. Ours is sent, too: a server may wait for it, and its log tells
/// who was there.
///
/// # Errors
/// `timeout`, `disconnected` or `ssh_protocol`, as in a session.
pub(crate) async fn greeting(stream: &mut Stream, within: Duration) -> Result<String, Failure> {
    let mut preamble = Preamble::default();
    match timeout(within, exchange(stream, &mut preamble)).await {
        Ok(done) => done,
        Err(_) => Err(match preamble.foreign() {
            Some(foreign) => protocol(format!(
                "the peer sent \"{foreign}\" and no SSH identification within {}",
                seconds(within)
            )),
            None => Failure::new(
                ErrorCode::Timeout,
                Phase::Handshake,
                format!(
                    "the device accepted the connection and sent no SSH identification within {}",
                    seconds(within)
                ),
            ),
        }),
    }
}

async fn exchange(stream: &mut Stream, preamble: &mut Preamble) -> Result<String, Failure> {
    // One that takes no greeting may still send its own; what it says decides.
    let _ = stream.write_all(format!("{IDENTIFICATION}\r\n").as_bytes()).await;
    let mut piece = [0; 512];
    loop {
        let count = stream.read(&mut piece).await.unwrap_or(0);
        if count == 0 {
            return Err(match preamble.foreign() {
                Some(foreign) => protocol(format!(
                    "the peer sent \"{foreign}\" instead of an SSH identification and closed the connection"
                )),
                None => Failure::new(
                    ErrorCode::Disconnected,
                    Phase::Handshake,
                    "the device accepted the connection and closed it without a word: an access list, or no free session",
                ),
            });
        }
        let fed = preamble.feed(&piece[..count]);
        fed.map_err(|why| protocol(format!("the peer cannot be spoken to: {why}")))?;
        if let Some(server) = preamble.identification() {
            return Ok(server.to_owned());
        }
    }
}
