use crate::pieces::{Pieces, cut};
use netraven_platform::Terminal;

/// The terminal filter: what is read does not depend on how it arrived, holds no control characters, and is never longer
/// than what came.
pub fn terminal(input: &[u8]) {
    let mut pieces = Pieces(input);
    let lengths = pieces.take(4);
    let text = pieces.0;
    let (mut whole, mut parts) = (Terminal::default(), Terminal::default());
    whole.feed(text);
    cut(text, lengths).into_iter().for_each(|piece| parts.feed(piece));
    assert_eq!(parts.text(), whole.text(), "cut with {lengths:?}");
    assert_eq!(parts.last_line(), whole.last_line(), "cut with {lengths:?}");
    assert!(whole.text().len() <= text.len());
    assert!(whole.text().iter().all(|byte| matches!(byte, b'\n' | b'\t' | 0x20..=0x7e | 0x80..)));
    assert!(whole.text().starts_with(&[whole.lines(), whole.last_line()].concat()));
    assert!(whole.lines().is_empty() || !whole.last_line().contains(&b'\n'));

    // Taking things away at any time leaves a terminal that works.
    for (number, piece) in cut(text, lengths).into_iter().enumerate() {
        parts.feed(piece);
        match (number + input.len()) % 5 {
            0 => parts.erase_last_line(),
            1 => assert!(!parts.take_lines().contains(&0x1b)),
            2 => parts.clear(),
            _ => {}
        }
        let _ = (parts.last_line().len(), parts.lines().len());
    }
    // The first is the end of whatever sequence was begun, BEL included.
    parts.feed(b"\x07\n\n");
    parts.clear();
    parts.feed(b"prompt#");
    assert_eq!(parts.last_line(), b"prompt#");
}
