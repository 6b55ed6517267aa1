//! The Telnet protocol without IO: bytes of the line in, text and answers out (RFC 854, 855).

use super::options::{Answer, ECHO, SGA, Side, TERMINAL_TYPE, WINDOW_SIZE};
use crate::ssh::Terminal;
use zeroize::Zeroizing;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// Words of the terminal type option (RFC 1091).
const TERMINAL_TYPE_IS: u8 = 0;
const TERMINAL_TYPE_SEND: u8 = 1;

/// Of a subnegotiation only so much is kept: no longer one is understood.
const MAX_SUBNEGOTIATION: usize = 16;

/// One end of a Telnet connection.
///
/// Text comes out as it went in, in whatever pieces the bytes arrive: what belongs to the protocol is taken out, `IAC IAC`
/// is one byte 255 and `CR NUL` one carriage return. Memory is bounded, cost is linear.
#[derive(Debug)]
pub struct TelnetParser {
    state: State,
    after_carriage_return: bool,
    ours: Side,
    theirs: Side,
    /// What is told about ourselves where the peer asks; the lab's devices tell nothing.
    terminal: Option<Terminal>,
    answers: Vec<u8>,
}

/// Where in the protocol the input stands.
#[derive(Debug)]
enum State {
    Text,
    /// After `IAC`.
    Command,
    /// After `IAC WILL` and the like, which is kept.
    Option(u8),
    /// After `IAC SB`.
    Subnegotiation(Vec<u8>),
    /// After an `IAC` in there.
    SubnegotiationCommand(Vec<u8>),
}

impl TelnetParser {
    /// The end of a person or a program at this terminal. It waits for what the device proposes, as many old devices take
    /// proposals for typed text: the device may echo and need not say "go ahead", and is told the window's size and the
    /// terminal's type when it asks; everything else, binary transmission (RFC 856) included, is refused.
    pub fn client(terminal: Terminal) -> Self {
        Self::new(&[SGA, TERMINAL_TYPE, WINDOW_SIZE], &[ECHO, SGA], Some(terminal))
    }

    /// The end of a device, which proposes what devices propose.
    pub fn server() -> Self {
        let mut server = Self::new(&[ECHO, SGA], &[SGA, TERMINAL_TYPE, WINDOW_SIZE], None);
        let (ours, theirs) = (server.ours.ask_for_all(), server.theirs.ask_for_all());
        ours.iter().for_each(|option| server.answers.extend_from_slice(&[IAC, WILL, *option]));
        theirs.iter().for_each(|option| server.answers.extend_from_slice(&[IAC, DO, *option]));
        server
    }

    fn new(ours: &'static [u8], theirs: &'static [u8], terminal: Option<Terminal>) -> Self {
        Self {
            state: State::Text,
            after_carriage_return: false,
            ours: Side::new(ours),
            theirs: Side::new(theirs),
            terminal,
            answers: Vec::new(),
        }
    }

