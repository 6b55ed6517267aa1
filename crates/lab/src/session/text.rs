//! Texts with placeholders: parsed once at load, so that a typing error is found then.

use super::placeholder::{Placeholder, Scope};
use bytes::Bytes;

/// What a text is made of, in order.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Sent as it is; line ends are CR LF already.
    Literal(Bytes),
    /// Filled in for each device and moment.
    Value(Placeholder),
    /// A line that operators change: the number of the change in the session file.
    Change(usize),
}

/// A text of a session file.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) pieces: Vec<Piece>,
}

/// A placeholder that the text may not contain, and the line (from 1) it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPlaceholder {
    pub(crate) line: u64,
    pub(crate) name: String,
}

impl Text {
    /// Parses `source`, whose lines end in LF; on the wire they end in CR LF.
    pub(crate) fn parse(source: &str, scope: Scope) -> Result<Self, BadPlaceholder> {
        let mut pieces = Vec::new();
        let mut rest = source;
        while let Some(start) = rest.find("{{") {
            let line = 1 + newlines(source) - newlines(&rest[start..]);
            let inside = &rest[start + 2..];
            let bad = |name: &str| BadPlaceholder { line, name: name.trim().to_string() };
            let first_line = inside.lines().next().unwrap_or_default();
            let end = first_line.find("}}").ok_or_else(|| bad(first_line))?;
            let name = &inside[..end];
            let placeholder = Placeholder::parse(name.trim(), scope).ok_or_else(|| bad(name))?;
            push_literal(&mut pieces, &rest[..start]);
            rest = &inside[end + 2..];
            if placeholder == Placeholder::Filler {
                // The filler brings its own line ends.
                rest = rest.strip_prefix('\n').unwrap_or(rest);
            }
            pieces.push(Piece::Value(placeholder));
        }
        push_literal(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// Parses a text in which the lines equal to one of `lines` are change points. The second value counts, per
    /// line, how often it was found.
    pub(crate) fn parse_with_changes(
        source: &str,
        scope: Scope,
        lines: &[(usize, &str)],
    ) -> Result<(Self, Vec<usize>), BadPlaceholder> {
        let mut text = Self::default();
        let mut found = vec![0; lines.len()];
        let mut from = 0;
        let mut at = 0;
        for line in source.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let Some(which) = lines.iter().position(|(_, wanted)| *wanted == line.trim_end_matches('\n'))
            else {
                continue;
            };
            found[which] += 1;
            text.append(source, from..start, scope)?;
            text.pieces.push(Piece::Change(lines[which].0));
            from = start + line.trim_end_matches('\n').len();
        }
        text.append(source, from..source.len(), scope)?;
        Ok((text, found))
    }

    fn append(
        &mut self,
        source: &str,
        range: std::ops::Range<usize>,
        scope: Scope,
    ) -> Result<(), BadPlaceholder> {
        let before = newlines(&source[..range.start]);
        let parsed = Self::parse(&source[range], scope)
            .map_err(|bad| BadPlaceholder { line: bad.line + before, ..bad })?;
        self.pieces.extend(parsed.pieces);
        Ok(())
    }

    /// Bytes of the fixed parts: about how long the text is without its filler.
    pub(crate) fn literal_len(&self) -> usize {
        self.pieces.iter().map(|piece| if let Piece::Literal(bytes) = piece { bytes.len() } else { 12 }).sum()
    }

    /// Whether the text has a place for filler.
    pub(crate) fn has_filler(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(Placeholder::Filler)))
    }
}

fn newlines(text: &str) -> u64 {
    text.bytes().filter(|&byte| byte == b'\n').count() as u64
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        // Recordings may have CR LF already.
        pieces.push(Piece::Literal(text.replace("\r\n", "\n").replace('\n', "\r\n").into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_placeholder_is_named_with_its_line() {
        let error = Text::parse("hostname {{hostname}}\n!\nsnmp {{community}}\n", Scope::Text).unwrap_err();
        assert_eq!(error, BadPlaceholder { line: 3, name: "community".into() });
    }

    #[test]
    fn an_unclosed_placeholder_is_an_error() {
        let error = Text::parse("one\nhostname {{hostname\n}}\n", Scope::Text).unwrap_err();
        assert_eq!((error.line, error.name.as_str()), (2, "hostname"));
    }

    #[test]
    fn line_ends_become_cr_lf_once() {
        let text = Text::parse("a\nb\r\nc", Scope::Text).unwrap();
        assert!(matches!(&text.pieces[..], [Piece::Literal(bytes)] if bytes == "a\r\nb\r\nc"));
    }

    #[test]
    fn change_points_are_whole_lines_and_counted() {
        let source = "a\n name x\nb\n name xy\n";
        let (text, found) =
            Text::parse_with_changes(source, Scope::Text, &[(4, " name x"), (5, "zz")]).unwrap();
        assert_eq!(found, [1, 0]);
        assert!(matches!(&text.pieces[..], [Piece::Literal(a), Piece::Change(4), Piece::Literal(b)]
            if a == "a\r\n" && b == "\r\nb\r\n name xy\r\n"));
    }

    #[test]
    fn lines_are_counted_behind_change_points_too() {
        let error = Text::parse_with_changes("a\nb\n{{nope}}", Scope::Text, &[(0, "b")]).unwrap_err();
        assert_eq!(error.line, 3);
    }
}
