//! One login on one simulated device: bytes in, bytes out. No sockets, no waiting.
//!
//! ```text
//! Asked (key or line, any number of questions) ---> Command
//!
//!             line known, asks for a password          too many wrong ones
//!   Command ------------------------------------> Password ---------------+
//!    |   ^  <------------------------------------     |  ^ wrong: again   |
//!    |   |              right: next mode              +--+                |
//!    |   +----------------------------------------------------------------+
//!    |   ^
//!    |   |  last page, or quit
//!    |   +-------------------- Paging <---+
//!    |      text longer than           |  | space, enter
//!    +----- the screen ----------------+--+
//!    |
//!    +--- a command that closes ---> Closed
//! ```

mod asked;
mod line;
mod output;
mod pager;

pub(crate) use line::{Key, Line};
pub use output::{Chunk, Output};

use crate::clock::Clock;
use crate::personality::{DeviceState, Personality};
use crate::session::{ModeId, SessionFile, Typed, View};
use pager::{Pager, Progress};
use std::sync::Arc;

/// How many unexpected things are kept; later ones are only counted.
const MAX_UNEXPECTED: usize = 50;
/// How much of an unexpected line is kept, in characters.
const MAX_UNEXPECTED_LENGTH: usize = 200;

/// One login on one simulated device.
pub struct Emulator {
    session: Arc<SessionFile>,
    personality: Personality,
    state: DeviceState,
    clock: Arc<dyn Clock>,
    mode: ModeId,
    dialog: Dialog,
    line: Line,
    paging: bool,
    commands: u32,
    unexpected: Vec<String>,
    unexpected_count: u32,
}

enum Dialog {
    /// One of the session's questions before the first prompt.
    Asked(usize),
    Command,
    Password {
        asked_by: String,
        tries: u8,
    },
    Paging(Pager),
    Closed,
}

