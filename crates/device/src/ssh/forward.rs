//! A channel through a jump host (RFC 4254, section 7.2).

use super::failures::lost;
use super::witness::{End, Witness};
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, Phase};
use russh::client::{Handle, Msg};
use russh::{ChannelOpenFailure, ChannelStream, Error};
use std::time::Duration;
use tokio::time::timeout;

/// Bytes that a jump host carries on to the next address.
pub(crate) type Forwarded = ChannelStream<Msg>;

/// Has the server connect to an address and port, as seen from there.
pub(super) async fn open(
    handle: &Handle<super::witness::Observer>,
    witness: &Witness,
    (address, port): (&str, u16),
    within: Duration,
) -> Result<Forwarded, Failure> {
    // The originator is for the server's log.
    let opening = handle.channel_open_direct_tcpip(address, port.into(), "127.0.0.1", 0);
    match timeout(within, opening).await {
        Ok(Ok(channel)) => Ok(channel.into_stream()),
        Ok(Err(Error::ChannelOpenFailure(why))) => Err(refused(&why, address, port)),
        Ok(Err(_)) => Err(lost(&witness.end().unwrap_or(End::Lost), Phase::Connect)),
        Err(_) => {
            let within = seconds(within);
            let message = format!("it did not reach {address} port {port} within {within}");
            Err(Failure::new(ErrorCode::Timeout, Phase::Connect, message))
        }
    }
}

fn refused(why: &ChannelOpenFailure, address: &str, port: u16) -> Failure {
    let (code, what) = match why {
        // The protocol does not tell a refused connection from an address that does not answer.
        ChannelOpenFailure::ConnectFailed => (ErrorCode::Unreachable, "cannot connect to"),
        ChannelOpenFailure::AdministrativelyProhibited => (ErrorCode::JumpHost, "does not forward to"),
        ChannelOpenFailure::UnknownChannelType => (ErrorCode::JumpHost, "cannot forward to"),
        _ => (ErrorCode::JumpHost, "refuses a channel to"),
    };
    let reason = super::text::quote(why.description());
    Failure::new(code, Phase::Connect, format!("it {what} {address} port {port}: {reason}"))
}
