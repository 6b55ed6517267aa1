use crate::Redactor;
use crate::compile::{COMMAND, CONTEXT, PART};
use crate::file::RemoteFile;
use crate::finder::Finder;
use crate::http::{Http, Request};
use crate::rules::RuleBook;
use crate::transports::Transport;
use netraven_model::{Facts, Hash256, Login, PartKind, Protocol, Secret, Span};
use regex::bytes::Regex;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// One device family, ready to use: all patterns compiled, all references resolved.
#[derive(Debug)]
pub struct Platform {
    /// Name, as in `device_type`.
    pub name: String,
    /// What people call the family.
    pub title: String,
    /// Other names under which it is found.
    pub aliases: Vec<String>,
    /// The documents the facts come from.
    pub sources: Vec<String>,
    /// What starts a comment line in the configuration language.
    pub comment: String,
    /// The line before a part where several are shown as one text; `None` for a comment that names it.
    pub(crate) section: Option<String>,
    /// What a backup brings, in order.
    pub parts: Arc<[Part]>,
    /// What the family is spoken to over, the usual one first; never empty.
    pub transports: Vec<Transport>,
    /// How the family is spoken to over HTTP, where it can be.
    pub http: Option<Http>,
    /// SHA-256 of the definition, what it inherits, and the rules all share: which rules made a version.
    pub digest: Hash256,
    /// Where the definition came from: a file, or `shipped`.
    pub origin: String,
    /// Number of rules of its own that find secrets, those it inherits included; the general net is not counted.
    pub secret_rules: usize,
    /// Number of lines that prove them: secrets that must be found, and near misses that must not.
    pub secret_examples: usize,
    pub(crate) username_suffix: String,
    pub(crate) detect: Detect,
    pub(crate) modes: Vec<Mode>,
    pub(crate) line_end: &'static str,
    pub(crate) contexts: Vec<Context>,
    pub(crate) login_quiet: Duration,
    pub(crate) username_prompt: Option<Regex>,
    pub(crate) password_prompt: Option<Regex>,
    pub(crate) dialogs: Vec<Dialog>,
    /// In order; each begins where the login landed or an earlier one led.
    pub(crate) enable: Vec<Enable>,
    pub(crate) prepare: Vec<String>,
    pub(crate) pagers: Vec<Dialog>,
    pub(crate) rejected: Vec<Regex>,
    /// Where the patterns that fire come from.
    pub(crate) rules: RuleBook,
    pub(crate) prompt_prefix: Option<Regex>,
    pub(crate) logout: String,
    pub(crate) finder: Finder,
    pub(crate) exec: Option<Exec>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) facts: Vec<Fact>,
}

/// What the finders found in a part; both sorted and disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Where secrets stand.
    pub secrets: Vec<Span>,
    /// What changes without meaning.
    pub volatile: Vec<Span>,
}

/// One piece of what a backup brings.
#[derive(Clone, Debug)]
pub struct Part {
    /// Name, e.g. `running-config`.
    pub name: String,
    /// The command, and those to try where the device does not know it. Of a file, what makes it; there may be none.
    pub commands: Vec<String>,
    /// Configuration, state or archive.
    pub kind: PartKind,
    /// Whether a refusal of the command is fine.
    pub optional: bool,
    /// Index into `Platform::contexts`.
    pub(crate) for_each: Option<usize>,
    pub(crate) end: Option<Regex>,
    pub(crate) balanced_braces: bool,
    pub(crate) timeout: Option<Duration>,
    /// The file of the device that is the part.
    pub(crate) file: Option<RemoteFile>,
    /// Whether an archive of other bytes is a change.
    pub(crate) compare_bytes: bool,
    /// Whether the words of a refusal are an answer, too.
    pub(crate) keep_refusal: bool,
    /// What is sent over HTTP in the place of the commands.
    pub(crate) requests: Vec<Request>,
}

/// How a device of the family is recognised.
#[derive(Debug, Default)]
pub(crate) struct Detect {
    pub ssh_version: Vec<Regex>,
    pub command: Option<String>,
    pub answer: Vec<Regex>,
}

/// How commands are asked over the exec channel of SSH.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    /// The command line, `{command}` in it.
    pub wrap: Option<String>,
    /// The line that `wrap` makes the device write last.
    pub end: Option<Regex>,
}

impl Exec {
    /// What is requested to have a command carried out.
    pub(crate) fn wrap(&self, command: &str) -> String {
        self.wrap.as_ref().map_or_else(|| command.to_owned(), |wrap| wrap.replace(COMMAND, command))
    }

    /// Where the last line begins, if it is the one that proves the end.
    pub(crate) fn find_mark(&self, output: &[u8]) -> Option<usize> {
        let trimmed = output.trim_ascii_end();
        let start = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        self.end.as_ref()?.is_match(&trimmed[start..]).then_some(start)
    }
}

