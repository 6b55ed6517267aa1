//! One poll of an emulated device: the session machine on one side, the lab's emulator on the other.

use chrono::{DateTime, Utc};
use netraven_lab::{Clock, DeviceState, Emulator, ManualClock, Personality, SessionFile};
use netraven_model::{Capture, ErrorCode, Facts, Failure, Login, Phase, Span};
use netraven_platform::{Fetched, FileRequest, Limits, Machine, Next, Output, Plan, Platform, Spans};
use netraven_seal::{FingerprintKey, Masked, RawPart, SealError, decompress, mask};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Generous: time passes only on paper.
const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(300),
    session: Duration::from_secs(3600),
    logout: Duration::from_secs(2),
    max_output: 64 << 20,
};
/// Any key will do: what is compared was made with the same one.
const KEY: [u8; 32] = [9; 32];
/// Who the device is; any numbers will do.
const SEED: u64 = 7;
const INDEX: u32 = 3;
/// 2026-05-01 08:00 UTC, when the first poll is made.
const FIRST_POLL: i64 = 1_777_622_400;

/// A device and the definition it is tried with.
pub(crate) struct Device {
    pub(crate) platform: Arc<Platform>,
    pub(crate) session: Arc<SessionFile>,
    pub(crate) personality: Personality,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) state: DeviceState,
}

/// How the device's output arrives.
#[derive(Clone, Copy)]
pub(crate) struct Delivery<'a> {
    /// So many bytes at a time.
    pub(crate) piece: usize,
    /// After so many bytes nothing comes any more.
    pub(crate) cut: Option<Cut>,
    /// An answer that loses its last lines, but not the prompt behind them.
    pub(crate) shortened: Option<Shortened<'a>>,
}

/// An answer that is not whole.
#[derive(Clone, Copy)]
pub(crate) struct Shortened<'a> {
    /// To which command.
    pub(crate) command: &'a str,
    /// Percent of the lines that are left.
    pub(crate) kept: usize,
}

/// How a session breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// The bytes that still arrive.
    pub(crate) after: usize,
    /// Whether the connection closes then; otherwise it is silent.
    pub(crate) closes: bool,
}

/// In packets of the usual size, whole.
pub(crate) const WHOLE: Delivery<'static> = Delivery { piece: 1460, cut: None, shortened: None };

/// What one poll brought.
pub(crate) struct Poll {
    pub(crate) answers: Vec<Answer>,
    pub(crate) facts: Facts,
    pub(crate) dialogue: String,
    pub(crate) masked: Masked,
    /// Everything the device sent.
    pub(crate) stream: Vec<u8>,
    /// What the device did not know.
    pub(crate) unexpected: Vec<String>,
}

/// One part as it came, with what the finders found in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) part: usize,
    pub(crate) context: Option<String>,
    pub(crate) command: String,
    pub(crate) text: Vec<u8>,
    pub(crate) secrets: Vec<Span>,
    pub(crate) volatile: Vec<Span>,
}

/// Why a poll brought nothing.
pub(crate) struct Broken {
    pub(crate) failure: Failure,
    pub(crate) dialogue: String,
    /// What the device did not know.
    pub(crate) unexpected: Vec<String>,
}

/// Why a poll is of no use.
pub(crate) enum PollError {
    /// The session failed.
    Session(Broken),
    /// The finders' spans do not fit.
    Seal(SealError),
}

impl Device {
    pub(crate) fn new(platform: Arc<Platform>, session: Arc<SessionFile>) -> Self {
        let personality = Personality::new(&session, SEED, INDEX);
        let now = DateTime::<Utc>::from_timestamp(FIRST_POLL, 0).unwrap_or(DateTime::UNIX_EPOCH);
        Self {
            state: personality.initial_state(),
            clock: Arc::new(ManualClock::new(now)),
            platform,
            session,
            personality,
        }
    }

    /// One whole session.
    pub(crate) fn poll(&self, delivery: Delivery<'_>) -> Result<Poll, PollError> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let mut device = Emulator::new(self.session.clone(), self.personality.clone(), clock);
        device.set_state(self.state);
        let mut now = Instant::now();
        let mut machine = Machine::new(self.plan(), now);
        let mut line = Line { delivery, asked: false, stream: Vec::new(), down: false };
        let greeting = device.start();
        let (mut bytes, mut closes) = (greeting.to_vec(), greeting.closes());
        loop {
            line.carry(&mut machine, &bytes, closes, now);
            (bytes, closes) = loop {
                match machine.next(now) {
                    Next::Send(_) if line.down => {}
                    Next::Send(sent) => {
                        let answer = device.input(&sent);
                        break (line.shorten(&sent, answer.to_vec()), answer.closes());
                    }
                    Next::Fetch(file) => machine.fetched(self.fetch(&device, &file, line.down), now),
                    Next::Wait(until) => now = until,
                    Next::Finished => return self.finish(machine, &device, line.stream),
                }
            };
        }
    }

