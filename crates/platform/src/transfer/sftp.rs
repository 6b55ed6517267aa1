//! The part of the SSH File Transfer Protocol, version 3, that reads one file
//! (draft-ietf-secsh-filexfer-02): INIT, OPEN, FSTAT, READ, CLOSE.

use super::{Content, Trouble, words};
use netraven_model::Capture;
use std::collections::VecDeque;
use zeroize::Zeroizing;

const INIT: u8 = 1;
const VERSION: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const FSTAT: u8 = 8;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const ATTRS: u8 = 105;

/// The version that is spoken; every server speaks it.
const SPOKEN: u32 = 3;
/// `SSH_FXF_READ`
const FOR_READING: u32 = 1;
/// `SSH_FILEXFER_ATTR_SIZE`, `_UIDGID`, `_PERMISSIONS`
const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_MODE: u32 = 4;
/// The kind of file in its mode, and a regular one.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// `SSH_FX_EOF`
const EOF: u32 = 1;

/// Asked for at once: what every server gives (section 6.4 of the draft: at least 32 KiB).
const PIECE: u32 = 32 * 1024;
/// Requests on the way at the same time: 512 KiB.
const AHEAD: usize = 16;
/// A larger packet is none.
const MAX_PACKET: usize = 256 * 1024 + 1024;

/// The state of a transfer.
pub(super) struct Sftp {
    path: String,
    state: State,
    /// What came and is no whole packet yet.
    inbox: Zeroizing<Vec<u8>>,
    /// The number of the next request.
    id: u32,
    handle: Vec<u8>,
    /// Where the next request begins.
    asked: u64,
    /// Requests whose answers were not taken yet, in the order of the file.
    reads: VecDeque<Read>,
}

enum State {
    Version,
    Opening,
    Looking,
    Reading(Content),
}

struct Read {
    id: u32,
    offset: u64,
    length: u32,
    answer: Option<Answer>,
}

enum Answer {
    Data(Zeroizing<Vec<u8>>),
    Eof,
}

/// A request under way.
struct Packet<'a> {
    outgoing: &'a mut Vec<u8>,
    start: usize,
}

impl Sftp {
    pub(super) fn begin(path: &str, outgoing: &mut Vec<u8>) -> Self {
        Packet::begin(outgoing, INIT).number(SPOKEN).end();
        Self {
            path: path.to_owned(),
            state: State::Version,
            inbox: Zeroizing::new(Vec::with_capacity(2 * PIECE as usize)),
            id: 0,
            handle: Vec::new(),
            asked: 0,
            reads: VecDeque::new(),
        }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match &self.state {
            State::Reading(content) => Some(content),
            State::Version | State::Opening | State::Looking => None,
        }
    }