impl Emulator {
    /// A login that was accepted: `start` comes next.
    pub fn new(session: Arc<SessionFile>, personality: Personality, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: personality.initial_state(),
            mode: session.login_mode,
            paging: session.pager.is_some(),
            session,
            personality,
            clock,
            dialog: Dialog::Command,
            line: Line::default(),
            commands: 0,
            unexpected: Vec::new(),
            unexpected_count: 0,
        }
    }

    /// What the device sends after the login: message of the day and first prompt.
    pub fn start(&mut self) -> Output {
        let mut output = Output::default();
        let banner = self.view(None).render(&self.session.banner);
        banner.into_iter().for_each(|piece| output.share(piece));
        self.ask(0, &mut output);
        output
    }

    /// Takes what the client typed and answers it. After the end of the session nothing is answered any more.
    pub fn input(&mut self, bytes: &[u8]) -> Output {
        let mut output = Output::default();
        for &byte in bytes {
            self.key(byte, &mut output);
        }
        output.set_close(matches!(self.dialog, Dialog::Closed));
        output
    }

    /// The content of a file of the device, as it is now.
    pub fn file(&self, path: &str) -> Option<bytes::Bytes> {
        self.session.file(path, &self.view(None))
    }

    /// Tells the emulator that an operator changed the device meanwhile.
    pub fn set_state(&mut self, state: DeviceState) {
        self.state = state;
    }

    /// Lines, keys and passwords that a well-behaved collector would not have sent, the first 50 of them.
    pub fn unexpected(&self) -> &[String] {
        &self.unexpected
    }

    /// How many of them there were in all.
    pub fn unexpected_count(&self) -> u32 {
        self.unexpected_count
    }

    /// How many lines were entered as commands, known or not.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Name of the mode that the command line is in.
    pub fn mode(&self) -> &str {
        &self.session.modes[self.mode].name
    }

    fn key(&mut self, byte: u8, output: &mut Output) {
        match &mut self.dialog {
            Dialog::Closed => {}
            Dialog::Paging(pager) => {
                // The LF of a CR LF that ended the command is no key.
                if self.line.completes_line_end(byte) {
                    return;
                }
                if let Progress::Done = pager.key(byte, output) {
                    self.dialog = Dialog::Command;
                    self.prompt(output);
                }
            }
            Dialog::Asked(at) => {
                let at = *at;
                self.answer_key(at, byte, output);
            }
            Dialog::Command => self.edit(byte, self.session.echo, output),
            Dialog::Password { .. } => self.edit(byte, false, output),
        }
    }

    fn edit(&mut self, byte: u8, echo: bool, output: &mut Output) {
        match self.line.key(byte, echo, output) {
            Key::Typed => {}
            Key::Strange => self.note(format!("the key 0x{byte:02x}")),
            Key::Interrupt if matches!(self.dialog, Dialog::Asked(_)) => {}
            Key::Interrupt => {
                self.dialog = Dialog::Command;
                self.prompt(output);
            }
            Key::Enter(line) => match std::mem::replace(&mut self.dialog, Dialog::Command) {
                Dialog::Password { asked_by, tries } => {
                    self.password(asked_by, tries, line.as_bytes(), output)
                }
                Dialog::Asked(at) => self.answer_line(at, &line, output),
                _ => self.command(&line, output),
            },
        }
    }

    fn command(&mut self, typed: &str, output: &mut Output) {
        let line = typed.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            self.note("an empty line that nothing asked for".into());
            return self.prompt(output);
        }
        if typed.starts_with(' ') {
            self.note(format!("a blank before `{line}`: a pager's key, when nothing was paged"));
        }
        self.commands += 1;
        output.think();
        let session = self.session.clone();
        let Some(command) = session.command(self.mode, &line) else {
            self.note(format!("`{line}` in mode {}", self.mode()));
            return self.complain(&line, output);
        };
        if command.people_only {
            self.note(format!("`{line}`, which a collector has no business to send"));
        }
        if let Some(dialog) = &command.password {
            output.share(dialog.prompt.clone());
            self.dialog = Dialog::Password { asked_by: line, tries: dialog.tries };
            return;
        }
        let text = self.view(None).render(&command.text);
        if let Some(paging) = command.paging {
            self.paging = paging && session.pager.is_some();
        }
        self.mode = command.enter.unwrap_or(self.mode);
        if command.close {
            text.into_iter().for_each(|piece| output.share(piece));
            self.dialog = Dialog::Closed;
            return;
        }
        self.show(text, output);
    }

    fn show(&mut self, text: Vec<bytes::Bytes>, output: &mut Output) {
        match &self.session.pager {
            Some(style) if self.paging => match Pager::start(style.clone(), &text.concat(), output) {
                Some(pager) => self.dialog = Dialog::Paging(pager),
                None => self.prompt(output),
            },
            _ => {
                text.into_iter().for_each(|piece| output.share(piece));
                self.prompt(output);
            }
        }
    }

    fn password(&mut self, asked_by: String, tries: u8, given: &[u8], output: &mut Output) {
        let session = self.session.clone();
        let Some((command, dialog)) = session
            .command(self.mode, &asked_by)
            .and_then(|command| Some((command, command.password.as_ref()?)))
        else {
            return self.prompt(output);
        };
        output.think();
        if given == self.personality.enable.expose_bytes() {
            self.mode = command.enter.unwrap_or(self.mode);
            return self.prompt(output);
        }
        self.note(format!("a wrong password for `{asked_by}`"));
        if tries > 1 {
            output.share(dialog.prompt.clone());
            self.dialog = Dialog::Password { asked_by, tries: tries - 1 };
        } else {
            output.share(dialog.denied.clone());
            self.prompt(output);
        }
    }

    /// Answers a line that is no command, pointing at the word that was not understood.
    fn complain(&self, line: &str, output: &mut Output) {
        let understood = self.session.words_understood(self.mode, line);
        let words = line.split(' ').map(|word| word.chars().count() + 1).take(understood);
        let prompt = self.view(None).string(&self.session.modes[self.mode].prompt);
        let column = prompt.chars().count() + words.sum::<usize>();
        let answer = self.view(Some(Typed { line, column })).render(&self.session.error);
        answer.into_iter().for_each(|piece| output.share(piece));
        self.prompt(output);
    }

    fn prompt(&self, output: &mut Output) {
        let prompt = self.view(None).render(&self.session.modes[self.mode].prompt);
        prompt.into_iter().for_each(|piece| output.share(piece));
    }

    fn view<'a>(&'a self, typed: Option<Typed<'a>>) -> View<'a> {
        View {
            session: &self.session,
            personality: &self.personality,
            state: self.state,
            now: self.clock.now(),
            typed,
        }
    }

    fn note(&mut self, what: String) {
        self.unexpected_count = self.unexpected_count.saturating_add(1);
        if self.unexpected.len() < MAX_UNEXPECTED {
            self.unexpected.push(what.chars().take(MAX_UNEXPECTED_LENGTH).collect());
        }
    }
}
