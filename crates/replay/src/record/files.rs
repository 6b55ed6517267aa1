//! Writes a session: `session.yaml` and a file for each longer answer.

use super::conceal::{Concealer, escape};
use super::draft::{Command, Draft};
use super::fake::Inventor;
use super::{File, Recorded};
use netraven_model::{Facts, PartKind, Span};
use netraven_platform::{Output, Platform};
use std::fmt::Write as _;

/// Answers with more lines stand in files of their own.
const INLINE_LINES: usize = 3;
/// How many lines of a part are expected, and how many that change without meaning.
const EXPECTED_LINES: usize = 6;
/// So much of a line that is volatile as a whole is what it begins with.
const BEGINNING: usize = 16;

pub(super) fn write(recorded: &Recorded<'_>, draft: &Draft) -> Vec<File> {
    let platform = recorded.platform;
    let texts: Vec<_> = recorded
        .outputs
        .iter()
        .map(|out| (platform.parts[out.part].name.as_str(), out.capture.expose_bytes()))
        .collect();
    let facts = platform.find_facts(&texts);
    let mut inventor = Inventor::new(recorded.seed);
    let names = match recorded.anonymise {
        true => names(recorded, draft, &facts, &mut inventor),
        false => Vec::new(),
    };
    let mut concealer = Concealer::new(platform, inventor, names, recorded.anonymise);
    for text in draft.commands.iter().map(|command| &command.text).chain([&draft.banner]) {
        concealer.learn(text);
    }
    for (_, text) in recorded.outputs.iter().filter_map(|output| device_file(platform, output)) {
        concealer.learn(&text);
    }
    Writer { recorded, draft, concealer, facts }.write()
}

/// The names that are replaced, and by what.
fn names(
    recorded: &Recorded<'_>,
    draft: &Draft,
    facts: &Facts,
    inventor: &mut Inventor,
) -> Vec<(String, String)> {
    let shown = draft.modes.get(draft.login).map(|mode| mode.shown.as_slice()).unwrap_or_default();
    let host = recorded.platform.prompt(shown).and_then(|prompt| prompt.host);
    let host = host.map(|host| String::from_utf8_lossy(&host).into_owned());
    // A group `host` may hold more than the name, as `user@name`; a name may have its domain behind it.
    let host = host.map(|host| host.rsplit('@').next().unwrap_or_default().to_owned());
    let short = facts.hostname.as_deref().and_then(|name| name.split('.').next()).map(str::to_owned);
    let mut names: Vec<(String, String)> = Vec::new();
    let mut add = |name: Option<String>, put: String| {
        names.extend(name.filter(|name| name.chars().count() >= 3).map(|name| (name, put)));
    };
    // A version may look like an address, and stays.
    let version = facts.software_version.clone();
    add(version.clone(), escape(&version.unwrap_or_default()));
    // Where the name is known, a plain word in the prompt may be the program's own.
    let own = |host: &String| facts.hostname.is_none() || host.contains(|c: char| c.is_ascii_digit());
    for name in [facts.hostname.clone(), host.filter(own), short] {
        add(name, "{{hostname}}".to_owned());
    }
    let serial = facts.serial_number.clone();
    add(serial.clone(), escape(&inventor.like(&serial.unwrap_or_default())));
    add(facts.changed_by.clone(), "{{changed_by}}".to_owned());
    add(Some(recorded.username.to_owned()), "{{username}}".to_owned());
    names
}

struct Writer<'a> {
    recorded: &'a Recorded<'a>,
    draft: &'a Draft,
    concealer: Concealer<'a>,
    facts: Facts,
}