    /// Takes what came; the content once all of it is there.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        most: u64,
        outgoing: &mut Vec<u8>,
    ) -> Result<Option<Capture>, Trouble> {
        self.inbox.extend_from_slice(bytes);
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = &inbox[..];
        let mut content = None;
        while let Some((length, after)) = number(rest) {
            let length = length as usize;
            if length == 0 || length > MAX_PACKET {
                return Err(self.strange(&format!("a packet of {length} bytes"), &inbox));
            }
            let Some((packet, behind)) = after.split_at_checked(length) else { break };
            rest = behind;
            content = self.packet(packet, most, outgoing)?;
            if content.is_some() {
                break;
            }
        }
        self.inbox = match rest.len() == inbox.len() {
            true => inbox,
            false => Zeroizing::new(rest.to_vec()),
        };
        Ok(content)
    }

    /// The channel ended.
    pub(super) fn ended(&self) -> Trouble {
        match &self.state {
            State::Reading(content) => Trouble::Truncated(content.progress()),
            State::Version if !self.inbox.is_empty() => self.strange("something else", &self.inbox),
            State::Version | State::Opening | State::Looking => Trouble::Refused("it ended".to_owned()),
        }
    }

    fn packet(
        &mut self,
        packet: &[u8],
        most: u64,
        outgoing: &mut Vec<u8>,
    ) -> Result<Option<Capture>, Trouble> {
        let (kind, body) = packet.split_first().ok_or_else(|| self.strange("an empty packet", packet))?;
        let (id, body) = number(body).ok_or_else(|| self.strange("a short packet", packet))?;
        match (&self.state, *kind) {
            // What stands in the place of the number is the version.
            (State::Version, VERSION) if id >= SPOKEN => self.open(outgoing),
            (State::Version, VERSION) => {
                return Err(Trouble::Refused(format!("the device speaks version {id} only")));
            }
            (State::Reading(_), DATA | STATUS) => return self.read_answer(*kind, id, body, outgoing),
            (State::Opening | State::Looking, STATUS) => return Err(refusal(body)),
            (State::Opening, HANDLE) => self.look(body, outgoing)?,
            (State::Looking, ATTRS) => self.found(body, most, outgoing)?,
            _ => return Err(self.strange(&format!("a packet of type {kind}"), packet)),
        }
        Ok(None)
    }

    fn open(&mut self, outgoing: &mut Vec<u8>) {
        let id = self.next_id();
        // No attributes.
        Packet::begin(outgoing, OPEN)
            .number(id)
            .text(self.path.as_bytes())
            .number(FOR_READING)
            .number(0)
            .end();
        self.state = State::Opening;
    }

    fn look(&mut self, body: &[u8], outgoing: &mut Vec<u8>) -> Result<(), Trouble> {
        let handle = text(body).ok_or_else(|| self.strange("a handle without its end", body))?;
        self.handle = handle.to_vec();
        let id = self.next_id();
        Packet::begin(outgoing, FSTAT).number(id).text(&self.handle).end();
        self.state = State::Looking;
        Ok(())
    }

    fn found(&mut self, body: &[u8], most: u64, outgoing: &mut Vec<u8>) -> Result<(), Trouble> {
        let (size, mode) =
            attributes(body).ok_or_else(|| self.strange("attributes without their end", body))?;
        if mode.is_some_and(|mode| mode & KIND != 0 && mode & KIND != REGULAR) {
            return Err(Trouble::Refused("it is a directory, or something else that is no file".to_owned()));
        }
        let size =
            size.ok_or_else(|| Trouble::Refused("the device does not say how large it is".to_owned()))?;
        self.state = State::Reading(Content::new(size, most)?);
        self.ask(size, outgoing);
        Ok(())
    }

    /// Asks for more, and behind the last byte for one more, which must not be there.
    fn ask(&mut self, size: u64, outgoing: &mut Vec<u8>) {
        while self.reads.len() < AHEAD && self.asked <= size {
            let length = match size - self.asked {
                0 => 1,
                left => u32::try_from(left).unwrap_or(PIECE).min(PIECE),
            };
            let read = self.read(self.asked, length, outgoing);
            self.reads.push_back(read);
            self.asked += u64::from(length);
        }
    }

    fn read(&mut self, offset: u64, length: u32, outgoing: &mut Vec<u8>) -> Read {
        let id = self.next_id();
        Packet::begin(outgoing, READ).number(id).text(&self.handle).long(offset).number(length).end();
        Read { id, offset, length, answer: None }
    }

    fn read_answer(
        &mut self,
        kind: u8,
        id: u32,
        body: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<Option<Capture>, Trouble> {
        let answer = match kind {
            DATA => {
                let data = text(body).ok_or_else(|| self.strange("data without its end", b""))?;
                Answer::Data(Zeroizing::new(data.to_vec()))
            }
            _ if number(body).is_some_and(|(code, _)| code == EOF) => Answer::Eof,
            // Opened, and not to be read: OpenSSH says so of a directory only here.
            _ if self.content().is_some_and(|content| content.came() == 0) => return Err(refusal(body)),
            _ => return Err(self.cut("the device could not read on")),
        };
        let Some(read) = self.reads.iter_mut().find(|read| read.id == id && read.answer.is_none()) else {
            return Err(self.strange("an answer to nothing", b""));
        };
        if matches!(&answer, Answer::Data(data) if data.is_empty() || data.len() > read.length as usize) {
            return Err(self.strange("data of another length than was asked for", b""));
        }
        read.answer = Some(answer);
        self.take(outgoing)
    }

    /// Takes the answers that are next in the file.
    fn take(&mut self, outgoing: &mut Vec<u8>) -> Result<Option<Capture>, Trouble> {
        while self.reads.front().is_some_and(|read| read.answer.is_some()) {
            let Some(Read { offset, length, answer: Some(answer), .. }) = self.reads.pop_front() else {
                break;
            };
            let State::Reading(content) = &mut self.state else { break };
            match answer {
                Answer::Eof if offset == content.announced => {
                    let whole = content.take();
                    let id = self.next_id();
                    Packet::begin(outgoing, CLOSE).number(id).text(&self.handle).end();
                    return Ok(Some(whole));
                }
                Answer::Eof => return Err(self.cut("it became shorter while it was read")),
                Answer::Data(_) if offset == content.announced => {
                    return Err(self.cut("it became longer while it was read"));
                }
                Answer::Data(data) => {
                    content.add(&data);
                    let missing = length - u32::try_from(data.len()).unwrap_or(length);
                    if missing > 0 {
                        let rest = self.read(offset + u64::from(length - missing), missing, outgoing);
                        self.reads.push_front(rest);
                    }
                }
            }
        }
        if let Some(size) = self.content().map(|content| content.announced) {
            self.ask(size, outgoing);
        }
        Ok(None)
    }

    fn cut(&self, why: &str) -> Trouble {
        let progress = self.content().map(Content::progress).unwrap_or_default();
        Trouble::Truncated(format!("{why}, {progress}"))
    }

    /// What the protocol does not know. In the place of the version it says that it is not spoken.
    fn strange(&self, what: &str, came: &[u8]) -> Trouble {
        match &self.state {
            State::Version => Trouble::Refused(format!("SFTP was expected, the device says {}", words(came))),
            _ => Trouble::Broken(format!("it sent {what}")),
        }
    }

    fn next_id(&mut self) -> u32 {
        self.id = self.id.wrapping_add(1);
        self.id
    }
}

