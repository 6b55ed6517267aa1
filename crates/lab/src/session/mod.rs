//! Session files: what a device of one kind sends, and what a backup must find in it.
//!
//! The format is described in `crates/lab/README.md`.

mod embedded;
mod error;
mod expect;
mod files;
mod filler;
mod load;
mod placeholder;
mod render;
mod schema;
mod secret_kind;
mod text;

pub use embedded::{embedded, embedded_platforms};
pub use error::{Place, Problem, SessionError};
pub use expect::{Expectation, ExpectedPart};
pub(crate) use files::DeviceFile;
pub(crate) use render::{Typed, View};
pub use schema::{Source, SourceKind};

use crate::personality::{DeviceState, Personality};
use bytes::Bytes;
use std::collections::HashMap;
use text::Text;

/// A loaded session: every name in it is resolved, every placeholder known.
#[derive(Debug)]
pub struct SessionFile {
    name: String,
    platform: String,
    hardware: String,
    source: Source,
    fleet: bool,
    ssh_version: String,
    hostname: Text,
    pub(crate) login_mode: ModeId,
    pub(crate) banner: Text,
    pub(crate) echo: bool,
    /// What the device asks between login and the first prompt, in order.
    pub(crate) asks: Vec<Ask>,
    pub(crate) modes: Vec<Mode>,
    pub(crate) pager: Option<PagerStyle>,
    pub(crate) error: Text,
    commands: Vec<Command>,
    files: Vec<DeviceFile>,
    changes: Vec<Change>,
    filler_block: Option<Text>,
    expect: expect::ExpectTexts,
}

/// Position in [`SessionFile::modes`].
pub(crate) type ModeId = usize;

/// One mode of the command line.
#[derive(Debug)]
pub(crate) struct Mode {
    pub(crate) name: String,
    pub(crate) prompt: Text,
    /// Commands this mode answers: the line typed, to its place in the list of commands.
    answers: HashMap<String, usize>,
}

/// How output longer than the screen is stopped.
#[derive(Debug, Clone)]
pub(crate) struct PagerStyle {
    /// Shown below the first page.
    pub(crate) prompt: String,
    /// Shown below the following ones; `{{percent}}` stands for how much has been shown.
    pub(crate) later_prompt: String,
    /// Sent to remove the prompt after a key.
    pub(crate) erase: String,
    /// Lines of the screen, the pager's own included.
    pub(crate) screen: usize,
}

/// A question before the first prompt.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) text: Text,
    pub(crate) answer: Reply,
}

/// What a question waits for.
#[derive(Debug)]
pub(crate) enum Reply {
    AnyKey,
    Key(u8),
    /// A line, without its end.
    Line(String),
}

/// What a command does.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) text: Text,
    pub(crate) enter: Option<ModeId>,
    pub(crate) password: Option<Dialog>,
    pub(crate) paging: Option<bool>,
    pub(crate) close: bool,
    pub(crate) people_only: bool,
}

/// A question for a password.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) prompt: Bytes,
    pub(crate) tries: u8,
    pub(crate) denied: Bytes,
}

/// A line that operators change, in turn to each of the alternatives and back.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) original: Text,
    pub(crate) alternatives: Vec<Text>,
}

impl SessionFile {
    /// Name of its folder: hardware and version, in short.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The platform that the session was made for, e.g. `cisco_ios`.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// Hardware and software version, in words.
    pub fn hardware(&self) -> &str {
        &self.hardware
    }

    /// Whether devices of this kind are in a lab that is not told which kinds it shall have.
    pub fn is_in_fleet(&self) -> bool {
        self.fleet
    }

    /// Where the texts come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What the device's SSH server calls itself, e.g. `SSH-2.0-Cisco-1.25`.
    pub fn ssh_version(&self) -> &str {
        &self.ssh_version
    }

    /// Name of the mode in which a login lands.
    pub fn login_mode(&self) -> &str {
        &self.modes[self.login_mode].name
    }

    /// The commands that a collector may send, and that are answered.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let mut lines: Vec<&str> = self
            .modes
            .iter()
            .flat_map(|mode| &mode.answers)
            .filter(|&(_, &at)| !self.commands[at].people_only)
            .map(|(line, _)| line.as_str())
            .collect();
        lines.sort_unstable();
        lines.dedup();
        lines.into_iter()
    }

    /// What a backup of this device in this state must find.
    pub fn expect(&self, personality: &Personality, state: DeviceState) -> Expectation {
        self.expect.render(&View::timeless(self, personality, state))
    }

    /// The longest of the device's answers, whole and without filler: its configuration.
    pub fn longest_answer(&self, personality: &Personality, state: DeviceState) -> String {
        let longest = self.commands.iter().map(|command| &command.text).max_by_key(|text| text.literal_len());
        longest.map(|text| View::timeless(self, personality, state).string(text)).unwrap_or_default()
    }

    /// How many lines operators change, in turn: change `n` (from 0) is made at point `n` modulo this.
    pub fn change_points(&self) -> usize {
        self.changes.len()
    }

    /// What stands at a change point in this state: the original line or one of its alternatives. Empty where there
    /// is no such point.
    pub fn changed_text(&self, personality: &Personality, state: DeviceState, point: usize) -> String {
        let known = point < self.changes.len();
        let text = Text { pieces: if known { vec![text::Piece::Change(point)] } else { Vec::new() } };
        View::timeless(self, personality, state).string(&text)
    }

    /// Generated text that brings the device's longest text to about `size` bytes (at most one block less); empty
    /// where it is longer already or has no place for filler. `variation` gives different texts of the same size.
    pub fn filler(&self, size: usize, variation: u32) -> Bytes {
        let base =
            self.commands.iter().map(|c| &c.text).filter(|t| t.has_filler()).map(Text::literal_len).max();
        match (&self.filler_block, base) {
            (Some(block), Some(base)) => filler::generate(block, size.saturating_sub(base), variation),
            _ => Bytes::new(),
        }
    }

    pub(crate) fn hostname_of(&self, personality: &Personality) -> String {
        View::timeless(self, personality, personality.initial_state()).string(&self.hostname)
    }

    /// The command that `line` is in `mode`.
    pub(crate) fn command(&self, mode: ModeId, line: &str) -> Option<&Command> {
        self.modes[mode].answers.get(line).map(|&at| &self.commands[at])
    }

    /// How many of the words of `line` begin a command of `mode`: the next one is what the device complains about.
    pub(crate) fn words_understood(&self, mode: ModeId, line: &str) -> usize {
        let words: Vec<&str> = line.split(' ').collect();
        let common = |known: &String| known.split(' ').zip(&words).take_while(|(a, b)| a == *b).count();
        self.modes[mode].answers.keys().map(common).max().unwrap_or(0)
    }

    pub(crate) fn change(&self, at: usize) -> &Change {
        &self.changes[at]
    }
}
