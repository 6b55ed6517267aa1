//! What a definition makes of a transcript that a person saved from a terminal.

use netraven_model::{Facts, Span};
use netraven_platform::{Fired, Part, Platform, Rule, Terminal};
use std::fmt;
use std::sync::Arc;

/// A longer line is no prompt with a command behind it.
const MAX_LINE: usize = 1024;

/// A transcript as the definition sees it.
#[derive(Debug)]
pub struct Transcript {
    /// Lines before the first prompt.
    pub greeting: usize,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What the answers to the platform's own commands tell about the device.
    pub facts: Facts,
}

/// Something that was recognised. Lines are counted from 1, in the text as a terminal shows it.
#[derive(Debug)]
pub enum Event {
    /// A pager waited for a key.
    Pager {
        /// The line it stood on.
        line: usize,
        /// The rule that says so.
        rule: Arc<Rule>,
    },
    /// A question of the login, or the one for the enable secret.
    Question {
        /// The line it stood on.
        line: usize,
    },
    /// A prompt, and the command typed behind it with its answer.
    Prompt(Box<Step>),
}

/// One prompt and what follows it until the next one.
pub struct Step {
    /// The prompt's line.
    pub line: usize,
    /// The mode it shows.
    pub mode: String,
    /// What its group `host` reads.
    pub host: Option<String>,
    /// What was typed, without secrets; empty where nothing was.
    pub command: String,
    /// Name of the part that this command brings.
    pub part: Option<String>,
    /// The rule by which the device did not carry it out.
    pub rejected: Option<Arc<Rule>>,
    /// What is missing for a complete part.
    pub incomplete: Option<String>,
    /// The answer.
    pub answer: Vec<u8>,
    /// Where secrets stand in it.
    pub secrets: Vec<Span>,
    /// Which rules found them.
    pub secret_rules: Vec<Fired>,
    /// What changes in it without meaning.
    pub volatile: Vec<Span>,
    /// Which rules found that.
    pub volatile_rules: Vec<Fired>,
}

impl Transcript {
    /// Reads the bytes of a transcript, escape sequences and all.
    pub fn read(platform: &Platform, bytes: &[u8]) -> Self {
        let (text, pagers) = shown(platform, bytes);
        let mut transcript = Self { greeting: 0, events: Vec::new(), facts: Facts::default() };
        let mut host = None;
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let number = at + 1;
            if let Some((mode, found, command)) = split_prompt(platform, line, host.as_deref()) {
                host = found.or(host);
                steps.push(Step::new(number, mode, host.as_deref(), command));
            } else if platform.is_question(line) {
                transcript.events.push(Event::Question { line: number });
            } else if let Some(step) = steps.last_mut() {
                step.answer.extend_from_slice(line);
                step.answer.push(b'\n');
            } else {
                transcript.greeting += 1;
            }
        }
        steps.iter_mut().for_each(|step| step.look(platform));
        transcript.facts = facts(platform, &steps);
        transcript.events.extend(pagers.into_iter().map(|(line, rule)| Event::Pager { line, rule }));
        transcript.events.extend(steps.into_iter().map(|step| Event::Prompt(Box::new(step))));
        transcript.events.sort_by_key(Event::line);
        transcript
    }
}

/// The answer may hold secrets.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({}: {} {:?}, {} bytes)", self.line, self.mode, self.command, self.answer.len())
    }
}

impl Event {
    /// The line it stood on.
    pub fn line(&self) -> usize {
        match self {
            Self::Pager { line, .. } | Self::Question { line } => *line,
            Self::Prompt(step) => step.line,
        }
    }
}

impl Step {
    fn new(line: usize, mode: &str, host: Option<&[u8]>, command: &[u8]) -> Self {
        Self {
            line,
            mode: mode.to_owned(),
            host: host.map(|host| String::from_utf8_lossy(host).into_owned()),
            command: String::from_utf8_lossy(command).trim().to_owned(),
            part: None,
            rejected: None,
            incomplete: None,
            answer: Vec::new(),
            secrets: Vec::new(),
            secret_rules: Vec::new(),
            volatile: Vec::new(),
            volatile_rules: Vec::new(),
        }
    }

    fn look(&mut self, platform: &Platform) {
        self.rejected = platform.rejection_rule(&self.answer).cloned();
        self.secrets = platform.find_secrets(&self.answer);
        self.secret_rules = platform.explain_secrets(&self.answer);
        self.volatile = platform.find_volatile(&self.answer);
        self.volatile_rules = platform.explain_volatile(&self.answer);
        let brings = |part: &&Part| !part.is_file() && part.commands.contains(&self.command);
        let part = platform.parts.iter().find(brings);
        self.part = part.map(|part| part.name.clone());
        if part.is_none() {
            self.command = platform.redact(self.command.as_bytes());
        }
        self.incomplete =
            part.filter(|_| self.rejected.is_none()).and_then(|part| part.check_complete(&self.answer).err());
    }
}