    /// The file straight from the session's folder.
    fn fetch(&self, device: &Emulator, request: &FileRequest, down: bool) -> Fetched {
        if down {
            let failure = Failure::new(ErrorCode::Disconnected, Phase::Collect, "the connection is down");
            return Fetched::Failed(failure);
        }
        match device.file(&request.path) {
            Some(content) => Fetched::Content(Capture::new(content.to_vec())),
            None => Fetched::Refused(format!("no file {}", request.path)),
        }
    }

    fn plan(&self) -> Plan {
        let login = Login {
            username: self.personality.username.clone(),
            password: Some("not-the-enable-secret".into()),
            enable: Some(self.personality.enable.clone()),
            ..Login::default()
        };
        Plan::backup(self.platform.clone(), &login, LIMITS)
    }

    fn finish(&self, machine: Machine, device: &Emulator, stream: Vec<u8>) -> Result<Poll, PollError> {
        let report = machine.report();
        let unexpected = device.unexpected().to_vec();
        let outputs = match report.result {
            Err(failure) => {
                return Err(PollError::Session(Broken { failure, dialogue: report.dialogue, unexpected }));
            }
            Ok(outputs) => outputs,
        };
        let texts: Vec<_> = outputs
            .iter()
            .map(|out| (self.platform.parts[out.part].name.as_str(), out.capture.expose_bytes()))
            .collect();
        let facts = self.platform.find_facts(&texts);
        let answers: Vec<Answer> = outputs.iter().map(|output| self.answer(output)).collect();
        let raw = outputs.into_iter().zip(&answers).map(|(output, answer)| RawPart {
            name: self.platform.parts[output.part].name.clone(),
            context: output.context,
            kind: self.platform.parts[output.part].kind,
            command: output.command,
            capture: output.capture,
            secrets: answer.secrets.clone(),
            volatile: answer.volatile.clone(),
        });
        let masked = mask(raw.collect(), &FingerprintKey::from_bytes(KEY)).map_err(PollError::Seal)?;
        Ok(Poll { answers, facts, dialogue: report.dialogue, masked, stream, unexpected })
    }

    fn answer(&self, output: &Output) -> Answer {
        let text = output.capture.expose_bytes();
        let part = &self.platform.parts[output.part];
        let Spans { secrets, volatile } = self.platform.find_spans(&part.name, part.kind, text);
        Answer {
            part: output.part,
            context: output.context.clone(),
            command: output.command.clone(),
            secrets,
            volatile,
            text: text.to_vec(),
        }
    }
}

/// The connection between the two.
struct Line<'a> {
    delivery: Delivery<'a>,
    /// Whether what comes answers the command whose answer is to be shortened.
    asked: bool,
    stream: Vec<u8>,
    down: bool,
}

impl Line<'_> {
    fn carry(&mut self, machine: &mut Machine, bytes: &[u8], closes: bool, now: Instant) {
        let room = self.delivery.cut.map_or(usize::MAX, |cut| cut.after.saturating_sub(self.stream.len()));
        let arriving = &bytes[..bytes.len().min(room)];
        self.stream.extend_from_slice(arriving);
        for piece in arriving.chunks(self.delivery.piece) {
            machine.receive(piece, now);
        }
        if arriving.len() < bytes.len() {
            self.down = true;
            if self.delivery.cut.is_some_and(|cut| cut.closes) {
                machine.closed(now);
            }
        } else if closes {
            machine.closed(now);
        }
    }

    /// Takes the last lines out of an answer, or out of each of its pages.
    fn shorten(&mut self, sent: &[u8], answer: Vec<u8>) -> Vec<u8> {
        let Some(Shortened { command, kept }) = self.delivery.shortened else { return answer };
        let line = sent.trim_ascii();
        if !line.is_empty() {
            self.asked = line == command.as_bytes();
        }
        let ends: Vec<usize> =
            answer.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        match ends.last() {
            Some(&prompt) if self.asked => {
                [&answer[..ends[ends.len() * kept / 100]], &answer[prompt..]].concat()
            }
            _ => answer,
        }
    }
}

/// Command and text of each part as they would be stored.
pub(crate) fn stored(masked: Masked) -> Result<Vec<Stored>, SealError> {
    let sealed = masked.seal(None)?;
    let text = |part: &netraven_seal::SealedPart| {
        let text = decompress(&part.content, part.size, part.digest)?;
        Ok(Stored { command: part.command.clone(), text, volatile: part.volatile.clone() })
    };
    sealed.parts().iter().map(text).collect()
}

/// A part as it would be stored: without its secrets.
pub(crate) struct Stored {
    pub(crate) command: String,
    pub(crate) text: Vec<u8>,
    pub(crate) volatile: Vec<Span>,
}

impl Stored {
    /// The text without what changes without meaning.
    pub(crate) fn significant(&self) -> String {
        let (mut kept, mut at) = (Vec::new(), 0);
        for span in &self.volatile {
            kept.extend_from_slice(&self.text[at..span.start]);
            at = span.end;
        }
        kept.extend_from_slice(&self.text[at..]);
        String::from_utf8_lossy(&kept).into_owned()
    }
}