impl Writer<'_> {
    fn write(&self) -> Vec<File> {
        let mut yaml = String::new();
        self.head(&mut yaml);
        let mut files = Vec::new();
        self.commands(&mut yaml, &mut files);
        self.device_files(&mut yaml, &mut files);
        self.expect(&mut yaml);
        files.insert(0, ("session.yaml".to_owned(), yaml));
        files
    }

    // Writing to a String cannot fail, so what `write!` answers is of no interest.
    fn head(&self, yaml: &mut String) {
        let (draft, platform) = (self.draft, self.recorded.platform);
        let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "unknown".to_owned());
        let hardware = format!("{}, {}", known(&self.facts.model), known(&self.facts.software_version));
        let hostname = match (self.recorded.anonymise, &self.facts.hostname) {
            (false, Some(name)) => name.clone(),
            _ => "device{{nnnn}}".to_owned(),
        };
        let _ = writeln!(yaml, "platform: {}\nhardware: {}", platform.name, quoted(&hardware));
        let _ = writeln!(yaml, "source:\n  kind: recorded\n  documents: [{}]", quoted(&hardware));
        let _ = writeln!(yaml, "ssh_version: {}", quoted(self.recorded.ssh_version));
        let _ = writeln!(yaml, "hostname: {}\n", quoted(&hostname));
        let _ = writeln!(yaml, "login:\n  mode: {}", draft.modes[draft.login].name);
        let _ = writeln!(yaml, "  banner: {}", self.shown(&draft.banner));
        let mut questions = draft.asks.iter().peekable();
        if let Some(ask) = questions.next_if(|ask| ask.keys.trim().is_empty()) {
            let _ = writeln!(yaml, "  press: {}", self.shown(&ask.text));
        }
        if questions.peek().is_some() {
            yaml.push_str("  questions:\n");
        }
        for ask in questions {
            let line = ask.keys.trim_end_matches(['\r', '\n']);
            let single = line.len() == ask.keys.len() || line.is_empty();
            let how = if single { ("key", &ask.keys[..ask.keys.len().min(1)]) } else { ("answer", line) };
            let _ = writeln!(yaml, "    - {{text: {}, {}: {}}}", self.shown(&ask.text), how.0, quoted(how.1));
        }
        let _ = writeln!(yaml, "echo: {}\n\nmodes:", draft.echo);
        for mode in &draft.modes {
            let _ = writeln!(yaml, "  {}: {}", mode.name, self.shown(&mode.prompt));
        }
        if let Some(pager) = &draft.pager {
            let erase = format!("\r{}\r", " ".repeat(pager.prompt.chars().count()));
            let (prompt, screen) = (quoted(&pager.prompt), pager.screen);
            let _ =
                writeln!(yaml, "\npager: {{prompt: {prompt}, erase: {}, screen: {screen}}}", quoted(&erase));
        }
        let rejected = draft.commands.iter().find(|command| command.rejected);
        let error = rejected.map_or("unknown command\n", |command| command.text.as_str());
        let _ = writeln!(yaml, "\nerror: {}\n\ncommands:", self.shown(error));
    }

    fn commands(&self, yaml: &mut String, files: &mut Vec<File>) {
        let commands = &self.draft.commands;
        for (at, command) in commands.iter().enumerate() {
            let same = |other: &Command| other.mode == command.mode && other.line == command.line;
            // The same command again, in another context: a session file has one answer for each mode.
            if commands[..at].iter().any(same) {
                continue;
            }
            let mode = &self.draft.modes[command.mode].name;
            let _ = writeln!(yaml, "  - command: {}\n    modes: [{mode}]", quoted(&command.line));
            if let Some(enter) = command.enter.filter(|enter| *enter != command.mode) {
                let _ = writeln!(yaml, "    enter: {}", self.draft.modes[enter].name);
            }
            if let Some(question) = &command.password {
                let question = self.shown(question);
                let _ =
                    writeln!(yaml, "    password: {{prompt: {question}, tries: 1, denied: \"denied\\n\"}}");
            }
            if command.enter.is_none() {
                yaml.push_str("    close: true\n");
            }
            let (text, _) = self.concealer.text(&command.text);
            if text.lines().count() > INLINE_LINES {
                let name = file_name(files.len() + 1, &command.line);
                let _ = writeln!(yaml, "    file: {name}");
                files.push((name, text));
            } else if !text.is_empty() {
                let _ = writeln!(yaml, "    text: {}", quoted(&text));
            }
        }
    }

    /// The files that were fetched; of an archive nothing but its size, since nobody can find the secrets in it.
    fn device_files(&self, yaml: &mut String, files: &mut Vec<File>) {
        let outputs = self.recorded.outputs.iter();
        let found: Vec<_> =
            outputs.filter_map(|output| device_file(self.recorded.platform, output)).collect();
        if !found.is_empty() {
            yaml.push_str("\nfiles:\n");
        }
        for (path, text) in found {
            let (text, _) = self.concealer.text(&text);
            let path = quoted(path);
            let _ = match text.lines().count() > INLINE_LINES {
                true => {
                    let name = file_name(files.len() + 1, &path);
                    files.push((name.clone(), text));
                    writeln!(yaml, "  - {{path: {path}, file: {name}}}")
                }
                false => writeln!(yaml, "  - {{path: {path}, text: {}}}", quoted(&text)),
            };
        }
    }

    fn expect(&self, yaml: &mut String) {
        let (mut secrets, mut seen): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
        yaml.push_str("\nexpect:\n  parts:\n");
        for output in self.recorded.outputs {
            let text = device_file(self.recorded.platform, output).map(|(_, text)| text);
            let text = text.unwrap_or_else(|| lossy(output));
            // The same command in another context is answered by the first one's text.
            if text.trim().is_empty() || seen.contains(&output.command.as_str()) {
                continue;
            }
            seen.push(&output.command);
            let (contains, volatile) = self.lines(&text);
            let _ = writeln!(yaml, "    - command: {}", quoted(&output.command));
            let _ = writeln!(yaml, "      contains: [{}]", contains.join(", "));
            let _ = writeln!(yaml, "      volatile: [{}]", volatile.join(", "));
            for secret in self.concealer.text(&text).1 {
                if !secrets.contains(&secret) {
                    secrets.push(secret);
                }
            }
        }
        if seen.is_empty() {
            yaml.push_str("    []\n");
        }
        let secrets: Vec<String> = secrets.iter().map(|secret| quoted(secret)).collect();
        let _ = writeln!(yaml, "  secrets: [{}]\n  facts:", secrets.join(", "));
        let facts = serde_json::to_value(&self.facts).unwrap_or_default();
        let known: Vec<_> =
            facts.as_object().into_iter().flatten().filter_map(|(n, f)| Some((n, f.as_str()?))).collect();
        for (name, fact) in &known {
            let _ = writeln!(yaml, "    {name}: {}", quoted(&self.concealer.literal(fact)));
        }
        if known.is_empty() {
            yaml.push_str("    {}\n");
        }
    }

    /// Some lines of a part that must be there, and the beginnings of those that change without meaning.
    fn lines(&self, text: &str) -> (Vec<String>, Vec<String>) {
        let platform = self.recorded.platform;
        let (secrets, changing) =
            (platform.find_secrets(text.as_bytes()), platform.find_volatile(text.as_bytes()));
        let (mut fixed, mut volatile, mut at) = (Vec::new(), Vec::new(), 0);
        for whole in text.split_inclusive('\n') {
            let span = Span { start: at, end: at + whole.len() };
            at = span.end;
            let line = whole.trim_end_matches('\n');
            let touches =
                |spans: &[Span]| spans.iter().find(|s| s.start < span.end && span.start < s.end).copied();
            let plain = !line.trim().is_empty() && !line.contains(|c: char| c.is_control());
            if touches(&secrets).is_some() || !plain {
                continue;
            }
            match touches(&changing) {
                None => fixed.push(line),
                Some(found) => volatile.push(self.beginning(line, found.start.saturating_sub(span.start))),
            }
        }
        let step = fixed.len().div_ceil(EXPECTED_LINES).max(1);
        let fixed = fixed.into_iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev();
        volatile.retain(|start| !start.is_empty());
        volatile.dedup();
        let volatile = volatile.iter().take(EXPECTED_LINES).map(|start| quoted(start));
        (fixed.map(|line| quoted(&self.concealer.literal(line))).collect(), volatile.collect())
    }

    /// What a line begins with, in front of what changes; of a line that changes as a whole its first letters.
    fn beginning(&self, line: &str, fixed: usize) -> String {
        let whole = self.concealer.literal(line);
        let mut start = match line.get(..fixed).filter(|start| !start.is_empty()) {
            Some(start) => self.concealer.literal(start),
            // A name in front may be another one when it is played.
            None => {
                let from =
                    if whole.starts_with("{{") { whole.find("}}").map_or(0, |end| end + 2) } else { 0 };
                let rest = &whole[from..];
                let short = rest.char_indices().nth(BEGINNING).map_or(rest.len(), |(at, _)| at);
                let end = rest.find(|c: char| c.is_ascii_digit() || c == '{').unwrap_or(short).min(short);
                whole[..from + end].to_owned()
            }
        };
        // An address or a name that was cut in two reads otherwise than the whole one.
        while !whole.starts_with(&start) || start.rfind("{{") > start.rfind("}}") {
            start.pop();
        }
        start.trim_end().to_owned()
    }

    /// A text without secrets, as YAML.
    fn shown(&self, text: &str) -> String {
        quoted(&self.concealer.text(text).0)
    }
}

/// Path and text of a file that was fetched.
fn device_file<'a>(platform: &Platform, output: &'a Output) -> Option<(&'a str, String)> {
    let part = platform.parts.get(output.part).filter(|part| part.is_file())?;
    // What stands in the place of a command.
    let path = output.command.strip_prefix("file ")?;
    Some(match part.kind {
        PartKind::Binary => (path, format!("an archive of {} bytes\n", output.capture.len())),
        PartKind::Config | PartKind::State => (path, lossy(output)),
    })
}

fn lossy(output: &Output) -> String {
    String::from_utf8_lossy(output.capture.expose_bytes()).into_owned()
}

/// A name such as `02-show-version.txt`.
fn file_name(number: usize, command: &str) -> String {
    let word: String = command.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = word.split('-').filter(|word| !word.is_empty()).take(4).collect();
    format!("{number:02}-{}.txt", words.join("-").to_lowercase())
}

/// A double-quoted scalar: every JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
