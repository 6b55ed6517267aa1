//! What a device said as text that can stand in a log.

use zeroize::Zeroizing;

/// As a log may show it: no byte that is not UTF-8, and nothing that could hide or forge lines. Doing it twice changes
/// nothing more.
pub(super) fn printable(text: &[u8]) -> Zeroizing<String> {
    // Room for the worst case: a text that moves while it grows leaves copies behind.
    let mut shown = Zeroizing::new(String::with_capacity(text.len() * 3));
    for chunk in text.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' if chars.peek().is_none_or(|next| matches!(next, '\r' | '\n')) => {}
                '\n' | '\t' => shown.push(c),
                // Space as patterns understand it stays space.
                '\r' | '\x0b' | '\x0c' => shown.push(' '),
                _ if is_hidden(c) => shown.push(char::REPLACEMENT_CHARACTER),
                _ => shown.push(c),
            }
        }
        if !chunk.invalid().is_empty() {
            shown.push(char::REPLACEMENT_CHARACTER);
        }
    }
    shown
}

/// Control characters, and those that turn the direction of writing or end a line (Unicode, annexes 9 and 14).
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_hides_or_forges_a_line_is_left() {
        assert_eq!(
            printable(b"a\r\nb\r\r\nc\x1b[2J\rd\xff\te\r").as_str(),
            "a\nb\nc\u{fffd}[2J d\u{fffd}\te"
        );
        assert_eq!(printable("x\u{202e}y\u{2028}".as_bytes()).as_str(), "x\u{fffd}y\u{fffd}");
    }

    proptest! {
        #[test]
        fn printing_what_was_printed_changes_nothing(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let once = printable(&text);
            let twice = printable(once.as_bytes());
            prop_assert_eq!(twice.as_str(), once.as_str());
            prop_assert!(once.len() <= text.len() * 3);
        }
    }
}
