//! What commands print: tables, JSON, diffs, progress.

pub mod diff;
pub mod format;
pub mod pace;
pub mod progress;
pub mod sections;
pub mod table;

use crate::error::{CliError, Exit, Result};
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// How standard output wants things.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text for people.
    pub json: bool,
    /// Whether colours are shown.
    pub colour: bool,
    /// Width of the terminal in columns; `None` when it is none.
    pub width: Option<u16>,
}

impl Output {
    /// For this process's standard output.
    pub fn of_process(json: bool) -> Self {
        let stdout = std::io::stdout();
        let width = if stdout.is_terminal() { comfy_table::Table::new().width() } else { None };
        Self { json, colour: colours_are_welcome(&stdout), width }
    }

    /// Prints the JSON, or the text for people if that is wanted.
    pub fn show(&self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result {
        if self.json { self.json(&json()) } else { self.text(&text()) }
    }

    /// Prints a JSON document on lines of its own.
    pub fn json(&self, value: &Value) -> Result {
        self.text(&format!("{value:#}"))
    }

    /// Prints a text and ends its last line.
    ///
    /// On a terminal, control characters are shown instead of obeyed: what a device or another user wrote could
    /// otherwise steer the terminal.
    pub fn text(&self, text: &str) -> Result {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match self.width {
            Some(_) => self.bytes(format!("{}{end}", format::printable(text, self.colour)).as_bytes()),
            None => self.bytes(format!("{text}{end}").as_bytes()),
        }
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            // `netraven device list | head` is no failure worth a message.
            ErrorKind::BrokenPipe => CliError::silent(Exit::Failed),
            _ => CliError::failed(format!("standard output cannot be written: {error}")),
        })
    }
}

/// Whether a stream wants colours: a terminal that can show them, and no `NO_COLOR` (no-color.org).
pub fn colours_are_welcome(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !refused && !dumb
}

/// Tells something on standard error; a closed standard error is nobody's concern.
pub fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = if stderr.is_terminal() {
        writeln!(stderr, "{}", format::printable(text, false))
    } else {
        writeln!(stderr, "{text}")
    };
}