/// The text as a terminal shows it, without the pager's lines, and where these were.
fn shown(platform: &Platform, bytes: &[u8]) -> (Vec<u8>, Vec<(usize, Arc<Rule>)>) {
    let (mut terminal, mut pagers) = (Terminal::default(), Vec::new());
    // A pager's line is there only until the device or a key takes it away again.
    for piece in bytes.chunk_by(|one, next| one.is_ascii_control() == next.is_ascii_control()) {
        terminal.feed(piece);
        if let Some(rule) = platform.pager_rule(terminal.last_line()) {
            let line = 1 + terminal.lines().iter().filter(|byte| **byte == b'\n').count();
            pagers.push((line, rule.clone()));
            terminal.erase_last_line();
        }
    }
    (terminal.text().to_vec(), pagers)
}

/// Mode and host of a prompt, and what was typed behind it.
type PromptLine<'p, 'l> = (&'p str, Option<Vec<u8>>, &'l [u8]);

/// The mode and host of the prompt with which a line begins, and what was typed behind it.
fn split_prompt<'p, 'l>(
    platform: &'p Platform,
    line: &'l [u8],
    host: Option<&[u8]>,
) -> Option<PromptLine<'p, 'l>> {
    let line = &line[..line.len().min(MAX_LINE)];
    // A blank behind the prompt belongs to it.
    let ends = (1..=line.len()).filter(|&end| !line[end - 1].is_ascii_alphanumeric());
    for end in ends {
        if let Some(prompt) = platform.prompt(&line[..end]) {
            // The same name as before, or it is a line of the answer.
            if host.is_none() || prompt.host.as_deref() == host {
                return Some((prompt.mode, prompt.host, &line[end..]));
            }
        }
    }
    None
}

fn facts(platform: &Platform, steps: &[Step]) -> Facts {
    let texts: Vec<(&str, &[u8])> = steps
        .iter()
        .filter(|step| step.rejected.is_none())
        .filter_map(|step| Some((step.part.as_deref()?, step.answer.as_slice())))
        .collect();
    platform.find_facts(&texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_platform::Platforms;

    const TEXT: &str = "Authorised staff only # really\r\n\r\nr1>enable\r\nPassword: \r\nr1#show version\r\n\
        Cisco IOS Software, Version 15.2(4)M, RELEASE\r\nr1 uptime is 5 weeks\r\n --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\
        System Serial Number : FX1\r\nr1#show nothing\r\n% Invalid input detected at '^' marker.\r\nr1#show running-config\r\n\
        hostname r1\r\nsnmp-server community hunter2 RO\r\nr2#\r\nr1#";

    fn read() -> Transcript {
        let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
        Transcript::read(&platform, TEXT.as_bytes())
    }

    fn steps(transcript: &Transcript) -> Vec<&Step> {
        let steps = transcript.events.iter().filter_map(|event| match event {
            Event::Prompt(step) => Some(step.as_ref()),
            _ => None,
        });
        steps.collect()
    }

    #[test]
    fn prompts_commands_pagers_and_questions_are_found() {
        let transcript = read();
        let commands: Vec<_> =
            steps(&transcript).iter().map(|s| (s.mode.as_str(), s.command.as_str())).collect();
        let expected = ["show version", "show nothing", "show running-config", ""].map(|c| ("privileged", c));
        assert_eq!(commands, [vec![("user", "enable")], expected.to_vec()].concat());
        assert!(steps(&transcript).iter().all(|step| step.host.as_deref() == Some("r1")));
        let pagers = transcript.events.iter().filter(|event| matches!(event, Event::Pager { .. }));
        assert_eq!(pagers.map(Event::line).collect::<Vec<_>>(), [8]);
        assert!(transcript.events.iter().any(|event| matches!(event, Event::Question { line: 4 })));
        assert_eq!(transcript.greeting, 2);
    }

    #[test]
    fn answers_are_judged_like_in_a_session() {
        let transcript = read();
        let steps = steps(&transcript);
        let (version, nothing, config) = (steps[1], steps[2], steps[3]);
        assert_eq!(version.part.as_deref(), Some("version"));
        assert!(!version.answer.windows(4).any(|text| text == b"More"));
        assert!(version.volatile.iter().any(|span| version.answer[span.range()].starts_with(b"r1 uptime")));
        assert!(nothing.rejected.is_some() && nothing.part.is_none());
        assert_eq!(&config.answer[config.secrets[0].range()], b"hunter2");
        assert!(config.incomplete.as_deref().is_some_and(|missing| missing.contains("end")));
        // Another name than the session's: a line of the answer.
        assert!(config.answer.ends_with(b"r2#\n"));
        let typed = Transcript::read(
            &Platforms::shipped().unwrap().get("cisco_ios").unwrap(),
            b"r1#enable secret hunter2\r\nr1#",
        );
        assert!(!format!("{typed:?}").contains("hunter2"), "{typed:?}");
        assert_eq!(transcript.facts.serial_number.as_deref(), Some("FX1"));
    }
}