impl<'a> Packet<'a> {
    fn begin(outgoing: &'a mut Vec<u8>, kind: u8) -> Self {
        let start = outgoing.len();
        outgoing.extend_from_slice(&[0; 4]);
        outgoing.push(kind);
        Self { outgoing, start }
    }

    fn number(self, number: u32) -> Self {
        self.outgoing.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn long(self, number: u64) -> Self {
        self.outgoing.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn text(self, text: &[u8]) -> Self {
        // Paths and handles are short: the one is the definition's, the other came in a packet.
        self.outgoing.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.outgoing.extend_from_slice(text);
        self
    }

    /// Writes the length, which is known now.
    fn end(self) {
        let length = u32::try_from(self.outgoing.len() - self.start - 4).unwrap_or(u32::MAX);
        self.outgoing[self.start..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// What is refused, and in which words.
fn refusal(body: &[u8]) -> Trouble {
    let said = number(body).map(|(code, rest)| (code, text(rest).unwrap_or_default()));
    let (code, said) = said.unwrap_or_default();
    Trouble::Refused(format!("the device refuses with code {code} {}", words(said)))
}

/// Size and mode, where they are told; `None` for attributes that are none.
fn attributes(body: &[u8]) -> Option<(Option<u64>, Option<u32>)> {
    let (flags, mut rest) = number(body)?;
    let (mut size, mut mode) = (None, None);
    if flags & HAS_SIZE != 0 {
        let (long, after) = rest.split_first_chunk()?;
        (size, rest) = (Some(u64::from_be_bytes(*long)), after);
    }
    if flags & HAS_OWNER != 0 {
        rest = rest.get(8..)?;
    }
    if flags & HAS_MODE != 0 {
        mode = Some(number(rest)?.0);
    }
    Some((size, mode))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = number(bytes)?;
    rest.get(..length as usize)
}
