//! One session with a device in which everything that is said is kept, in memory.

use crate::context::Context;
use crate::target::Chosen;
use crate::work::device_settings;
use netraven_device::{Chunk, DeviceSettings, SshConnection, SshShell, open};
use netraven_model::{ErrorCode, Failure, Login, Phase, Protocol};
use netraven_platform::{Machine, Next, Output, Plan, Platform};
use netraven_replay::record::{Exchange, Sent};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// A device that takes no command for so long takes nothing any more.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// What was said.
pub struct Said {
    pub ssh_version: String,
    pub exchanges: Vec<Exchange>,
    pub outputs: Vec<Output>,
}

/// Connects, and has the platform's commands answered.
pub async fn converse(chosen: &Chosen, platform: &Arc<Platform>, context: &Context) -> Result<Said, Failure> {
    let settings = device_settings(&context.settings);
    let mut access = chosen.access.clone();
    if access.target.protocol != Protocol::Ssh {
        let message = format!("sessions are recorded over SSH, not over {}", access.target.protocol.as_str());
        return Err(Failure::new(ErrorCode::Unsupported, Phase::Connect, message));
    }
    access.login = platform.login(&access.login).into_owned();
    let opened = open(&access, &settings).await;
    let mut connection = opened.map_err(|open| open.failure)?;
    let ssh_version = connection.server_version().to_owned();
    let ended = match connection.shell().await {
        Ok(mut shell) => session(&connection, &mut shell, chosen, platform, &settings).await,
        Err(failure) => Err(failure),
    };
    connection.disconnect().await;
    let (exchanges, outputs) = ended?;
    Ok(Said { ssh_version, exchanges, outputs })
}

async fn session(
    connection: &SshConnection,
    shell: &mut SshShell,
    chosen: &Chosen,
    platform: &Arc<Platform>,
    settings: &DeviceSettings,
) -> Result<(Vec<Exchange>, Vec<Output>), Failure> {
    let mut machine = Machine::new(plan(chosen, platform, settings), Instant::now());
    let mut exchanges = vec![Exchange { sent: Sent::Nothing, received: Vec::new() }];
    loop {
        match machine.next(Instant::now()) {
            Next::Finished => return Ok((exchanges, machine.report().result?)),
            Next::Send(bytes) => {
                let deadline = Instant::now() + SEND_TIMEOUT;
                if let Err(failure) = shell.send(&bytes, machine.phase(), deadline.into()).await {
                    machine.broken(failure, Instant::now());
                }
                let sent = match is_secret(&bytes, &chosen.access.login) {
                    true => Sent::Secret,
                    false => Sent::Keys(bytes.to_vec()),
                };
                exchanges.push(Exchange { sent, received: Vec::new() });
            }
            Next::Fetch(file) => {
                let fetched = connection.fetch(&file, Some(&mut *shell)).await;
                machine.fetched(fetched, Instant::now());
            }
            Next::Wait(until) => match timeout_at(until.into(), shell.recv()).await {
                Ok(Chunk::Data(bytes)) => {
                    if let Some(exchange) = exchanges.last_mut() {
                        exchange.received.extend_from_slice(&bytes);
                    }
                    machine.receive(&bytes, Instant::now());
                }
                Ok(Chunk::Eof | Chunk::Closed { .. }) => machine.closed(Instant::now()),
                Err(_) => {}
            },
        }
    }
}

fn plan(chosen: &Chosen, platform: &Arc<Platform>, settings: &DeviceSettings) -> Plan {
    Plan::backup(platform.clone(), &chosen.access.login, settings.limits())
}

/// Whether a line is one of the credential's secrets.
fn is_secret(line: &[u8], login: &Login) -> bool {
    let line = line.trim_ascii_end();
    [&login.password, &login.enable].into_iter().flatten().any(|secret| line == secret.expose_bytes())
}
