//! The sending side of `scp` on the device, `scp -f PATH`, and we who receive.
//!
//! No standard describes it; this follows what OpenSSH's and dropbear's `scp` do, which is that of BSD's `rcp`. We say ok
//! with a zero byte: to begin, for each line with which the device announces something, and when all of a file came. The
//! device announces `C<mode> <size> <name>`, sends the bytes and its own ok; `T` lines bring time stamps. In the place of
//! each of these it can say a warning (1 and a line) or an error (2 and a line).

use super::{Content, Trouble, words};
use netraven_model::Capture;

const OK: u8 = 0;
const WARNING: u8 = 1;
const ERROR: u8 = 2;

/// A longer line announces nothing.
const MAX_LINE: usize = 4096;
/// More lines before the file than any device has something to say in.
const MAX_LINES: usize = 16;

/// The state of a transfer.
pub(super) struct Scp {
    state: State,
    /// The line under way.
    line: Vec<u8>,
    lines: usize,
    /// What the device warned of.
    warnings: Vec<u8>,
}

enum State {
    Announcing,
    Data(Content),
    /// All bytes are there, and the device's ok is not.
    Last(Content),
}

/// The command that makes the device send. Some devices take it apart without a shell and know no quotes, so that quotes
/// stand only where a shell would need them.
pub(super) fn command(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&byte);
    match path.bytes().all(plain) {
        true => format!("scp -f {path}"),
        false => format!("scp -f '{}'", path.replace('\'', r"'\''")),
    }
}

impl Scp {
    pub(super) fn begin(outgoing: &mut Vec<u8>) -> Self {
        outgoing.push(OK);
        Self { state: State::Announcing, line: Vec::new(), lines: 0, warnings: Vec::new() }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match &self.state {
            State::Announcing => None,
            State::Data(content) | State::Last(content) => Some(content),
        }
    }

    /// Takes what came; the content once all of it is there.
    pub(super) fn receive(
        &mut self,
        mut bytes: &[u8],
        most: u64,
        outgoing: &mut Vec<u8>,
    ) -> Result<Option<Capture>, Trouble> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Announcing => {
                    let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                    let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    bytes = rest;
                    self.line.extend_from_slice(piece);
                    if end.is_some() || self.line.len() > MAX_LINE {
                        let line = std::mem::take(&mut self.line);
                        self.announced(line.trim_ascii_end(), most, outgoing)?;
                    }
                }
                State::Data(content) => {
                    let wanted = usize::try_from(content.left()).unwrap_or(usize::MAX).min(bytes.len());
                    let (piece, rest) = bytes.split_at(wanted);
                    content.add(piece);
                    bytes = rest;
                    self.settle();
                }
                State::Last(content) if bytes[0] == OK => {
                    outgoing.push(OK);
                    return Ok(Some(content.take()));
                }
                // A file that shrinks while it is read is filled up, and the device says so here.
                State::Last(content) => {
                    let what =
                        format!("{}, and then not the device's word that it is whole", content.progress());
                    return Err(Trouble::Truncated(what));
                }
            }
        }
        Ok(None)
    }

    fn settle(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Announcing);
        self.state = match state {
            State::Data(content) if content.left() == 0 => State::Last(content),
            other => other,
        };
    }

    fn announced(&mut self, line: &[u8], most: u64, outgoing: &mut Vec<u8>) -> Result<(), Trouble> {
        self.lines += 1;
        match line.first() {
            _ if self.lines > MAX_LINES => Err(Trouble::Refused("it announces no file".to_owned())),
            Some(&WARNING) => {
                self.warnings = line[1..].to_vec();
                Ok(())
            }
            Some(&ERROR) => Err(Trouble::Refused(format!("the device says {}", words(&line[1..])))),
            Some(b'T') => {
                outgoing.push(OK);
                Ok(())
            }
            Some(b'C') => {
                let size = size(line).ok_or_else(|| no_scp(line))?;
                self.state = State::Data(Content::new(size, most)?);
                self.settle();
                outgoing.push(OK);
                Ok(())
            }
            Some(b'D') => Err(Trouble::Refused("it is a directory".to_owned())),
            _ => Err(no_scp(line)),
        }
    }

    /// The channel ended.
    pub(super) fn ended(&self) -> Trouble {
        match &self.state {
            State::Announcing if !self.warnings.is_empty() => {
                Trouble::Refused(format!("the device says {}, and ended", words(&self.warnings)))
            }
            State::Announcing if !self.line.is_empty() => no_scp(&self.line),
            State::Announcing => Trouble::Refused("it ended".to_owned()),
            State::Data(content) | State::Last(content) => Trouble::Truncated(content.progress()),
        }
    }
}

/// `C0644 12 name`: the size.
fn size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line.get(1..)?.split(|byte| *byte == b' ').nth(1)?).ok()?;
    let mode = line[1..].split(|byte| *byte == b' ').next()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && mode.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.parse().ok())?
}

fn no_scp(line: &[u8]) -> Trouble {
    Trouble::Refused(format!("a file was expected to be announced, the device says {}", words(line)))
}
