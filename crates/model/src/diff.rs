//! Unified diffs between two texts, in which volatile text counts as equal.

use imara_diff::{Algorithm, Diff, InternedInput};

/// One line of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// In both texts (shown as the new one has it).
    Same(&'a str),
    /// Only in the old text.
    Removed(&'a str),
    /// Only in the new text.
    Added(&'a str),
}

/// A run of changes with the lines around it. Line numbers count from 1, as in `diff -u`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// First line in the old text.
    pub old_start: usize,
    /// Number of old lines.
    pub old_lines: usize,
    /// First line in the new text.
    pub new_start: usize,
    /// Number of new lines.
    pub new_lines: usize,
    /// The lines, in order.
    pub lines: Vec<Line<'a>>,
}

/// A text to compare: what is shown, and the same text with volatile spans masked.
///
/// Both must have the same number of lines; masking never removes a line end.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The text people read.
    pub shown: &'a str,
    /// The text that is compared.
    pub masked: &'a str,
}

impl<'a> Side<'a> {
    /// A text in which nothing is volatile.
    pub fn plain(text: &'a str) -> Self {
        Self { shown: text, masked: text }
    }
}

/// Compares two texts by lines (histogram algorithm) with `context` equal lines around each change.
pub fn unified<'a>(old: Side<'a>, new: Side<'a>, context: usize) -> Vec<Hunk<'a>> {
    let input = InternedInput::new(old.masked, new.masked);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let old_lines: Vec<&str> = old.shown.lines().collect();
    let new_lines: Vec<&str> = new.shown.lines().collect();
    let mut hunks: Vec<Hunk<'a>> = Vec::new();
    // Where the open hunk's next line stands in each text (0-based).
    let mut at = (0, 0);
    for change in diff.hunks() {
        let (removed, added) =
            (range(&change.before, old_lines.len()), range(&change.after, new_lines.len()));
        let joins = !hunks.is_empty() && removed.start.saturating_sub(at.0) <= 2 * context;
        if let (true, Some(hunk)) = (joins, hunks.last_mut()) {
            hunk.lines.extend(new_lines[at.1..added.start].iter().map(|l| Line::Same(l)));
        } else {
            if let Some(hunk) = hunks.last_mut() {
                close(hunk, &new_lines[at.1..], context);
            }
            let lead = context.min(added.start).min(removed.start);
            hunks.push(Hunk {
                old_start: removed.start - lead + 1,
                old_lines: 0,
                new_start: added.start - lead + 1,
                new_lines: 0,
                lines: new_lines[added.start - lead..added.start].iter().map(|l| Line::Same(l)).collect(),
            });
        }
        if let Some(hunk) = hunks.last_mut() {
            hunk.lines.extend(old_lines[removed.clone()].iter().map(|l| Line::Removed(l)));
            hunk.lines.extend(new_lines[added.clone()].iter().map(|l| Line::Added(l)));
        }
        at = (removed.end, added.end);
    }
    if let Some(hunk) = hunks.last_mut() {
        close(hunk, &new_lines[at.1..], context);
    }
    for hunk in &mut hunks {
        hunk.old_lines = hunk.lines.iter().filter(|l| !matches!(l, Line::Added(_))).count();
        hunk.new_lines = hunk.lines.iter().filter(|l| !matches!(l, Line::Removed(_))).count();
        // A side without lines is numbered by the line before it, as diff -u does.
        hunk.old_start -= usize::from(hunk.old_lines == 0);
        hunk.new_start -= usize::from(hunk.new_lines == 0);
    }
    hunks
}

/// Lines added and removed in all hunks together.
pub fn counts(hunks: &[Hunk<'_>]) -> (usize, usize) {
    let lines = || hunks.iter().flat_map(|hunk| &hunk.lines);
    (
        lines().filter(|l| matches!(l, Line::Added(_))).count(),
        lines().filter(|l| matches!(l, Line::Removed(_))).count(),
    )
}

fn close<'a>(hunk: &mut Hunk<'a>, following: &[&'a str], context: usize) {
    hunk.lines.extend(following.iter().take(context).map(|l| Line::Same(l)));
}

/// The interner sees a last line without line end as a line of its own, as `str::lines` does.
fn range(lines: &std::ops::Range<u32>, limit: usize) -> std::ops::Range<usize> {
    (lines.start as usize).min(limit)..(lines.end as usize).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(hunks: &[Hunk<'_>]) -> String {
        let mut text = String::new();
        for hunk in hunks {
            text += &format!(
                "@@ -{},{} +{},{} @@\n",
                hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines
            );
            for line in &hunk.lines {
                text += &match line {
                    Line::Same(l) => format!(" {l}\n"),
                    Line::Removed(l) => format!("-{l}\n"),
                    Line::Added(l) => format!("+{l}\n"),
                };
            }
        }
        text
    }

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        let old = "a\nb\nc\nd\ne\nf\ng\n";
        let new = "a\nb\nc\nD\ne\nf\ng\nh\n";
        let hunks = unified(Side::plain(old), Side::plain(new), 1);
        assert_eq!(render(&hunks), "@@ -3,3 +3,3 @@\n c\n-d\n+D\n e\n@@ -7,1 +7,2 @@\n g\n+h\n");
        assert_eq!(counts(&hunks), (2, 1));
    }

    #[test]
    fn equal_texts_and_volatile_lines_have_no_diff() {
        assert!(unified(Side::plain("x\ny\n"), Side::plain("x\ny\n"), 3).is_empty());
        let old = Side { shown: "up 1 day\nx\n", masked: "up *\nx\n" };
        let new = Side { shown: "up 2 days\nx\n", masked: "up *\nx\n" };
        assert!(unified(old, new, 3).is_empty());
    }

    #[test]
    fn everything_new_and_everything_gone() {
        assert_eq!(render(&unified(Side::plain(""), Side::plain("a\nb"), 3)), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(render(&unified(Side::plain("a\n"), Side::plain(""), 3)), "@@ -1,1 +0,0 @@\n-a\n");
    }

    /// Applies a diff to the old text: what a person does who trusts it.
    fn apply(old: &str, hunks: &[Hunk<'_>]) -> String {
        let old: Vec<&str> = old.lines().collect();
        let (mut out, mut at) = (Vec::new(), 0);
        for hunk in hunks {
            let start = if hunk.old_lines == 0 { hunk.old_start } else { hunk.old_start - 1 };
            out.extend_from_slice(&old[at..start]);
            at = start + hunk.old_lines;
            out.extend(hunk.lines.iter().filter_map(|line| match line {
                Line::Same(l) | Line::Added(l) => Some(*l),
                Line::Removed(_) => None,
            }));
        }
        out.extend_from_slice(&old[at..]);
        out.join("\n")
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_the_old_text_gives_the_new_one(
            old in proptest::collection::vec("[abc]", 0..40),
            new in proptest::collection::vec("[abc]", 0..40),
            context in 0usize..4,
        ) {
            let (old, new) = (old.join("\n"), new.join("\n"));
            let hunks = unified(Side::plain(&old), Side::plain(&new), context);
            prop_assert_eq!(apply(&old, &hunks), new);
        }
    }
}
