//! A device that answers as the recorded one did.

use crate::recording::{Exchange, Simulation};
use netraven_model::PartKind;
use netraven_platform::{Platform, Terminal};

/// Prompts for recordings that have none, because they were made over SSH's exec channel.
const PROMPTS: &[&str] = &[
    "admin@host> ",
    "[admin@host] > ",
    "[2.7.2-RELEASE][admin@host.example]/root: ",
    "host# ",
    "host> ",
    "admin@host:~$ ",
];
/// What families say to a command that they do not know.
const REFUSALS: &[&str] = &[
    "% Invalid input detected at '^' marker.",
    "Invalid input: x",
    "% Unknown command.",
    "Unknown command",
    "unknown command.",
    "syntax error, expecting <command>.",
    "Error: Unrecognized command found at '^' position.",
    "Error: Bad command",
    "bad command name x (line 1 column 1)",
    "-bash: x: command not found",
    "x: Command not found.",
    "Unknown action 0\r\nCommand fail. Return code -1",
    "command parse error before 'x'\r\nCommand fail. Return code -61",
    "Invalid command",
    "SYNTAX ERROR: illegal command",
];

pub struct RecordedDevice {
    exchanges: Vec<Exchange>,
    /// Behind the exchange that was played last.
    at: usize,
    prompt: Vec<u8>,
    greeting: Vec<u8>,
    /// Made over the exec channel: neither echo nor prompt are in it.
    bare: bool,
    refusal: Option<&'static str>,
    /// What was asked and is in the recording, with the recorded answer.
    pub known: Vec<(String, Vec<u8>)>,
    /// What was asked and is not.
    pub unknown: Vec<String>,
    /// What was answered with a longer or shorter command's answer.
    pub loosely: Vec<String>,
}

impl RecordedDevice {
    pub fn new(simulation: &Simulation, platform: &Platform) -> Option<Self> {
        let greeting = crate::recording::wire(simulation.init_prompt.as_deref().unwrap_or_default());
        let exchanges = simulation.exchanges();
        let is_prompt = |text: &[u8]| platform.prompt(&clean(&last_line(text))).is_some();
        let bare = !exchanges.iter().any(|exchange| is_prompt(&exchange.answer));
        let (prompt, greeting) = match is_prompt(&greeting) {
            true => (last_line(&greeting), greeting),
            false if !bare || !greeting.is_empty() => return None,
            false => {
                let prompt = PROMPTS.iter().find(|prompt| is_prompt(prompt.as_bytes()))?.as_bytes().to_vec();
                (prompt.clone(), [b"\r\n", &prompt[..]].concat())
            }
        };
        let refusal = REFUSALS.iter().find(|text| platform.is_rejection(format!("{text}\n").as_bytes()));
        let (known, unknown, loosely) = (Vec::new(), Vec::new(), Vec::new());
        let refusal = refusal.copied();
        Some(Self { exchanges, at: 0, prompt, greeting, bare, refusal, known, unknown, loosely })
    }

    pub fn greeting(&self) -> Vec<u8> {
        self.greeting.clone()
    }

    /// What comes when this is typed.
    pub fn answer(&mut self, sent: &[u8], platform: &Platform) -> Vec<u8> {
        let line = String::from_utf8_lossy(sent).trim_end_matches(['\r', '\n']).to_owned();
        if line.trim().is_empty() {
            return self.key(&line, platform);
        }
        let order = (self.at..self.exchanges.len()).chain(0..self.at);
        let typed = |at: usize| self.exchanges[at].sent.trim_end_matches(['\r', '\n']);
        let same = order.clone().find(|&at| typed(at) == line);
        let same = same.or_else(|| order.clone().find(|&at| base(typed(at)) == base(&line)));
        let found = same.or_else(|| order.clone().find(|&at| extends(typed(at), &line)));
        if same.is_none() && found.is_some() {
            self.loosely.push(line.clone());
        }
        let Some(at) = found else {
            self.unknown.push(line.clone());
            // A state that must be there was not recorded: the configuration is worth more than a refusal.
            let needed = platform.parts.iter().any(|part| {
                part.kind == PartKind::State && !part.optional && part.commands.last() == Some(&line)
            });
            let refusal = self.refusal.filter(|_| !needed).unwrap_or_default();
            return [line.as_bytes(), b"\r\n", refusal.as_bytes(), b"\r\n", &self.prompt].concat();
        };
        self.at = at + 1;
        let recorded = self.exchanges[at].answer.clone();
        self.known.push((line.clone(), recorded.clone()));
        if self.bare {
            return [line.as_bytes(), b"\r\n", &recorded, b"\r\n", &self.prompt].concat();
        }
        // The echo is of what was typed then.
        let typed = self.exchanges[at].sent.trim_end_matches(['\r', '\n']).as_bytes();
        let behind = recorded.strip_prefix(typed);
        let answer = behind.map_or_else(|| recorded.clone(), |rest| [line.as_bytes(), rest].concat());
        self.with_prompt(answer, platform)
    }

    fn key(&mut self, key: &str, platform: &Platform) -> Vec<u8> {
        match self.exchanges.get(self.at) {
            Some(next) if next.sent.trim().is_empty() => {
                self.at += 1;
                let more = next.answer.clone();
                if let Some((_, answer)) = self.known.last_mut() {
                    answer.extend_from_slice(&more);
                }
                self.with_prompt(more, platform)
            }
            _ => {
                self.unknown.push(format!("key {key:?}"));
                [b"\r\n", &self.prompt[..]].concat()
            }
        }
    }

    /// In some recordings the name in the prompt was made anonymous in several ways; here it stays the first one.
    fn with_prompt(&mut self, answer: Vec<u8>, platform: &Platform) -> Vec<u8> {
        let line = last_line(&answer);
        let Some(prompt) = platform.prompt(&clean(&line)) else { return answer };
        let first = platform.prompt(&clean(&self.prompt)).and_then(|first| first.host);
        match (prompt.host, first) {
            (Some(now), Some(first)) if now != first => {
                let text = String::from_utf8_lossy(&line);
                let (now, first) = (String::from_utf8_lossy(&now), String::from_utf8_lossy(&first));
                let mended = text.replacen(now.as_ref(), &first, 1);
                self.prompt = mended.clone().into_bytes();
                [&answer[..answer.len() - line.len()], mended.as_bytes()].concat()
            }
            _ => {
                self.prompt = line;
                answer
            }
        }
    }
}

/// The command without what filters its output.
fn base(command: &str) -> &str {
    command.split(" |").next().unwrap_or(command).trim()
}

/// Whether one command is the other with more words.
fn extends(one: &str, other: &str) -> bool {
    let (one, other) = (base(one), base(other));
    let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with(' '));
    begins(one, other) || begins(other, one)
}

fn last_line(text: &[u8]) -> Vec<u8> {
    text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
}

/// A line as a terminal shows it.
pub fn clean(line: &[u8]) -> Vec<u8> {
    let mut terminal = Terminal::default();
    terminal.feed(line);
    terminal.last_line().to_vec()
}
