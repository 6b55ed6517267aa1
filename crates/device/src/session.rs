//! The driver: carries bytes between the session machine and the transport.

use crate::ssh::{Chunk, SshShell};
use netraven_platform::{Machine, Next, Plan, Report};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Commands are short: a device that cannot take one for so long takes nothing any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs one session to its end. Every wait ends at a time the machine named.
pub(crate) async fn run(shell: &mut SshShell, plan: Plan) -> Report {
    let mut machine = Machine::new(plan, Instant::now());
    loop {
        match machine.next(Instant::now()) {
            Next::Finished => return machine.report(),
            Next::Send(bytes) => {
                let deadline = Instant::now() + SEND_TIMEOUT;
                if let Err(failure) = shell.send(&bytes, machine.phase(), deadline.into()).await {
                    machine.broken(failure, Instant::now());
                }
            }
            Next::Wait(until) => match timeout_at(until.into(), shell.recv()).await {
                Ok(Chunk::Data(bytes)) => machine.receive(&bytes, Instant::now()),
                // A half-closed shell answers nothing any more.
                Ok(Chunk::Eof | Chunk::Closed { .. }) => machine.closed(Instant::now()),
                Err(_) => {}
            },
        }
    }
}
