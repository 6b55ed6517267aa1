//! Fetching one file as a state machine without IO: bytes of a channel in, bytes out.
//!
//! ```text
//! begun ──announced size──▶ data ──as many bytes, and the device's ok──▶ finished with the content
//!   any state ──deadline, channel at its end, nonsense, too large──▶ finished with the reason
//! ```
//!
//! Whatever the protocol, a file counts only when as many bytes came as were announced and the device said that this was
//! all. What comes is counted as it comes: an announcement alone takes no memory.

mod scp;
mod sftp;

use crate::file::{Fetched, FileProtocol, FileRequest};
use netraven_model::{Capture, ErrorCode, Failure, Phase};
use scp::Scp;
use sftp::Sftp;
use std::fmt;
use std::time::Instant;
use zeroize::Zeroizing;

/// More words than any refusal needs.
const MAX_WORDS: usize = 400;

/// What starts a transfer on a channel of its own (RFC 4254, section 6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A command.
    Command(String),
    /// A subsystem.
    Subsystem(&'static str),
}

/// What the driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum TransferNext {
    /// Send these bytes, then ask again.
    Send(Vec<u8>),
    /// Wait for bytes, at most until then.
    Wait(Instant),
    /// Take the result.
    Finished,
}

/// The transfer; see the module's documentation.
pub struct Transfer {
    request: FileRequest,
    speaker: Speaker,
    outgoing: Vec<u8>,
    heard: Instant,
    /// What the program on the device says beside its output.
    errors: Vec<u8>,
    result: Option<Fetched>,
}

enum Speaker {
    Scp(Scp),
    Sftp(Sftp),
}

/// Why a file does not come.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// The device does not give it, or does not speak so; with its words.
    Refused(String),
    /// Less or more came than was announced.
    Truncated(String),
    /// So many bytes were announced.
    TooLarge(u64),
    /// The device does not keep to the protocol.
    Broken(String),
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transfer({:?}, {:?})", self.request.path, self.result)
    }
}

impl Transfer {
    /// A transfer on a channel that was opened as [`Self::opening`] says.
    pub fn new(request: &FileRequest, protocol: FileProtocol, now: Instant) -> Self {
        let mut outgoing = Vec::new();
        let speaker = match protocol {
            FileProtocol::Scp => Speaker::Scp(Scp::begin(&mut outgoing)),
            FileProtocol::Sftp => Speaker::Sftp(Sftp::begin(&request.path, &mut outgoing)),
        };
        Self { request: request.clone(), speaker, outgoing, heard: now, errors: Vec::new(), result: None }
    }

    /// How the channel for it is opened.
    pub fn opening(path: &str, protocol: FileProtocol) -> Opening {
        match protocol {
            FileProtocol::Scp => Opening::Command(scp::command(path)),
            FileProtocol::Sftp => Opening::Subsystem("sftp"),
        }
    }

    /// What to do now. Call it again after each `Send`, after each piece that came and at the named time.
    pub fn next(&mut self, now: Instant) -> TransferNext {
        if !self.outgoing.is_empty() {
            return TransferNext::Send(std::mem::take(&mut self.outgoing));
        }
        if self.result.is_some() {
            return TransferNext::Finished;
        }
        let deadline = (self.heard + self.request.silence).min(self.request.until);
        if now < deadline {
            return TransferNext::Wait(deadline);
        }
        let reason = match now >= self.request.until {
            true => "the time of the session was over".to_owned(),
            false => format!("nothing came for {:?}", self.request.silence),
        };
        let message =
            format!("the file {:?} was expected, and {reason}; {}", self.request.path, self.progress());
        self.fail(ErrorCode::Timeout, message);
        TransferNext::Finished
    }

