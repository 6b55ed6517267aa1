//! The driver: carries bytes between the session machine and the line.

use crate::gateway::Session;
use crate::link::{Chunk, Link};
use crate::ssh::{NotStarted, Piece, SshCommand, SshConnection, Unused};
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_platform::{Exchange, Machine, Next, Plan, Report, Task};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Commands are short: a device that cannot take one for so long takes nothing any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// What a plan led to.
pub(crate) enum Begun {
    /// A session in a shell, to be run.
    Shell(Box<Session>),
    /// Everything was answered, or failed, and the line is closed.
    Over(Report),
}

/// Asks everything on channels of their own, where the family and the device have that; otherwise begins a session in a shell.
pub(crate) async fn begin(link: Link, plan: Plan) -> Begun {
    let (plan, channel) = match link.exec() {
        None => (plan, None),
        Some(connection) => match Exchange::new(plan, Instant::now()) {
            Err(plan) => (*plan, None),
            Ok(exchange) => match answered(connection, exchange).await {
                Ok(report) => {
                    link.close().await;
                    return Begun::Over(report);
                }
                Err((plan, channel)) => (*plan, channel),
            },
        },
    };
    match link.with_shell(channel).await {
        Ok(link) => Begun::Shell(Box::new(Session { link, machine: Machine::new(plan, Instant::now()) })),
        Err(failure) => Begun::Over(failed(failure)),
    }
}

/// Fetches the files of these parts, on a connection without a shell.
pub(crate) async fn fetch(link: Link, plan: Plan, parts: &[usize]) -> Report {
    let exchange = Exchange::fetching(plan, parts, Instant::now());
    let report = match link.exec() {
        Some(connection) => answered(connection, exchange).await.ok(),
        None => None,
    };
    link.close().await;
    report.unwrap_or_else(|| {
        let message = "a connection for files alone was expected";
        failed(Failure::new(ErrorCode::Internal, Phase::Collect, message))
    })
}

/// A session that never began.
fn failed(failure: Failure) -> Report {
    Report {
        result: Err(failure),
        later: Vec::new(),
        commands: Vec::new(),
        dialogue: String::new(),
        host: None,
        login_time: None,
        password_sent: false,
    }
}

/// Asks one command after the other; gives the plan back where the device refuses the first one, as it would the others, and
/// the channel on which it did so.
async fn answered(
    connection: &SshConnection,
    mut exchange: Exchange,
) -> Result<Report, (Box<Plan>, Option<Unused>)> {
    let mut command: Option<SshCommand> = None;
    let mut first = true;
    loop {
        match (exchange.next(Instant::now()), &mut command) {
            (Task::Finished, _) => return Ok(exchange.report()),
            (Task::Unsuited, _) => return Err((Box::new(exchange.into_plan()), None)),
            (Task::Run(line), _) => match connection.command(&line).await {
                Ok(started) => (command, first) = (Some(started), false),
                Err(NotStarted::Refused(channel)) if first => {
                    return Err((Box::new(exchange.into_plan()), channel));
                }
                Err(NotStarted::Refused(_)) => {
                    let message = "the device refuses to start another command";
                    let failure = Failure::new(ErrorCode::Disconnected, Phase::Collect, message);
                    exchange.broken(failure, Instant::now());
                }
                Err(NotStarted::NoChannel(failure) | NotStarted::Failed(failure)) => {
                    exchange.broken(failure, Instant::now());
                }
            },
            (Task::Fetch(request), _) => {
                let fetched = connection.fetch(&request, None).await;
                exchange.fetched(fetched, Instant::now());
            }
            (Task::Wait(until), Some(running)) => match timeout_at(until.into(), running.recv()).await {
                Ok(Piece::Output(bytes)) => exchange.output(&bytes, Instant::now()),
                Ok(Piece::Errors(bytes)) => exchange.errors(&bytes, Instant::now()),
                Ok(Piece::Ended { exit_status }) => exchange.ended(exit_status, Instant::now()),
                Ok(Piece::Lost(failure)) => exchange.broken(failure, Instant::now()),
                Err(_) => {}
            },
            (Task::Wait(_), None) => {
                let message = "an answer was awaited before anything was asked";
                exchange.broken(Failure::new(ErrorCode::Internal, Phase::Collect, message), Instant::now());
            }
        }
    }
}

/// Runs a session until it is over, or idle. Every wait ends at a time the machine named.
pub(crate) async fn run(link: &mut Link, machine: &mut Machine) {
    run_until(link, machine, |_| false).await;
}

/// The same until a moment worth stopping at, if that comes before.
pub(crate) async fn run_until(link: &mut Link, machine: &mut Machine, stop: fn(&Machine) -> bool) {
    while !stop(machine) {
        match machine.next(Instant::now()) {
            Next::Finished => return,
            Next::Send(bytes) => {
                let deadline = Instant::now() + SEND_TIMEOUT;
                if let Err(failure) = link.send(&bytes, machine.phase(), deadline.into()).await {
                    machine.broken(failure, Instant::now());
                }
            }
            Next::Fetch(request) => {
                let fetched = link.fetch(&request).await;
                machine.fetched(fetched, Instant::now());
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
