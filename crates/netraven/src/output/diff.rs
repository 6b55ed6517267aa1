//! Unified diffs of parts, volatile text counting as equal.

use super::format::{BOLD, CYAN, GREEN, RED, paint};
use netraven_model::diff::{Hunk, Line, Side, counts, unified};
use netraven_model::{PartKind, Span};
use netraven_seal::{Fingerprint, markers, shorten};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One part of a version, as far as a diff needs it.
#[derive(Clone, Debug)]
pub struct Text {
    /// Name of the part.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// The text people read.
    shown: String,
    /// The same with volatile text replaced.
    masked: String,
    /// Secrets in volatile text: the device shows them differently each time.
    salted: BTreeSet<Fingerprint>,
}

impl Text {
    /// A part's content with its volatile spans. Bytes that are no UTF-8 are replaced.
    pub fn new(name: &str, kind: PartKind, content: &[u8], volatile: &[Span]) -> Self {
        let shown = String::from_utf8_lossy(content).into_owned();
        let is_volatile =
            |secret: &Span| volatile.iter().any(|span| span.start <= secret.start && secret.end <= span.end);
        let salted = markers(content).filter(|(span, _)| is_volatile(span));
        let salted = salted.map(|(_, fingerprint)| fingerprint).collect();
        let masked = String::from_utf8_lossy(&mask(content, volatile)).into_owned();
        Self { name: name.to_owned(), kind, shown, masked, salted }
    }

    fn empty(name: &str, kind: PartKind) -> Self {
        Self::new(name, kind, b"", &[])
    }

    fn side(&self) -> Side<'_> {
        Side { shown: &self.shown, masked: &self.masked }
    }
}

/// The changes of one part.
#[derive(Debug)]
pub struct PartDiff<'a> {
    name: &'a str,
    kind: PartKind,
    binary_changed: bool,
    hunks: Vec<Hunk<'a>>,
}

/// Compares parts by their names. A part that is only on one side is compared with nothing; parts without a
/// meaningful change are left out.
pub fn compare<'a>(pairs: &'a [(Text, Text)], context: usize) -> Vec<PartDiff<'a>> {
    pairs
        .iter()
        .map(|(old, new)| {
            let binary = new.kind == PartKind::Binary || old.kind == PartKind::Binary;
            PartDiff {
                name: &new.name,
                kind: new.kind,
                binary_changed: binary && old.masked != new.masked,
                hunks: if binary { Vec::new() } else { unified(old.side(), new.side(), context) },
            }
        })
        .filter(|part| part.binary_changed || !part.hunks.is_empty())
        .collect()
}

/// Puts the parts of two versions beside each other: those of the new one in order, then those that are gone.
pub fn pair(old: Vec<Text>, new: Vec<Text>) -> Vec<(Text, Text)> {
    let mut old: Vec<Option<Text>> = old.into_iter().map(Some).collect();
    let mut pairs = Vec::new();
    for text in new {
        let same = old.iter_mut().find(|slot| slot.as_ref().is_some_and(|other| other.name == text.name));
        let before = same.and_then(Option::take).unwrap_or_else(|| Text::empty(&text.name, text.kind));
        pairs.push((before, text));
    }
    pairs.extend(old.into_iter().flatten().map(|gone| {
        let nothing = Text::empty(&gone.name, gone.kind);
        (gone, nothing)
    }));
    pairs
}

/// How many secrets read differently although the device may only have encrypted the same ones anew.
pub fn unknown(pairs: &[(Text, Text)]) -> usize {
    pairs.iter().map(|(old, new)| new.salted.difference(&old.salted).count()).sum()
}

