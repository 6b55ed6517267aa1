use super::settings::Failing;
use super::world::World;
use crate::emulator::{Emulator, Output};
use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes handed to the SSH library at once.
const SLICE: usize = 256 * 1024;
/// With a bandwidth limit, pieces last this long.
const PIECES_PER_SECOND: u32 = 20;
/// Output at least this long is broken off by a device that fails so.
const LONG_OUTPUT: usize = 1024;

/// A client that does not take half an output in this time is cut off all the same.
const HALF_LIMIT: Duration = Duration::from_secs(5);

/// How a shell ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// One of the two sides ended it in order.
    Orderly,
    /// The connection is to be cut.
    Cut,
}

/// Runs the command line of device `index` on `channel` until one of the two sides ends it.
///
/// `written` counts the bytes that the connection has sent.
pub(super) async fn run(
    world: &Arc<World>,
    index: u32,
    mut channel: Channel<Msg>,
    handle: Handle,
    written: watch::Receiver<u64>,
) -> Ending {
    let _session = world.enter(index);
    let mut personality = world.personality(index);
    personality.filler = world.filler(index);
    let mut emulator = Emulator::new(world.session(index).clone(), personality, world.clock.clone());
    let mut line = Line { world, handle, channel: channel.id(), free_at: Instant::now() };
    if line.send(emulator.start()).await.is_err() {
        return Ending::Cut;
    }
    loop {
        let typed = match timeout(world.settings.idle_timeout, channel.wait()).await {
            Ok(Some(ChannelMsg::Data { data })) => data,
            Ok(Some(ChannelMsg::Eof | ChannelMsg::Close) | None) => break,
            Ok(Some(_)) => continue,
            Err(_idle) => break,
        };
        emulator.set_state(world.state(index));
        let output = answer(world, index, &mut emulator, &typed);
        if world.failing(index) == Some(Failing::ClosesMidOutput) && output.to_vec().len() >= LONG_OUTPUT {
            line.send_half(output, written).await;
            return Ending::Cut;
        }
        let closes = output.closes();
        if line.send(output).await.is_err() {
            return Ending::Cut;
        }
        if closes {
            break;
        }
    }
    line.hang_up().await;
    Ending::Orderly
}

/// Lets the emulator answer and keeps count of what was typed.
fn answer(world: &World, index: u32, emulator: &mut Emulator, typed: &[u8]) -> Output {
    let (commands, noted, count) =
        (emulator.commands(), emulator.unexpected().len(), emulator.unexpected_count());
    let output = emulator.input(typed);
    world.count_commands(index, emulator.commands() - commands);
    for what in &emulator.unexpected()[noted..] {
        world.note_unexpected(index, what.clone());
    }
    let unnoted = (emulator.unexpected_count() - count) as usize - (emulator.unexpected().len() - noted);
    if unnoted > 0 {
        world.note_unexpected(index, format!("{unnoted} more unexpected things in one session"));
    }
    output
}

/// The line to the client, with the device's slowness. Answers go out in the order of the commands, because
/// nothing is read while one is being sent.
struct Line<'a> {
    world: &'a World,
    handle: Handle,
    channel: ChannelId,
    /// When a line of limited bandwidth has sent what it was given.
    free_at: Instant,
}

/// The client is gone.
struct Gone;

impl Line<'_> {
    async fn send(&mut self, output: Output) -> Result<(), Gone> {
        for chunk in output.into_chunks() {
            if chunk.thinks && !self.world.settings.think_time.is_zero() {
                sleep_until(Instant::now() + self.world.settings.think_time).await;
            }
            self.write(chunk.bytes).await?;
        }
        Ok(())
    }

    /// Sends the first half and waits until it has left: cut earlier, the client would see nothing of it.
    async fn send_half(&mut self, output: Output, mut written: watch::Receiver<u64>) {
        let mut bytes = Bytes::from(output.to_vec());
        bytes.truncate(bytes.len() / 2);
        let until = *written.borrow() + bytes.len() as u64;
        if self.write(bytes).await.is_ok() {
            let _ = timeout(HALF_LIMIT, written.wait_for(|count| *count >= until)).await;
        }
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(self.piece()));
            let size = piece.len();
            self.handle.data(self.channel, piece).await.map_err(|_| Gone)?;
            if let Some(bandwidth) = self.world.settings.bandwidth {
                let takes = Duration::from_secs(1).mul_f64(size as f64 / f64::from(bandwidth.get()));
                self.free_at = self.free_at.max(Instant::now()) + takes;
                sleep_until(self.free_at).await;
            }
        }
        Ok(())
    }

    fn piece(&self) -> usize {
        self.world.settings.bandwidth.map_or(SLICE, |rate| (rate.get() / PIECES_PER_SECOND).max(1) as usize)
    }

    /// Ends the channel as a server does whose shell has ended. A client that is gone misses nothing.
    async fn hang_up(&self) {
        let _ = self.handle.exit_status_request(self.channel, 0).await;
        let _ = self.handle.eof(self.channel).await;
        let _ = self.handle.close(self.channel).await;
    }
}
