//! From bytes to commands with their answers.

use super::{Exchange, RecordError, Sent};
use netraven_platform::{Platform, Terminal};

/// A session, taken apart. Texts have LF line ends and nothing is concealed yet.
pub(super) struct Draft {
    pub(super) banner: String,
    pub(super) asks: Vec<Ask>,
    pub(super) echo: bool,
    pub(super) pager: Option<Pager>,
    pub(super) modes: Vec<Mode>,
    /// The mode in which the login landed.
    pub(super) login: usize,
    pub(super) commands: Vec<Command>,
}

/// A question before the first prompt, and the keys that answered it.
pub(super) struct Ask {
    pub(super) text: String,
    pub(super) keys: String,
}

pub(super) struct Pager {
    pub(super) prompt: String,
    /// Lines of the screen, the pager's own included.
    pub(super) screen: usize,
}

pub(super) struct Mode {
    pub(super) name: String,
    pub(super) prompt: String,
    /// The prompt as a terminal shows it.
    pub(super) shown: Vec<u8>,
}

pub(super) struct Command {
    pub(super) line: String,
    pub(super) mode: usize,
    pub(super) text: String,
    /// Where it leads; `None` where the session ended.
    pub(super) enter: Option<usize>,
    /// The question for a password.
    pub(super) password: Option<String>,
    pub(super) rejected: bool,
}

pub(super) fn read(platform: &Platform, exchanges: &[Exchange]) -> Result<Draft, RecordError> {
    let mut reader = Reader { platform, draft: Draft::empty(), at: 0, echoes: (0, 0) };
    let mut exchanges = exchanges.iter().peekable();
    while let Some(exchange) = exchanges.next() {
        let mut all = vec![exchange];
        // The pages of one answer belong together.
        while reader.ends_in_pager(&all) {
            let Some(next) = exchanges.next() else { break };
            all.push(next);
        }
        reader.take(&all)?;
    }
    reader.finish()
}

struct Reader<'a> {
    platform: &'a Platform,
    draft: Draft,
    /// The mode that the command line is in.
    at: usize,
    /// Commands that were echoed, and all.
    echoes: (usize, usize),
}

impl Draft {
    fn empty() -> Self {
        Self {
            banner: String::new(),
            asks: Vec::new(),
            echo: true,
            pager: None,
            modes: Vec::new(),
            login: 0,
            commands: Vec::new(),
        }
    }
}

