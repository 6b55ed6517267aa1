use super::placeholder::Placeholder;
use super::text::{Piece, Text};
use bytes::Bytes;
use std::fmt::Write;

/// As many whole blocks as fit in `size` bytes. Variations differ in every block's number.
pub(super) fn generate(block: &Text, size: usize, variation: u32) -> Bytes {
    let mut filler = String::with_capacity(size);
    for number in (variation * 1000 + 1).. {
        let before = filler.len();
        append(&mut filler, block, number);
        if filler.len() > size || filler.len() == before {
            filler.truncate(before);
            break;
        }
    }
    Bytes::from(filler.into_bytes())
}

fn append(filler: &mut String, block: &Text, number: u32) {
    let [.., high, low] = number.to_be_bytes();
    for piece in &block.pieces {
        // Writing to a string cannot fail.
        let _ = match piece {
            Piece::Literal(bytes) => write!(filler, "{}", String::from_utf8_lossy(bytes)),
            Piece::Value(Placeholder::Block) => write!(filler, "{number}"),
            Piece::Value(Placeholder::BlockHigh) => write!(filler, "{high}"),
            Piece::Value(Placeholder::BlockLow) => write!(filler, "{low}"),
            Piece::Value(_) | Piece::Change(_) => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::placeholder::Scope;
    use super::*;

    #[test]
    fn filler_is_whole_blocks_just_below_the_size() {
        let block =
            Text::parse("interface Vlan{{i}}\n ip address 10.{{high}}.{{low}}.1\n", Scope::Filler).unwrap();
        let filler = generate(&block, 10_000, 1);
        assert!(filler.len() <= 10_000 && filler.len() > 9_900, "{}", filler.len());
        let text = String::from_utf8(filler.to_vec()).unwrap();
        assert!(text.starts_with("interface Vlan1001\r\n ip address 10.3.233.1\r\n"), "{text}");
        assert!(text.ends_with(".1\r\n"));
        assert_ne!(generate(&block, 10_000, 2), text);
    }

    #[test]
    fn too_little_room_gives_no_filler() {
        let block = Text::parse("interface Vlan{{i}}\n", Scope::Filler).unwrap();
        assert!(generate(&block, 10, 0).is_empty());
        assert!(generate(&Text::default(), 10, 0).is_empty());
    }
}
