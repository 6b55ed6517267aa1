//! Telnet to a device: the login is a dialogue.

use super::settings::Failing;
use super::shell;
use super::wire::{Gone, Wire};
use super::world::World;
use crate::emulator::{Key, Line, Output};
use netraven_device::TelnetParser;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Logins that may be tried on one connection.
const TRIES: usize = 3;

/// Serves one connection until one of the two sides ends it.
pub(super) async fn serve(world: &Arc<World>, index: u32, stream: TcpStream) {
    let mut wire = Wire::Telnet { stream, parser: Box::new(TelnetParser::server()) };
    if let Ok(true) = log_in(world, index, &mut wire).await {
        shell::run(world, index, &mut wire).await;
    }
}

async fn log_in(world: &World, index: u32, wire: &mut Wire) -> Result<bool, Gone> {
    wire.write("\r\nUser Access Verification\r\n\r\n".into()).await?;
    let settings = &world.settings;
    for _ in 0..TRIES {
        let username = ask(world, wire, "Username: ", true).await?;
        let password = ask(world, wire, "Password: ", false).await?;
        let right = username == settings.username && password.as_bytes() == settings.password.expose_bytes();
        if right && world.failing(index) != Some(Failing::WrongPassword) {
            return Ok(true);
        }
        world.count_refused_login(index);
        sleep(settings.rejection_delay).await;
        wire.write("% Login invalid\r\n\r\n".into()).await?;
    }
    Ok(false)
}

/// Asks for a line. A well-behaved client types nothing ahead.
async fn ask(world: &World, wire: &mut Wire, question: &'static str, echo: bool) -> Result<String, Gone> {
    wire.write(question.into()).await?;
    let mut line = Line::default();
    loop {
        let Ok(Some(typed)) = timeout(world.settings.idle_timeout, wire.typed()).await else {
            return Err(Gone);
        };
        let mut output = Output::default();
        let entered = typed.iter().find_map(|byte| match line.key(*byte, echo, &mut output) {
            Key::Enter(text) => Some(text),
            Key::Typed | Key::Interrupt | Key::Strange => None,
        });
        wire.write(output.to_vec().into()).await?;
        if let Some(text) = entered {
            return Ok(text);
        }
    }
}