    /// Takes what came and gives back the text in it. What is to be answered waits for [`Self::take_answers`].
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if matches!(self.state, State::Text) && !self.after_carriage_return {
                let special = rest.iter().position(|byte| matches!(*byte, IAC | b'\r'));
                let plain = special.unwrap_or(rest.len());
                text.extend_from_slice(&rest[..plain]);
                rest = &rest[plain..];
            }
            let Some((byte, following)) = rest.split_first() else { break };
            self.step(*byte, &mut text);
            rest = following;
        }
        text
    }

    /// Takes what is to be sent as it is, at the next opportunity. It is at most some times as long as what came.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// What to send for keys that were typed. A lone line feed is the key Enter, which is `CR NUL` where the device sees
    /// each key and `CR LF` where it gets lines (RFC 1123, section 3.3.1).
    pub fn type_keys(&self, keys: &[u8]) -> Zeroizing<Vec<u8>> {
        encode(keys, if self.theirs.is_on(SGA) { b"\r\0" } else { b"\r\n" })
    }

    /// What to send for text: [`Self::receive`] at the other end makes the same text of it.
    pub fn escape(text: &[u8]) -> Zeroizing<Vec<u8>> {
        encode(text, b"\n")
    }

    fn step(&mut self, byte: u8, text: &mut Vec<u8>) {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text if byte == IAC => self.state = State::Command,
            State::Text => self.text(byte, text),
            State::Command => self.command(byte, text),
            State::Option(verb) => self.negotiate(verb, byte),
            State::Subnegotiation(kept) if byte == IAC => self.state = State::SubnegotiationCommand(kept),
            State::Subnegotiation(kept) => self.keep(kept, byte),
            State::SubnegotiationCommand(kept) => match byte {
                SE => self.subnegotiated(&kept),
                IAC => self.keep(kept, IAC),
                // Its end got lost: waiting for it would swallow the session.
                _ => self.command(byte, text),
            },
        }
    }

    fn text(&mut self, byte: u8, text: &mut Vec<u8>) {
        let padding = std::mem::replace(&mut self.after_carriage_return, byte == b'\r') && byte == 0;
        if !padding {
            text.push(byte);
        }
    }

    fn command(&mut self, byte: u8, text: &mut Vec<u8>) {
        match byte {
            IAC => self.text(IAC, text),
            WILL | WONT | DO | DONT => self.state = State::Option(byte),
            SB => self.state = State::Subnegotiation(Vec::new()),
            // Go ahead, data mark, are you there and the like: nothing to be done.
            _ => {}
        }
    }

    fn negotiate(&mut self, verb: u8, option: u8) {
        let (answer, agree, refuse) = match verb {
            WILL => (self.theirs.on(option), DO, DONT),
            WONT => (self.theirs.off(option), DO, DONT),
            DO => (self.ours.on(option), WILL, WONT),
            _ => (self.ours.off(option), WILL, WONT),
        };
        match answer {
            Answer::None => {}
            Answer::Refuse => self.answers.extend_from_slice(&[IAC, refuse, option]),
            Answer::Agree => {
                self.answers.extend_from_slice(&[IAC, agree, option]);
                if verb == DO && option == WINDOW_SIZE {
                    self.tell_window_size();
                }
            }
        }
    }

    fn keep(&mut self, mut kept: Vec<u8>, byte: u8) {
        if kept.len() < MAX_SUBNEGOTIATION {
            kept.push(byte);
        }
        self.state = State::Subnegotiation(kept);
    }

    fn subnegotiated(&mut self, kept: &[u8]) {
        let asked = kept == [TERMINAL_TYPE, TERMINAL_TYPE_SEND] && self.ours.is_on(TERMINAL_TYPE);
        if let (true, Some(terminal)) = (asked, &self.terminal) {
            // Names are registered in capital letters (RFC 1091).
            let name = terminal.name.to_ascii_uppercase();
            self.answers.extend_from_slice(&[IAC, SB, TERMINAL_TYPE, TERMINAL_TYPE_IS]);
            self.answers.extend_from_slice(&double_iac(name.as_bytes()));
            self.answers.extend_from_slice(&[IAC, SE]);
        }
    }

    fn tell_window_size(&mut self) {
        let Some(terminal) = &self.terminal else { return };
        let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let size = [side(terminal.columns), side(terminal.rows)].concat();
        self.answers.extend_from_slice(&[IAC, SB, WINDOW_SIZE]);
        self.answers.extend_from_slice(&double_iac(&size));
        self.answers.extend_from_slice(&[IAC, SE]);
    }
}

fn double_iac(bytes: &[u8]) -> Vec<u8> {
    let doubled = bytes.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == IAC { 2 } else { 1 }));
    doubled.collect()
}

fn encode(text: &[u8], line_feed: &[u8]) -> Zeroizing<Vec<u8>> {
    // Room for everything: a password that moves leaves a copy behind.
    let mut encoded = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    for (at, byte) in text.iter().enumerate() {
        match byte {
            &IAC => encoded.extend_from_slice(&[IAC, IAC]),
            // A carriage return that ends no line is followed by NUL (RFC 854, page 11).
            b'\r' if text.get(at + 1) != Some(&b'\n') => encoded.extend_from_slice(b"\r\0"),
            b'\n' if at == 0 || text[at - 1] != b'\r' => encoded.extend_from_slice(line_feed),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
