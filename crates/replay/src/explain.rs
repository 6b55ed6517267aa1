//! Messages that say what was expected and what was found.

use netraven_model::diff::{Line, Side, unified};

/// Lines of a diff that are shown.
const SHOWN: usize = 24;

/// The changed lines of two texts, with a line of context.
pub(crate) fn difference(before: &str, after: &str) -> String {
    let hunks = unified(Side::plain(before), Side::plain(after), 1);
    let mut lines: Vec<String> = Vec::new();
    for hunk in &hunks {
        lines.push(format!("@@ line {} @@", hunk.new_start));
        lines.extend(hunk.lines.iter().map(|line| match line {
            Line::Same(text) => format!("  {text}"),
            Line::Removed(text) => format!("- {text}"),
            Line::Added(text) => format!("+ {text}"),
        }));
    }
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("... {more} more lines"));
    }
    lines.join("\n")
}

/// How many lines were removed and added.
pub(crate) fn changed_lines(before: &str, after: &str) -> (usize, usize) {
    let hunks = unified(Side::plain(before), Side::plain(after), 0);
    let (added, removed) = netraven_model::diff::counts(&hunks);
    (removed, added)
}

/// The line of `text` that looks most like `wanted`, with its number from 1.
pub(crate) fn closest<'a>(text: &'a str, wanted: &str) -> Option<(usize, &'a str)> {
    let likeness = |line: &str| {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (have, want) = (words(line), words(wanted));
        let common = want.iter().filter(|word| have.contains(word)).count();
        // Of two lines with the same words the one with fewer others is closer.
        (common * 1000).saturating_sub(have.len())
    };
    let best = text.lines().enumerate().max_by_key(|(at, line)| (likeness(line), usize::MAX - at))?;
    (likeness(best.1) >= 900).then_some((best.0 + 1, best.1))
}

/// Indents every line.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_line_shares_the_most_words() {
        let text = "interface Gi1\nhostname r1\nip route 10.0.0.0 255.0.0.0 192.0.2.9\n";
        let found = closest(text, "ip route 10.0.0.0 255.0.0.0 192.0.2.1");
        assert_eq!(found, Some((3, "ip route 10.0.0.0 255.0.0.0 192.0.2.9")));
        assert_eq!(closest(text, "nothing alike"), None);
    }

    #[test]
    fn a_difference_is_short_and_says_where() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "@@ line 1 @@\n  a\n- b\n+ x\n  c");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert!(difference("", &many).ends_with("... 77 more lines"), "{}", difference("", &many));
        assert_eq!(changed_lines("a\nb\nc\n", "a\nx\ny\nc\n"), (1, 2));
    }
}
