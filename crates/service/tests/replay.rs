//! Every session file in the tree against its platform's definition, both directions checked: the
//! emulated device notes whatever a well-behaved collector would not have sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, Utc};
use netraven_lab::{Clock, DeviceState, Emulator, ManualClock, Personality, SessionFile, embedded};
use netraven_model::Facts;
use netraven_platform::{Limits, Machine, Next, Plan, Platform, Platforms};
use netraven_seal::{FingerprintKey, Masked, RawPart, SealedConfig, SealedPart, decompress, mask};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(30),
    session: Duration::from_secs(600),
    logout: Duration::from_secs(2),
    max_output: 8 << 20,
};

/// What one poll of an emulated device brought.
struct Poll {
    masked: Masked,
    facts: Facts,
    dialogue: String,
}

struct Device {
    session: Arc<SessionFile>,
    platform: Arc<Platform>,
    personality: Personality,
    clock: Arc<ManualClock>,
    state: DeviceState,
}

impl Device {
    fn all() -> Vec<Self> {
        let platforms = Platforms::shipped().unwrap();
        let now: DateTime<Utc> = "2026-05-01T08:00:00Z".parse().unwrap();
        let devices = embedded().unwrap().into_iter().enumerate().map(|(index, session)| {
            let personality = Personality::new(&session, 7, index as u32);
            Self {
                platform: platforms.get(session.platform()).unwrap(),
                state: personality.initial_state(),
                clock: Arc::new(ManualClock::new(now)),
                session: Arc::new(session),
                personality,
            }
        });
        devices.collect()
    }

    fn name(&self) -> String {
        format!("{} {}", self.session.platform(), self.session.hardware())
    }

    /// One whole session; `piece` bytes of the device's output at a time.
    fn poll(&self, piece: usize) -> Poll {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let mut device = Emulator::new(self.session.clone(), self.personality.clone(), clock);
        device.set_state(self.state);
        let mut now = Instant::now();
        let enable = Some(self.personality.enable.clone());
        let plan =
            Plan { platform: self.platform.clone(), password: Some("wrong".into()), enable, limits: LIMITS };
        let mut machine = Machine::new(plan, now);
        let mut output = device.start();
        loop {
            for bytes in output.to_vec().chunks(piece) {
                machine.receive(bytes, now);
            }
            if output.closes() {
                machine.closed(now);
            }
            output = loop {
                match machine.next(now) {
                    Next::Send(bytes) => break device.input(&bytes),
                    Next::Wait(until) => now = until,
                    Next::Finished => return self.finish(machine, &device),
                }
            };
        }
    }

    fn finish(&self, machine: Machine, device: &Emulator) -> Poll {
        let report = machine.report();
        let name = self.name();
        assert!(device.unexpected().is_empty(), "{name}: not known to the device: {:?}", device.unexpected());
        let outputs =
            report.result.unwrap_or_else(|failure| panic!("{name}: {failure}\n{}", report.dialogue));
        let texts: Vec<_> = outputs.iter().map(|out| (out.part, out.capture.expose_bytes())).collect();
        let facts = self.platform.find_facts(&texts);
        let raw = outputs.into_iter().map(|output| RawPart {
            name: self.platform.parts[output.part].name.clone(),
            context: None,
            kind: self.platform.parts[output.part].kind,
            command: output.command,
            secrets: self.platform.find_secrets(output.capture.expose_bytes()),
            volatile: self.platform.find_volatile(output.capture.expose_bytes()),
            capture: output.capture,
        });
        let masked = mask(raw.collect(), &FingerprintKey::from_bytes([9; 32])).unwrap();
        Poll { masked, facts, dialogue: report.dialogue }
    }
}

fn texts(config: &SealedConfig) -> Vec<(String, String)> {
    let text = |part: &SealedPart| {
        String::from_utf8_lossy(&decompress(&part.content, part.size, part.digest).unwrap()).into_owned()
    };
    config.parts().iter().map(|part| (part.command.clone(), text(part))).collect()
}

#[test]
fn every_session_is_backed_up_whole_without_its_secrets_and_with_its_facts() {
    for device in Device::all() {
        let name = device.name();
        let expected = device.session.expect(&device.personality, device.state);
        let poll = device.poll(1460);
        let parts = texts(&poll.masked.seal().unwrap());
        for part in &expected.parts {
            let found = parts.iter().find(|(command, _)| *command == part.command);
            let (_, text) = found.unwrap_or_else(|| panic!("{name}: no answer to {}", part.command));
            for line in &part.contains {
                assert!(text.lines().any(|found| found == line), "{name}: {line:?} not in\n{text}");
            }
        }
        for secret in &expected.secrets {
            let leak =
                |text: &str| text.lines().find(|line| line.contains(secret.as_str())).map(str::to_owned);
            let leaked = parts.iter().find_map(|(_, text)| leak(text)).or(leak(&poll.dialogue));
            assert_eq!(leaked, None, "{name}: secret {secret:?} in clear");
        }
        assert_eq!(poll.facts, expected.facts, "{name}");
    }
}

#[test]
fn the_same_is_found_in_whatever_pieces_it_comes() {
    for device in Device::all() {
        let whole = device.poll(1 << 20).masked;
        for piece in [1, 7, 100] {
            assert_eq!(device.poll(piece).masked, whole, "{} in pieces of {piece}", device.name());
        }
    }
}

#[test]
fn time_that_passes_is_no_change_and_an_operators_change_is_one() {
    for mut device in Device::all() {
        let significant = |device: &Device| device.poll(1460).masked.significant();
        let before = significant(&device);
        device.clock.advance_seconds(93_784);
        assert_eq!(significant(&device), before, "{}: time passed", device.name());
        device.state.changed_at = device.clock.now();
        assert_eq!(significant(&device), before, "{}: saved again", device.name());
        device.state.revision = 1;
        assert_ne!(significant(&device), before, "{}: changed", device.name());
    }
}