/// A kind of context: parts of the device that have a configuration each.
#[derive(Debug)]
pub(crate) struct Context {
    pub name: String,
    pub list: String,
    pub pattern: Regex,
    pub enter: Vec<String>,
    pub leave: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Mode {
    pub name: String,
    pub prompt: Regex,
}

/// A question of the device and its fixed answer.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub expect: Regex,
    pub send: String,
}

/// A step from one mode to another. Modes are indices into `Platform::modes`.
#[derive(Debug)]
pub(crate) struct Enable {
    pub from: usize,
    pub to: usize,
    pub command: String,
    pub username_prompt: Option<Regex>,
    pub password_prompt: Option<Regex>,
}

#[derive(Debug)]
pub(crate) struct Fact {
    pub slot: fn(&mut Facts) -> &mut Option<String>,
    /// Name of the part.
    pub part: String,
    pub pattern: Regex,
}

/// A fact longer than this is a mistaken match, not a fact.
const MAX_FACT: usize = 200;

impl Platform {
    /// Where the family listens for a protocol; `None` where it is not spoken to so.
    pub fn port_over(&self, protocol: Protocol) -> Option<u16> {
        self.transports.iter().find(|known| known.protocol == protocol).map(|known| known.port)
    }

    /// What a backup over a protocol brings; nothing where the family is not spoken to so.
    pub fn parts_over(&self, protocol: Protocol) -> Arc<[Part]> {
        match protocol {
            Protocol::Ssh | Protocol::Telnet => self.parts.clone(),
            Protocol::Http => self.http.as_ref().map_or_else(|| Arc::from([]), |http| http.parts.clone()),
        }
    }

    /// The login as this family wants it: some take switches of the session behind the user name.
    pub fn login<'a>(&self, login: &'a Login) -> Cow<'a, Login> {
        if self.username_suffix.is_empty() {
            return Cow::Borrowed(login);
        }
        let username = format!("{}{}", login.username, self.username_suffix);
        Cow::Owned(Login { username, ..login.clone() })
    }

    /// The line that begins a part where several are shown as one text, without its line end. For people: it is not part
    /// of what is stored of the part.
    pub fn section(&self, part: &str, context: Option<&str>, command: &str) -> String {
        let line = match &self.section {
            Some(section) => section
                .replace(PART, part)
                .replace(CONTEXT, context.unwrap_or_default())
                .replace(COMMAND, command),
            None => section(&self.comment, part, context, command),
        };
        // A context's name is the device's word: one line stays one line.
        line.replace(char::is_control, " ").trim_end().to_owned()
    }

    /// Whether its commands are asked over the exec channel of SSH, where the device has it.
    pub fn prefers_exec(&self) -> bool {
        self.exec.is_some()
    }

    /// Where secrets stand in a text; sorted and disjoint.
    pub fn find_secrets(&self, text: &[u8]) -> Vec<Span> {
        self.finder.secrets(text)
    }

    /// What in a text changes without meaning; sorted and disjoint.
    pub fn find_volatile(&self, text: &[u8]) -> Vec<Span> {
        self.finder.volatile(text)
    }

    /// Secrets and what changes without meaning, of the content of a part by its name and kind. An archive is one secret as a
    /// whole, because nobody can find those in it; and it has no meaning of its own, because it carries the time when it was
    /// made, unless the definition says otherwise.
    pub fn find_spans(&self, name: &str, kind: PartKind, content: &[u8]) -> Spans {
        if kind != PartKind::Binary {
            return Spans { secrets: self.find_secrets(content), volatile: self.find_volatile(content) };
        }
        let whole =
            || if content.is_empty() { Vec::new() } else { vec![Span { start: 0, end: content.len() }] };
        let over_http = self.http.iter().flat_map(|http| http.parts.iter());
        let matters = |part: &Part| part.name == name && part.compare_bytes;
        let volatile = match self.parts.iter().chain(over_http).any(matters) {
            true => Vec::new(),
            false => whole(),
        };
        Spans { secrets: whole(), volatile }
    }

    /// The text without lines that hold a secret or match the installation's redaction patterns: for logs, events and
    /// messages, never for storage. It should begin at the beginning of a line, or else a first line is shown that has lost
    /// the word that makes it suspicious.
    pub fn redact(&self, text: &[u8]) -> String {
        self.redact_with(text, &[])
    }

    /// As [`Self::redact`], and without a session's own passwords.
    pub(crate) fn redact_with(&self, text: &[u8], own: &[&Secret]) -> String {
        self.redactor.redact_with(text, own, |text| self.find_secrets(text))
    }

    /// The text with `[REDACTED]` in place of the secrets that the rules find, and otherwise as it came: for people who
    /// asked for it. What goes into a log is [`Self::redact`]'s.
    pub fn hide_secrets(&self, text: &[u8]) -> String {
        let mut shown = Vec::with_capacity(text.len());
        let mut at = 0;
        for secret in self.find_secrets(text) {
            shown.extend_from_slice(&text[at..secret.start]);
            shown.extend_from_slice(b"[REDACTED]");
            at = secret.end;
        }
        shown.extend_from_slice(&text[at..]);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// A command as a log may show it: one of the definition's own as it stands, since the definition can be read by
    /// everybody; what somebody else asks for, or what has a name of the device's in it, redacted.
    pub(crate) fn show_command(&self, command: &str, own: &[&Secret]) -> String {
        let over_http = self.http.iter().flat_map(|http| http.parts.iter());
        let parts = self.parts.iter().chain(over_http);
        let parts = parts.flat_map(|part| part.commands.iter().chain(part.cleanup_commands()));
        let moves = self.contexts.iter().flat_map(|context| context.enter.iter().chain(&context.leave));
        let lists = self.contexts.iter().map(|context| &context.list);
        let enable = self.enable.iter().map(|enable| &enable.command);
        let known = parts.chain(moves).chain(lists).chain(enable).chain(&self.prepare).chain([&self.logout]);
        match known.into_iter().any(|known| known == command) {
            true => command.to_owned(),
            false => self.redact_with(command.as_bytes(), own),
        }
    }

    /// What the texts tell about the device; `texts` are pairs of a part's name and its text.
    pub fn find_facts(&self, texts: &[(&str, &[u8])]) -> Facts {
        let mut facts = Facts::default();
        for rule in &self.facts {
            let slot = (rule.slot)(&mut facts);
            let text = texts.iter().find(|(part, _)| *part == rule.part);
            let (None, Some((_, text))) = (&slot, text) else { continue };
            let found = rule.pattern.captures(text).and_then(|groups| groups.get(1));
            *slot = found
                .map(|group| String::from_utf8_lossy(group.as_bytes()).trim().to_owned())
                .filter(|fact| !fact.is_empty() && fact.len() <= MAX_FACT);
        }
        facts
    }
}

