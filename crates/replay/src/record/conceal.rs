//! Replaces secrets, and where wanted names and addresses, by what a session file may show.

use super::addresses::Addresses;
use super::fake::{Inventor, kind};
use netraven_model::Span;
use netraven_platform::Platform;
use std::collections::BTreeMap;
use std::ops::Range;

/// Shorter values stand in ordinary text by chance: they are replaced where a rule found them, nowhere else.
const LEAST_ELSEWHERE: usize = 8;
/// An expected secret must not be found by chance in other text.
const LEAST_EXPECTED: usize = 6;

/// Shorter values are no secrets, and the general net sometimes takes a number of a format for one.
const LEAST: usize = 3;
/// Words that the general net takes for a secret because of the number in front of them.
const WORDS: &[&str] = &[
    "md5",
    "sha",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "encrypted",
    "ascii-text",
    "hash",
    "plain",
];

/// What is replaced by what.
pub(super) struct Concealer<'a> {
    platform: &'a Platform,
    inventor: Inventor,
    /// Values of secrets, and what stands in their places.
    secrets: BTreeMap<String, String>,
    /// Words, and what stands in their places.
    names: Vec<(String, String)>,
    addresses: Option<Addresses>,
}

impl<'a> Concealer<'a> {
    pub(super) fn new(
        platform: &'a Platform,
        mut inventor: Inventor,
        names: Vec<(String, String)>,
        anonymise: bool,
    ) -> Self {
        let addresses = anonymise.then(|| Addresses::new(&mut inventor));
        Self { platform, inventor, secrets: BTreeMap::new(), names, addresses }
    }

    /// Remembers the secrets of a text: they may stand in other texts, too.
    pub(super) fn learn(&mut self, text: &str) {
        for range in self.spans(text) {
            let value = &text[range.clone()];
            if self.secrets.contains_key(value) {
                continue;
            }
            let line = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
            let kind = kind(value, &text[line..range.start]);
            let kind = if value.contains('\n') { Some("plain") } else { kind };
            let fake = match kind {
                Some(kind) => format!("{{{{{kind}:s{}}}}}", self.secrets.len() + 1),
                None => escape(&self.inventor.like(value)),
            };
            self.secrets.insert(value.to_owned(), fake);
        }
    }

    /// The text as a session file may show it, and the secrets that it must not show when it is stored.
    pub(super) fn text(&self, text: &str) -> (String, Vec<String>) {
        let (mut shown, mut hidden, mut at) = (String::new(), Vec::new(), 0);
        for range in self.spans(text) {
            shown.push_str(&self.literal(&text[at..range.start]));
            if let Some(fake) = self.secrets.get(&text[range.clone()]) {
                shown.push_str(fake);
                if range.len() >= LEAST_EXPECTED && !hidden.contains(fake) {
                    hidden.push(fake.clone());
                }
            }
            at = range.end;
        }
        shown.push_str(&self.literal(&text[at..]));
        (shown, hidden)
    }

    /// A text in which no rule found a secret.
    pub(super) fn literal(&self, text: &str) -> String {
        let mut found: Vec<(Range<usize>, String)> = Vec::new();
        for (value, fake) in self.secrets.iter().filter(|(value, _)| value.len() >= LEAST_ELSEWHERE) {
            found.extend(
                text.match_indices(value.as_str()).map(|(at, _)| (at..at + value.len(), fake.clone())),
            );
        }
        for (name, put) in &self.names {
            let hits = text.match_indices(name.as_str()).map(|(at, _)| at..at + name.len());
            let words = hits.filter(|range| is_unmistakable(name) || is_word(text, range));
            found.extend(words.map(|range| (range, put.clone())));
        }
        found.extend(self.addresses.iter().flat_map(|addresses| addresses.find(text)));
        // What was found first counts where two overlap.
        let (mut shown, mut taken): (String, Vec<(Range<usize>, String)>) = (String::new(), Vec::new());
        for (range, name) in found {
            if taken.iter().all(|(other, _)| range.end <= other.start || other.end <= range.start) {
                taken.push((range, name));
            }
        }
        taken.sort_by_key(|(range, _)| range.start);
        let mut at = 0;
        for (range, name) in taken {
            shown.push_str(&escape(&text[at..range.start]));
            shown.push_str(&name);
            at = range.end;
        }
        shown.push_str(&escape(&text[at..]));
        shown
    }

    /// The secrets without the blanks and line ends around them.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let trimmed = |span: Span| {
            let start = (span.start..=span.end).find(|at| text.is_char_boundary(*at))?;
            let end = (start..=span.end).rev().find(|at| text.is_char_boundary(*at))?;
            let value = &text[start..end];
            let start = start + value.len() - value.trim_start().len();
            let end = start + value.trim().len();
            let value = text.get(start..end)?;
            (value.len() >= LEAST && !WORDS.contains(&value)).then_some(start..end)
        };
        self.platform.find_secrets(text.as_bytes()).into_iter().filter_map(trimmed).collect()
    }
}

/// Two opening braces begin a placeholder.
pub(super) fn escape(text: &str) -> String {
    text.replace("{{", "{{braces}}")
}

/// Whether a name is no ordinary word, so that it may be replaced also where it is glued to other text.
fn is_unmistakable(name: &str) -> bool {
    name.len() >= 6 && name.contains(char::is_alphabetic) && !name.chars().all(char::is_alphabetic)
}

/// Whether a name stands alone: not inside a longer word.
fn is_word(text: &str, range: &Range<usize>) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
    !inside(text[..range.start].chars().next_back()) && !inside(text[range.end..].chars().next())
}