/// The diff as text; `from` and `to` name the versions.
pub fn render(parts: &[PartDiff<'_>], from: &str, to: &str, colour: bool) -> String {
    let painted = |tint: &str, text: String| if colour { paint(tint, &text) } else { text };
    let mut lines = Vec::new();
    for part in parts {
        lines.push(painted(BOLD, format!("--- {} {from}", part.name)));
        lines.push(painted(BOLD, format!("+++ {} {to}", part.name)));
        if part.binary_changed {
            lines.push("binary content differs".to_owned());
        }
        for hunk in &part.hunks {
            let Hunk { old_start, old_lines, new_start, new_lines, .. } = hunk;
            lines.push(painted(CYAN, format!("@@ -{old_start},{old_lines} +{new_start},{new_lines} @@")));
            lines.extend(hunk.lines.iter().map(|line| match line {
                Line::Same(text) => format!(" {}", short(text)),
                Line::Removed(text) => painted(RED, format!("-{}", short(text))),
                Line::Added(text) => painted(GREEN, format!("+{}", short(text))),
            }));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn short(line: &str) -> String {
    String::from_utf8_lossy(&shorten(line.as_bytes())).into_owned()
}

/// The diff as JSON: per part its name, kind, number of lines and hunks.
pub fn to_json(parts: &[PartDiff<'_>]) -> Value {
    parts
        .iter()
        .map(|part| {
            let (added, removed) = counts(&part.hunks);
            let hunks: Vec<Value> = part.hunks.iter().map(hunk_json).collect();
            json!({
                "part": part.name, "kind": part.kind, "binary_changed": part.binary_changed,
                "lines_added": added, "lines_removed": removed, "hunks": hunks,
            })
        })
        .collect()
}

/// Lines added and removed in all parts together.
pub fn totals(parts: &[PartDiff<'_>]) -> (usize, usize) {
    parts.iter().map(|part| counts(&part.hunks)).fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1))
}

fn hunk_json(hunk: &Hunk<'_>) -> Value {
    let lines: Vec<Value> = hunk
        .lines
        .iter()
        .map(|line| match line {
            Line::Same(text) => json!({"change": "same", "text": text}),
            Line::Removed(text) => json!({"change": "removed", "text": text}),
            Line::Added(text) => json!({"change": "added", "text": text}),
        })
        .collect();
    json!({
        "old_start": hunk.old_start, "old_lines": hunk.old_lines,
        "new_start": hunk.new_start, "new_lines": hunk.new_lines, "lines": lines,
    })
}

/// The content with one `*` for each volatile span; line ends inside a span stay, so that both texts have the
/// same lines.
fn mask(content: &[u8], volatile: &[Span]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(content.len());
    let mut at = 0;
    for span in volatile {
        let (start, end) = (span.start.clamp(at, content.len()), span.end.clamp(at, content.len()));
        masked.extend_from_slice(&content[at..start]);
        masked.push(b'*');
        masked.extend(content[start..end].iter().filter(|byte| **byte == b'\n'));
        at = end.max(start);
    }
    masked.extend_from_slice(&content[at..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(text: &str, volatile: &[Span]) -> Text {
        Text::new("running-config", PartKind::Config, text.as_bytes(), volatile)
    }

    fn diff(old: Text, new: Text) -> String {
        render(&compare(&pair(vec![old], vec![new]), 3), "version 1", "version 2", false)
    }

    #[test]
    fn a_change_is_shown_as_diff_dash_u_does() {
        let old = "hostname r1\n!\ninterface Gi0/1\n description uplink\n!\nend\n";
        let new = "hostname r1\n!\ninterface Gi0/1\n description uplink to core\n shutdown\n!\nend\n";
        insta::assert_snapshot!(diff(config(old, &[]), config(new, &[])));
        let pairs = pair(vec![config(old, &[])], vec![config(new, &[])]);
        let coloured = render(&compare(&pairs, 1), "a", "b", true);
        insta::assert_snapshot!(coloured.replace('\x1b', "<ESC>"));
    }

    #[test]
    fn volatile_text_is_no_change_even_when_its_length_differs() {
        let old = config("! up 1 day\nhostname r1\n", &[Span { start: 5, end: 10 }]);
        let new = config("! up 12 weeks\nhostname r1\n", &[Span { start: 5, end: 13 }]);
        assert_eq!(diff(old, new), "");
    }

    #[test]
    fn parts_that_come_and_go_are_compared_with_nothing() {
        let part = |name: &str| Text::new(name, PartKind::State, b"x\n", &[]);
        let pairs = pair(vec![part("gone"), part("kept")], vec![part("kept"), part("new")]);
        let names: Vec<_> = compare(&pairs, 3).iter().map(|part| part.name).collect();
        assert_eq!(names, ["new", "gone"]);
        assert_eq!(totals(&compare(&pairs, 3)), (1, 1));
    }

    #[test]
    fn binary_parts_only_say_that_they_differ() {
        let part = |content: &[u8]| Text::new("archive", PartKind::Binary, content, &[]);
        assert!(diff(part(b"\x00\x01"), part(b"\x00\x02")).ends_with("binary content differs\n"));
        assert_eq!(diff(part(b"\x00"), part(b"\x00")), "");
    }

    #[test]
    fn json_counts_the_lines() {
        let pairs = pair(vec![config("a\nb\n", &[])], vec![config("a\nc\nd\n", &[])]);
        let json = to_json(&compare(&pairs, 3));
        assert_eq!((&json[0]["lines_added"], &json[0]["lines_removed"]), (&json!(2), &json!(1)));
        assert_eq!(json[0]["hunks"][0]["lines"][1], json!({"change": "removed", "text": "b"}));
    }

    proptest! {
        #[test]
        fn masking_keeps_the_number_of_lines(
            content in "[ab\n]{0,60}",
            raw in proptest::collection::vec((0usize..80, 0usize..10), 0..6),
        ) {
            let spans = Span::merge(raw.into_iter().map(|(start, len)| Span { start, end: start + len }).collect());
            let masked = mask(content.as_bytes(), &spans);
            let ends = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(ends(&masked), ends(content.as_bytes()));
        }
    }
}
