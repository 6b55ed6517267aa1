use super::settings::Failing;
use super::wire::{Gone, Wire};
use super::world::World;
use crate::emulator::{Emulator, Output};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes handed to the line at once.
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

/// Runs the command line of device `index` on `wire` until one of the two sides ends it.
pub(super) async fn run(world: &Arc<World>, index: u32, wire: &mut Wire) -> Ending {
    let _session = world.enter(index);
    let mut personality = world.personality(index);
    personality.filler = world.filler(index);
    let mut emulator = Emulator::new(world.session(index).clone(), personality, world.clock.clone());
    let mut line = Line { world, wire, free_at: Instant::now() };
    if line.send(emulator.start()).await.is_err() {
        return Ending::Cut;
    }
    while let Ok(Some(typed)) = timeout(world.settings.idle_timeout, line.wire.typed()).await {
        emulator.set_state(world.state(index));
        let output = answer(world, index, &mut emulator, &typed);
        if world.failing(index) == Some(Failing::ClosesMidOutput) && output.to_vec().len() >= LONG_OUTPUT {
            line.send_half(output).await;
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
    line.wire.hang_up().await;
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
    wire: &'a mut Wire,
    /// When a line of limited bandwidth has sent what it was given.
    free_at: Instant,
}

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
    async fn send_half(&mut self, output: Output) {
        let mut bytes = Bytes::from(output.to_vec());
        bytes.truncate(bytes.len() / 2);
        let until = self.wire.sent() + bytes.len() as u64;
        if self.write(bytes).await.is_ok() {
            let _ = timeout(HALF_LIMIT, self.wire.has_sent(until)).await;
        }
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(self.piece()));
            let size = piece.len();
            self.wire.write(piece).await?;
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
}