    /// The device sent something.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        if self.result.is_some() {
            return;
        }
        self.heard = now;
        let (most, outgoing) = (self.request.most as u64, &mut self.outgoing);
        let finished = match &mut self.speaker {
            Speaker::Scp(scp) => scp.receive(bytes, most, outgoing),
            Speaker::Sftp(sftp) => sftp.receive(bytes, most, outgoing),
        };
        match finished {
            Ok(None) => {}
            Ok(Some(content)) => self.result = Some(Fetched::Content(content)),
            Err(trouble) => self.stop(trouble),
        }
    }

    /// The program on the device said something beside its output.
    pub fn errors(&mut self, bytes: &[u8], now: Instant) {
        self.heard = now;
        let room = MAX_WORDS.saturating_sub(self.errors.len()).min(bytes.len());
        self.errors.extend_from_slice(&bytes[..room]);
    }

    /// The channel ended in order.
    pub fn ended(&mut self, exit_status: Option<u32>) {
        if self.result.is_some() {
            return;
        }
        let trouble = match &self.speaker {
            Speaker::Scp(scp) => scp.ended(),
            Speaker::Sftp(sftp) => sftp.ended(),
        };
        self.stop(match trouble {
            Trouble::Refused(why) => {
                let status = exit_status.map_or_else(String::new, |status| format!(" with status {status}"));
                Trouble::Refused(format!("{why}{status} {}", words(&self.errors)))
            }
            other => other,
        });
    }

    /// The device does not open a channel for it.
    pub fn refused(&mut self) {
        self.stop(Trouble::Refused("the device does not have it".to_owned()));
    }

    /// The transport failed beneath it.
    pub fn broken(&mut self, failure: Failure) {
        let message = format!("{}; {}", failure.message, self.progress());
        self.fail(failure.code, message);
    }

    /// What became of it.
    pub fn finish(mut self) -> Fetched {
        self.result.take().unwrap_or_else(|| {
            let message = "the transfer was given up before its end";
            Fetched::Failed(Failure::new(ErrorCode::Cancelled, Phase::Collect, message))
        })
    }

    fn stop(&mut self, trouble: Trouble) {
        let path = &self.request.path;
        match trouble {
            Trouble::Refused(why) => {
                self.result.get_or_insert(Fetched::Refused(why.trim_end().to_owned()));
            }
            Trouble::Truncated(what) => {
                self.fail(ErrorCode::Truncated, format!("the file {path:?} is not whole: {what}"));
            }
            Trouble::TooLarge(size) => {
                let most = self.request.most;
                let message = format!("a file of at most {most} bytes was expected, {path:?} has {size}");
                self.fail(ErrorCode::OutputTooLarge, message);
            }
            Trouble::Broken(what) => {
                let message = format!("the device does not keep to the protocol for {path:?}: {what}");
                self.fail(ErrorCode::SshProtocol, message);
            }
        }
    }

    fn fail(&mut self, code: ErrorCode, message: String) {
        self.result.get_or_insert(Fetched::Failed(Failure::new(code, Phase::Collect, message)));
    }

    fn progress(&self) -> String {
        let content = match &self.speaker {
            Speaker::Scp(scp) => scp.content(),
            Speaker::Sftp(sftp) => sftp.content(),
        };
        content.map_or_else(|| "nothing of it had come".to_owned(), Content::progress)
    }
}

/// The content as it comes.
struct Content {
    bytes: Zeroizing<Vec<u8>>,
    announced: u64,
}

impl Content {
    /// # Errors
    /// More is announced than is wanted.
    fn new(announced: u64, most: u64) -> Result<Self, Trouble> {
        match announced > most {
            true => Err(Trouble::TooLarge(announced)),
            false => Ok(Self { bytes: Zeroizing::default(), announced }),
        }
    }

    fn came(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn left(&self) -> u64 {
        self.announced.saturating_sub(self.came())
    }

    /// Takes the next bytes. Memory that becomes too small is overwritten, as it may hold secrets.
    fn add(&mut self, piece: &[u8]) {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.bytes.capacity())));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(piece);
    }

    fn progress(&self) -> String {
        format!("{} of {} bytes had come", self.came(), self.announced)
    }

    fn take(&mut self) -> Capture {
        Capture::new(std::mem::take(&mut *self.bytes))
    }
}

/// Words of the device for a message: bounded, on one line.
fn words(said: &[u8]) -> String {
    let said = said[..said.len().min(MAX_WORDS)].trim_ascii();
    match said {
        b"" => String::new(),
        said => format!("{:?}", String::from_utf8_lossy(said)),
    }
}

#[cfg(test)]
mod tests;
