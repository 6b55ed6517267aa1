//! Cutting one input into what a property needs.

/// Reads small numbers and pieces off the front of an input; an input that is used up gives zeros and nothing.
pub struct Pieces<'a>(pub &'a [u8]);

impl<'a> Pieces<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> usize {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        usize::from(first)
    }

    /// One of some.
    pub fn one_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.byte() % some.len()]
    }

    /// Up to so many bytes.
    pub fn take(&mut self, most: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        piece
    }
}

/// The text in pieces of the given lengths, again and again; what is left over at a length of 0 comes whole.
pub fn cut<'a>(text: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (text, Vec::new());
    for length in lengths.iter().cycle().take_while(|length| **length > 0) {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// The text in which a secret cannot stand, in whatever way it is put together: the fuzzer sees what is looked for.
pub fn without_a_letter(text: &[u8], secret: &str) -> Vec<u8> {
    let letter = secret.bytes().find(u8::is_ascii_digit);
    text.iter().map(|byte| if Some(*byte) == letter { b'_' } else { *byte }).collect()
}
