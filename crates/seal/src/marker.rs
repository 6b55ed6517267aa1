//! What stands in a secret's place: `<secret:` + its fingerprint in hexadecimal + `>`.

use crate::Fingerprint;
use netraven_model::Span;

const START: &[u8] = b"<secret:";
const DIGITS: usize = 32;
/// Length in bytes of what stands in a secret's place.
pub const MARKER_LENGTH: usize = START.len() + DIGITS + 1;

/// Appends the marker of a fingerprint.
pub(crate) fn mark(fingerprint: Fingerprint, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(START);
    for byte in fingerprint.0 {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'>');
}

/// The markers in a text, in order. In a stored text each of them stands for a secret: what a device sent that looks
/// like one was taken for a secret itself, see [`crate::mask`].
pub fn markers(text: &[u8]) -> impl Iterator<Item = (Span, Fingerprint)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + find(text.get(at..)?)?;
            at = start + START.len();
            if let Some(fingerprint) = read(text.get(start..start + MARKER_LENGTH).unwrap_or_default()) {
                at = start + MARKER_LENGTH;
                return Some((Span { start, end: at }, fingerprint));
            }
        }
    })
}

/// The fingerprint of a text that is a marker and nothing else.
pub(crate) fn read(text: &[u8]) -> Option<Fingerprint> {
    let digits = text.strip_prefix(START)?.strip_suffix(b">")?;
    Fingerprint::from_hex(digits)
}

fn find(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].iter().position(|byte| *byte == START[0])?;
        if text[at..].starts_with(START) {
            return Some(at);
        }
        at += 1;
    }
}

/// A text for people's eyes: markers shortened to their first eight digits.
pub fn shorten(text: &[u8]) -> Vec<u8> {
    const SHOWN: usize = 8;
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for (span, _) in markers(text) {
        out.extend_from_slice(&text[at..span.start + START.len() + SHOWN]);
        out.extend_from_slice("…>".as_bytes());
        at = span.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marker(byte: u8) -> Vec<u8> {
        let mut out = Vec::new();
        mark(Fingerprint([byte; 16]), &mut out);
        out
    }

    #[test]
    fn only_what_mark_writes_is_a_marker() {
        let text = [b"<secret:12>", &marker(7)[..], b"<secret:", &marker(9)[..], b"<secret:0A"].concat();
        let found: Vec<_> = markers(&text).map(|(span, print)| (span.start, print.0[0])).collect();
        assert_eq!(found, [(11, 7), (11 + MARKER_LENGTH + 8, 9)]);
        let capitals = String::from_utf8(marker(0xab)).unwrap().replace("ab", "AB").into_bytes();
        assert_eq!(markers(&capitals).count(), 0);
    }

    #[test]
    fn people_see_the_first_digits() {
        let text = [b"key ", &marker(0x5c)[..], b" end"].concat();
        assert_eq!(String::from_utf8(shorten(&text)).unwrap(), "key <secret:5c5c5c5c…> end");
        assert_eq!(shorten(b"nothing <secret: here"), b"nothing <secret: here");
    }

    proptest! {
        #[test]
        fn every_marker_is_found_where_it_was_put(
            pieces in proptest::collection::vec(("[<secrt:0-9a-f>]{0,50}", any::<u8>()), 0..6)
        ) {
            let mut text = Vec::new();
            let mut put = Vec::new();
            for (piece, byte) in &pieces {
                // A lookalike in the pieces would be a marker, too; mask() leaves none.
                prop_assume!(markers(piece.as_bytes()).next().is_none());
                text.extend_from_slice(piece.as_bytes());
                put.push((text.len(), *byte));
                mark(Fingerprint([*byte; 16]), &mut text);
            }
            let found: Vec<_> = markers(&text).map(|(span, print)| (span.start, print.0[0])).collect();
            prop_assert_eq!(found, put);
        }
    }
}
