//! The driver: carries bytes between the session machine and the line.

use crate::link::{Chunk, Link};
use netraven_platform::{Machine, Next};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Commands are short: a device that cannot take one for so long takes nothing any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs a session until it is over, or idle. Every wait ends at a time the machine named.
pub(crate) async fn run(link: &mut Link, machine: &mut Machine) {
    loop {
        match machine.next(Instant::now()) {
            Next::Finished => return,
            Next::Send(bytes) => {
                let deadline = Instant::now() + SEND_TIMEOUT;
                if let Err(failure) = link.send(&bytes, machine.phase(), deadline.into()).await {
                    machine.broken(failure, Instant::now());
                }
            }
            Next::Wait(until) => match timeout_at(until.into(), link.recv()).await {
                Ok(Chunk::Data(bytes)) => machine.receive(&bytes, Instant::now()),
                // A half-closed shell answers nothing any more.
                Ok(Chunk::Eof | Chunk::Closed { .. }) => machine.closed(Instant::now()),
                Err(_) => {}
            },
        }
    }
}
