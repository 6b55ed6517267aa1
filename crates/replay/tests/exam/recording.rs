//! The files of one recording.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What was recorded from one device; everything is optional.
pub struct Recording {
    pub name: String,
    /// What the recorder calls the family.
    pub model: String,
    pub simulation: Option<Simulation>,
    pub output: Option<String>,
    pub secrets: Lines,
    pub significant: Lines,
    pub prompts: Lines,
}

#[derive(Deserialize)]
pub struct Simulation {
    pub init_prompt: Option<String>,
    commands: Commands,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Commands {
    List(Vec<BTreeMap<String, Option<String>>>),
    Map(BTreeMap<String, Option<String>>),
}

#[derive(Deserialize, Default)]
pub struct Lines {
    #[serde(default)]
    pub pass: Vec<String>,
    #[serde(default)]
    pub pass_with_expect: Vec<String>,
    #[serde(default)]
    pub fail: Vec<String>,
}

/// What was typed, and the bytes that came.
pub struct Exchange {
    pub sent: String,
    pub answer: Vec<u8>,
}

impl Recording {
    /// All recordings of the folder, by name.
    pub fn all(folder: &Path) -> Vec<Self> {
        let files =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: BTreeSet<String> =
            files.filter_map(|file| file.rsplit_once('#').map(|(name, _)| name.to_owned())).collect();
        names.into_iter().map(|name| Self::load(folder, name)).collect()
    }

    fn load(folder: &Path, name: String) -> Self {
        let read = |kind: &str| std::fs::read_to_string(folder.join(format!("{name}#{kind}"))).ok();
        let lines = |kind: &str| {
            let text = read(kind)?;
            Some(serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}#{kind}: {error}")))
        };
        let simulation = read("simulation.yaml").or_else(|| read("custom_simulation.yaml"));
        let parse = |text: String| {
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}#simulation: {error}"))
        };
        Self {
            model: name.split('#').next().unwrap().to_owned(),
            simulation: simulation.map(parse),
            output: read("output.txt"),
            secrets: lines("secret.yaml").unwrap_or_default(),
            significant: lines("significant_changes.yaml").unwrap_or_default(),
            prompts: lines("prompt.yaml").unwrap_or_default(),
            name,
        }
    }
}

impl Simulation {
    pub fn exchanges(&self) -> Vec<Exchange> {
        let pairs: Vec<_> = match &self.commands {
            Commands::List(list) => list.iter().flatten().collect(),
            Commands::Map(map) => map.iter().collect(),
        };
        let exchange = |(sent, answer): (&String, &Option<String>)| Exchange {
            sent: sent.clone(),
            answer: wire(answer.as_deref().unwrap_or_default()),
        };
        pairs.into_iter().map(exchange).collect()
    }
}

/// The bytes on the wire: escapes undone, line ends as a terminal shows them.
pub fn wire(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match (c, escaped) {
            ('\n', _) => bytes.extend_from_slice(b"\r\n"),
            (_, Some('e')) => bytes.push(0x1b),
            (_, Some('r')) => bytes.push(b'\r'),
            (_, Some('n')) => bytes.push(b'\n'),
            (_, Some('t')) => bytes.push(b'\t'),
            (_, Some('b')) => bytes.push(8),
            (_, Some('a')) => bytes.push(7),
            (_, Some('f')) => bytes.push(12),
            (_, Some('v')) => bytes.push(11),
            (_, Some('x')) => bytes.push(u8::try_from(hex(&mut chars, 2)).unwrap()),
            (_, Some('u')) => push(&mut bytes, char::from_u32(hex(&mut chars, 4)).unwrap()),
            (_, Some(other)) => push(&mut bytes, other),
            (c, None) => push(&mut bytes, c),
        }
    }
    bytes
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> u32 {
    let text: String = chars.take(digits).collect();
    u32::from_str_radix(&text, 16).unwrap_or_else(|_| panic!("escape with {text:?}"))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
