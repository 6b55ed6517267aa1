//! Quoting what a peer sent, so that it can stand in a message.

/// Longest quotation, in characters.
pub(super) const QUOTE: usize = 100;

/// The bytes as one printable line of at most [`QUOTE`] characters: line ends become `\n`, other
/// bytes that are no printable ASCII become `\xNN`. An ellipsis says that more came.
pub(super) fn quote_bytes(bytes: &[u8]) -> String {
    shorten(bytes.escape_ascii().map(char::from))
}

/// The text as one printable line of at most [`QUOTE`] characters; letters of all scripts stay.
pub(super) fn quote(text: &str) -> String {
    let escaped = text.trim().chars().flat_map(|c| {
        let (kept, escaped) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
        kept.into_iter().chain(escaped.into_iter().flatten())
    });
    shorten(escaped)
}

fn shorten(mut chars: impl Iterator<Item = char>) -> String {
    let mut line: String = chars.by_ref().take(QUOTE).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_printable_and_bounded() {
        assert_eq!(quote_bytes(b"HTTP/1.1 400\r\n\xff\0"), "HTTP/1.1 400\\r\\n\\xff\\x00");
        assert_eq!(quote_bytes(&[b'x'; 100]), "x".repeat(100));
        assert_eq!(quote_bytes(&[b'x'; 101]), format!("{}…", "x".repeat(100)));
        assert_eq!(quote(" Geheimwort für admin:\n\x1b[31m "), "Geheimwort für admin:\\n\\u{1b}[31m");
        assert_eq!(quote(&"ü".repeat(5000)).chars().count(), QUOTE + 1);
    }
}