impl Part {
    /// A command of somebody's own, whose answer is wanted whatever it is.
    pub fn command(command: &str) -> Self {
        Self {
            name: command.to_owned(),
            commands: vec![command.to_owned()],
            kind: PartKind::State,
            optional: true,
            for_each: None,
            end: None,
            balanced_braces: false,
            timeout: None,
            file: None,
            compare_bytes: false,
            keep_refusal: true,
            requests: Vec::new(),
        }
    }

    /// Whether it is a file of the device, and not the answer to a command.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// What is asked to remove the part's file; the first command that the device takes counts.
    pub(crate) fn cleanup_commands(&self) -> &[String] {
        self.file.as_ref().map_or(&[], |file| &file.cleanup)
    }

    /// What removes the part's file, as a part of a session that has nothing else to do.
    pub fn cleanup(&self) -> Option<Self> {
        let commands = self.cleanup_commands().to_vec();
        let first = commands.first()?.clone();
        Some(Self { commands, keep_refusal: false, ..Self::command(&first) })
    }

    /// The file alone, which is there already.
    pub(crate) fn file_only(&self) -> Self {
        let mut part = Self { commands: Vec::new(), ..self.clone() };
        if let Some(file) = &mut part.file {
            file.cleanup.clear();
        }
        part
    }

    /// Whether an answer that lost its end is told from a complete one.
    pub fn shows_its_end(&self) -> bool {
        self.end.is_some() || self.balanced_braces
    }

    /// Whether the end of an answer can be told from its text. What is no configuration need not show one.
    pub(crate) fn has_end(&self) -> bool {
        self.end.is_some() || self.balanced_braces || self.kind != PartKind::Config
    }

    /// Whether an answer shows the platform's own end; otherwise what was expected.
    ///
    /// # Errors
    /// What was expected and is not there.
    pub fn check_complete(&self, answer: &[u8]) -> Result<(), String> {
        if let Some(end) = &self.end {
            let last = answer.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            if !end.is_match(last) {
                return Err(format!("the last line was expected to match /{end}/"));
            }
        }
        if self.balanced_braces {
            let (opened, closed) = braces(answer);
            if opened != closed {
                return Err(format!("{opened} blocks were opened with '{{' and {closed} closed"));
            }
        }
        Ok(())
    }
}

/// The line before a part, as a comment: `! ---- running-config, admin (show running-config) ----`.
fn section(comment: &str, part: &str, context: Option<&str>, command: &str) -> String {
    let context = context.map_or(String::new(), |context| format!(", {context}"));
    format!("{comment}---- {part}{context} ({command}) ----")
}

fn braces(text: &[u8]) -> (usize, usize) {
    text.split(|byte| *byte == b'\n').fold((0, 0), |(opened, closed), line| {
        let line = line.trim_ascii();
        let opens = line.ends_with(b"{") && !line.starts_with(b"#");
        // A closing brace may be followed by a comment: `} ## SECRET-DATA`.
        let closes = line == b"}" || line.starts_with(b"} #");
        (opened + usize::from(opens), closed + usize::from(closes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_by_lines_and_not_inside_values() {
        assert_eq!(braces(b"a {\n  b \"x{y\";\n  c {\n  }\n}\n"), (2, 2));
        assert_eq!(braces(b"a {\n  b {\n"), (2, 0));
        assert_eq!(braces(b"# comment {\na {\n} ## SECRET-DATA\n"), (1, 1));
    }
}
