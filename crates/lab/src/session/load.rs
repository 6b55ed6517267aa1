use super::error::{Place, Problem, SessionError};
use super::expect::{ExpectTexts, PartTexts};
use super::files::file_label;
use super::placeholder::Scope;
use super::schema::{RawChange, RawCommand, RawDialog, RawExpect, RawFile, RawLogin, RawPager, RawSession};
use super::text::{BadPlaceholder, Piece, Text};
use super::{Ask, Change, Command, Dialog, Mode, ModeId, PagerStyle, Reply, SessionFile};
use bytes::Bytes;
use serde_saphyr::Spanned;
use std::collections::HashMap;
use std::path::Path;

/// The file that describes a session.
pub(super) const MAIN_FILE: &str = "session.yaml";

impl SessionFile {
    /// Loads the session in `folder`: `session.yaml` and the text files that it names.
    pub fn from_dir(folder: &Path) -> Result<Self, SessionError> {
        let read = |name: &str| std::fs::read(folder.join(name));
        Loader { folder: folder.display().to_string(), read: &read }.load()
    }
}

/// Reads a session's files, from a folder or out of the program.
pub(super) struct Loader<'a> {
    pub(super) folder: String,
    pub(super) read: &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>,
}

impl Loader<'_> {
    pub(super) fn load(&self) -> Result<SessionFile, SessionError> {
        let raw = self.parse()?;
        let mut modes = Vec::with_capacity(raw.modes.len());
        for (name, prompt) in &raw.modes {
            let prompt = self.text(prompt, Scope::Text)?;
            modes.push(Mode { name: name.clone(), prompt, answers: HashMap::new() });
        }
        let login_mode = self.mode(&modes, &raw.login.mode)?;
        let mut commands = Vec::with_capacity(raw.commands.len());
        for (at, command) in raw.commands.iter().enumerate() {
            self.enter_in_modes(&mut modes, command, at)?;
            commands.push(self.command(command, &modes, &raw.changes)?);
        }
        self.changed_lines_stand_somewhere(&raw, &modes, &commands)?;
        let name = Path::new(&self.folder).file_name().unwrap_or_default();
        Ok(SessionFile {
            name: name.to_string_lossy().into_owned(),
            ssh_version: raw.ssh_version,
            hostname: self.text(&raw.hostname, Scope::Name)?,
            login_mode,
            asks: self.asks(&raw.login)?,
            echo: raw.echo,
            banner: self.optional(raw.login.banner.as_ref(), Scope::Text)?,
            pager: raw.pager.as_ref().map(|pager| self.pager(pager)).transpose()?,
            error: self.text(&raw.error, Scope::Error)?,
            commands,
            files: raw.files.iter().map(|file| self.device_file(file)).collect::<Result<_, _>>()?,
            changes: raw.changes.iter().map(|change| self.change(change)).collect::<Result<_, _>>()?,
            filler_block: raw.filler.as_ref().map(|block| self.text(block, Scope::Filler)).transpose()?,
            expect: self.expect(&raw.expect, &modes, &raw.files)?,
            platform: raw.platform,
            hardware: raw.hardware,
            source: raw.source,
            fleet: raw.fleet,
            modes,
        })
    }

    fn parse(&self) -> Result<RawSession, SessionError> {
        let yaml = self.file(MAIN_FILE)?;
        serde_saphyr::from_str(&yaml).map_err(|error| {
            let line = error.location().map(|location| location.line());
            self.error(MAIN_FILE, line, Problem::Yaml(error.without_snippet().to_string()))
        })
    }

    /// Makes `command` known to its modes: those named, or all.
    fn enter_in_modes(
        &self,
        modes: &mut [Mode],
        command: &RawCommand,
        at: usize,
    ) -> Result<(), SessionError> {
        let named = match &command.modes {
            Some(names) => names.iter().map(|name| self.mode(modes, name)).collect::<Result<Vec<_>, _>>()?,
            None => (0..modes.len()).collect(),
        };
        for mode in named {
            if modes[mode].answers.insert(command.command.value.clone(), at).is_some() {
                return Err(
                    self.at(&command.command, Problem::DuplicateCommand(command.command.value.clone()))
                );
            }
        }
        Ok(())
    }

    fn command(
        &self,
        raw: &RawCommand,
        modes: &[Mode],
        changes: &[RawChange],
    ) -> Result<Command, SessionError> {
        Ok(Command {
            text: self.answer(raw, changes)?,
            enter: raw.enter.as_ref().map(|name| self.mode(modes, name)).transpose()?,
            password: raw.password.as_ref().map(|dialog| self.dialog(dialog)).transpose()?,
            paging: raw.paging,
            close: raw.close,
            people_only: raw.people_only,
        })
    }

    fn answer(&self, raw: &RawCommand, changes: &[RawChange]) -> Result<Text, SessionError> {
        let (file, source) = match (&raw.text, &raw.file) {
            (Some(text), Some(_)) => {
                return Err(self.at(text, Problem::TwoTexts(raw.command.value.clone())));
            }
            (Some(text), None) => (None, text.value.clone()),
            (None, Some(name)) => (Some(&name.value), self.file_named(name)?),
            (None, None) => return Ok(Text::default()),
        };
        let mine: Vec<(usize, &RawChange)> = changes
            .iter()
            .enumerate()
            .filter(|(_, change)| change.command.value == raw.command.value)
            .collect();
        let lines: Vec<(usize, &str)> = mine.iter().map(|(at, c)| (*at, c.line.value.as_str())).collect();
        let (text, found) =
            Text::parse_with_changes(&source, Scope::Text, &lines).map_err(|bad| match file {
                Some(name) => self.error(name, Some(bad.line), Problem::Placeholder(bad.name)),
                None => self.at(&raw.command, Problem::Placeholder(bad.name)),
            })?;
        for ((_, change), found) in mine.iter().zip(found) {
            if found > 1 {
                return Err(self.changed_line(change, found));
            }
        }
        Ok(text)
    }

    /// A command may have answers of its own in several modes; a line that changes stands in one of them at least.
    fn changed_lines_stand_somewhere(
        &self,
        raw: &RawSession,
        modes: &[Mode],
        commands: &[Command],
    ) -> Result<(), SessionError> {
        for (at, change) in raw.changes.iter().enumerate() {
            self.known_command(modes, &change.command)?;
            let here = |piece: &Piece| matches!(piece, Piece::Change(change) if *change == at);
            if !commands.iter().any(|command| command.text.pieces.iter().any(here)) {
                return Err(self.changed_line(change, 0));
            }
        }
        Ok(())
    }

    fn changed_line(&self, change: &RawChange, found: usize) -> SessionError {
        let (line, command) = (change.line.value.clone(), change.command.value.clone());
        self.at(&change.line, Problem::ChangedLine { line, command, found })
    }

    fn asks(&self, raw: &RawLogin) -> Result<Vec<Ask>, SessionError> {
        let mut asks = Vec::new();
        if let Some(text) = &raw.press {
            asks.push(Ask { text: self.text(text, Scope::Text)?, answer: Reply::AnyKey });
        }
        for question in &raw.questions {
            let answer = match (&question.answer, question.key) {
                (Some(line), None) => Reply::Line(line.clone()),
                (None, Some(key)) if key.is_ascii() => Reply::Key(key as u8),
                _ => return Err(self.at(&question.text, Problem::QuestionAnswer)),
            };
            asks.push(Ask { text: self.text(&question.text, Scope::Text)?, answer });
        }
        Ok(asks)
    }

    fn dialog(&self, raw: &RawDialog) -> Result<Dialog, SessionError> {
        if raw.tries.value == 0 {
            return Err(self.at(&raw.tries, Problem::NoTries));
        }
        let wire = |text: &str| Bytes::from(text.replace('\n', "\r\n"));
        Ok(Dialog { prompt: wire(&raw.prompt), tries: raw.tries.value, denied: wire(&raw.denied) })
    }

    fn pager(&self, raw: &RawPager) -> Result<PagerStyle, SessionError> {
        if raw.screen.value < 2 {
            return Err(self.at(&raw.screen, Problem::Screen(raw.screen.value)));
        }
        Ok(PagerStyle {
            prompt: raw.prompt.clone(),
            later_prompt: raw.later_prompt.clone().unwrap_or_else(|| raw.prompt.clone()),
            erase: raw.erase.clone(),
            screen: raw.screen.value,
        })
    }

    fn change(&self, raw: &RawChange) -> Result<Change, SessionError> {
        if raw.with.is_empty() {
            return Err(self.at(&raw.line, Problem::NoAlternative));
        }
        Ok(Change {
            original: self.text(&raw.line, Scope::Text)?,
            alternatives: self.texts(&raw.with, Scope::Text)?,
        })
    }

    fn expect(
        &self,
        raw: &RawExpect,
        modes: &[Mode],
        raw_files: &[RawFile],
    ) -> Result<ExpectTexts, SessionError> {
        let mut expect =
            ExpectTexts { secrets: self.texts(&raw.secrets, Scope::Expect)?, ..Default::default() };
        for part in &raw.parts {
            if !raw_files.iter().any(|file| part.command.value == file_label(&file.path.value)) {
                self.known_command(modes, &part.command)?;
            }
            expect.parts.push(PartTexts {
                command: part.command.value.clone(),
                contains: self.texts(&part.contains, Scope::Expect)?,
                volatile: self.texts(&part.volatile, Scope::Expect)?,
            });
        }
        for (fact, text) in &raw.facts {
            expect.facts.push((*fact, self.text(text, Scope::Expect)?));
        }
        Ok(expect)
    }

    fn mode(&self, modes: &[Mode], name: &Spanned<String>) -> Result<ModeId, SessionError> {
        modes.iter().position(|mode| mode.name == name.value).ok_or_else(|| {
            let known = modes.iter().map(|mode| mode.name.as_str()).collect::<Vec<_>>().join(", ");
            self.at(name, Problem::UnknownMode { name: name.value.clone(), known })
        })
    }

    fn known_command(&self, modes: &[Mode], command: &Spanned<String>) -> Result<(), SessionError> {
        let known = modes.iter().any(|mode| mode.answers.contains_key(&command.value));
        known.then_some(()).ok_or_else(|| self.at(command, Problem::UnknownCommand(command.value.clone())))
    }

    pub(super) fn text(&self, source: &Spanned<String>, scope: Scope) -> Result<Text, SessionError> {
        Text::parse(&source.value, scope)
            .map_err(|BadPlaceholder { name, .. }| self.at(source, Problem::Placeholder(name)))
    }

    fn texts(&self, sources: &[Spanned<String>], scope: Scope) -> Result<Vec<Text>, SessionError> {
        sources.iter().map(|source| self.text(source, scope)).collect()
    }

    fn optional(&self, source: Option<&Spanned<String>>, scope: Scope) -> Result<Text, SessionError> {
        source.map_or_else(|| Ok(Text::default()), |source| self.text(source, scope))
    }

    fn file(&self, name: &str) -> Result<String, SessionError> {
        (self.read)(name).and_then(text).map_err(|error| self.error(name, None, error.into()))
    }

    /// A text file; when it is missing the error names the line that asks for it.
    pub(super) fn file_named(&self, name: &Spanned<String>) -> Result<String, SessionError> {
        self.named(name, (self.read)(&name.value).and_then(text))
    }

    pub(super) fn bytes_named(&self, name: &Spanned<String>) -> Result<Vec<u8>, SessionError> {
        self.named(name, (self.read)(&name.value))
    }

    fn named<T>(&self, name: &Spanned<String>, read: std::io::Result<T>) -> Result<T, SessionError> {
        read.map_err(|error| {
            let error = std::io::Error::new(error.kind(), format!("{}: {error}", name.value));
            self.at(name, error.into())
        })
    }

    pub(super) fn at<T>(&self, place: &Spanned<T>, problem: Problem) -> SessionError {
        self.error(MAIN_FILE, Some(place.referenced.line()), problem)
    }

    pub(super) fn error(&self, name: &str, line: Option<u64>, problem: Problem) -> SessionError {
        SessionError { place: Place { file: format!("{}/{name}", self.folder), line }, problem }
    }
}

fn text(bytes: Vec<u8>) -> std::io::Result<String> {
    String::from_utf8(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}