impl Reader<'_> {
    fn ends_in_pager(&self, pages: &[&Exchange]) -> bool {
        let last = pages.last().map_or(&[][..], |page| &page.received);
        !self.draft.modes.is_empty() && self.platform.is_pager(&shown_line(last))
    }

    fn take(&mut self, pages: &[&Exchange]) -> Result<(), RecordError> {
        let Some(first) = pages.first() else { return Ok(()) };
        if self.draft.modes.is_empty() {
            return self.greeting(first);
        }
        match &first.sent {
            Sent::Nothing => Err(course("the session was opened twice")),
            Sent::Secret => self.password(first),
            Sent::Keys(keys) => self.command(&line_of(keys), pages),
        }
    }

    /// What comes before the first prompt.
    fn greeting(&mut self, exchange: &Exchange) -> Result<(), RecordError> {
        match (&exchange.sent, self.draft.asks.last_mut()) {
            (Sent::Keys(keys), Some(ask)) => ask.keys = lossy(keys),
            // A session file knows no password of the login: over SSH it is asked for before the session.
            (Sent::Secret, _) => return Err(course("the device asks for a password inside the session")),
            _ => {}
        }
        let (text, last) = split(&exchange.received);
        let Some(mode) = self.mode(last) else {
            let asked = [text, last].concat();
            self.draft.asks.push(Ask { text: plain(&asked), keys: String::new() });
            return Ok(());
        };
        // What stands behind the last answer comes earlier when it is retold: nothing but a prompt can follow it.
        self.draft.banner.push_str(&plain(text));
        (self.draft.login, self.at) = (mode, mode);
        Ok(())
    }

    fn command(&mut self, line: &str, pages: &[&Exchange]) -> Result<(), RecordError> {
        let received = match pages {
            [page] => page.received.clone(),
            pages => self.without_pager(pages),
        };
        let (text, last) = split(&received);
        let text = self.without_echo(line, text);
        let password = self.platform.is_question(&shown_line(last)).then(|| plain(last));
        let enter = match password {
            Some(_) => None,
            None => self.mode(last),
        };
        let whole =
            if password.is_none() && enter.is_none() { self.without_echo(line, &received) } else { text };
        let rejected = self.platform.is_rejection(whole.as_bytes());
        let text = if password.is_some() { String::new() } else { whole };
        self.draft.commands.push(Command {
            line: line.to_owned(),
            mode: self.at,
            text,
            enter,
            password,
            rejected,
        });
        self.at = enter.unwrap_or(self.at);
        Ok(())
    }

    fn password(&mut self, exchange: &Exchange) -> Result<(), RecordError> {
        let mode = self.mode(split(&exchange.received).1);
        let asked = self.draft.commands.last_mut().filter(|command| command.password.is_some());
        match (asked, mode) {
            (Some(command), Some(mode)) => {
                command.enter = Some(mode);
                self.at = mode;
                Ok(())
            }
            _ => {
                Err(course("a password was sent that no command had asked for, or no prompt came behind it"))
            }
        }
    }

    /// The mode whose prompt a line is; one that was not seen before becomes a mode of its own.
    fn mode(&mut self, line: &[u8]) -> Option<usize> {
        let shown = shown_line(line);
        let name = self.platform.prompt(&shown)?.mode.to_owned();
        if let Some(known) = self.draft.modes.iter().position(|mode| mode.shown == shown) {
            return Some(known);
        }
        let same = |mode: &&Mode| mode.name == name || mode.name.starts_with(&format!("{name}_"));
        let count = self.draft.modes.iter().filter(same).count();
        let name = if count == 0 { name } else { format!("{name}_{}", count + 1) };
        self.draft.modes.push(Mode { name, prompt: plain(line), shown });
        Some(self.draft.modes.len() - 1)
    }

    /// The pages as one text, as a terminal shows them.
    fn without_pager(&mut self, pages: &[&Exchange]) -> Vec<u8> {
        let mut terminal = Terminal::default();
        for page in pages {
            terminal.feed(&page.received);
            let line = terminal.last_line();
            if self.platform.is_pager(line) {
                let screen = 1 + terminal.lines().iter().filter(|byte| **byte == b'\n').count();
                let prompt = lossy(line);
                self.draft.pager.get_or_insert(Pager { prompt, screen: screen.max(2) });
                terminal.erase_last_line();
            }
        }
        terminal.text().to_vec()
    }

    /// The text behind the line that repeats what was typed.
    fn without_echo(&mut self, line: &str, text: &[u8]) -> String {
        let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| newline + 1);
        let echoed = shown_line(text[..first].trim_ascii_end()).ends_with(line.as_bytes());
        self.echoes = (self.echoes.0 + usize::from(echoed), self.echoes.1 + 1);
        let behind = if echoed { &text[first..] } else { text };
        let text = plain(behind);
        // A device without echo still ends the line that was typed.
        if echoed { text } else { text.strip_prefix('\n').map_or(text.clone(), str::to_owned) }
    }

    fn finish(mut self) -> Result<Draft, RecordError> {
        let Some(last) = self.draft.commands.last() else {
            return Err(course("no prompt was recognised"));
        };
        if last.enter.is_some() || last.password.is_some() {
            return Err(course("a logout was expected at its end"));
        }
        self.draft.echo = 2 * self.echoes.0 >= self.echoes.1;
        let endings = self.draft.commands.iter().filter(|command| command.enter.is_none()).count();
        match endings {
            1 => Ok(self.draft),
            _ => Err(course("a command was answered without a prompt behind it")),
        }
    }
}

fn course(what: &str) -> RecordError {
    RecordError::Course(what.to_owned())
}

/// The lines, and what stands behind the last line end.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1))
}

/// The last line as a terminal shows it.
fn shown_line(text: &[u8]) -> Vec<u8> {
    let mut terminal = Terminal::default();
    terminal.feed(split(text).1);
    terminal.last_line().to_vec()
}

/// The first line: a logout may be several lines at once, and the session is over behind the first one.
fn line_of(keys: &[u8]) -> String {
    lossy(keys).split(['\r', '\n']).next().unwrap_or_default().to_owned()
}

/// A text with LF line ends, as session files have them.
fn plain(text: &[u8]) -> String {
    lossy(text).replace("\r\n", "\n")
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
