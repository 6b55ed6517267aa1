//! A body as it comes: bounded before and after it is unpacked.

use flate2::write::GzDecoder;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// Memory that is taken at once on the word of a `Content-Length`.
const RESERVED: usize = 1 << 20;

/// What has come so far.
pub(super) struct Body {
    unpack: Unpack,
    /// Bytes on the line.
    came: usize,
    limit: usize,
}

enum Unpack {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

/// Why a body is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// More than the limit.
    TooLarge,
    /// The packed text breaks off, or is not what was packed.
    Cut,
    /// It is not packed as announced.
    Garbled(String),
}

impl Body {
    pub(super) fn new(gzip: bool, announced: Option<usize>, limit: usize) -> Result<Self, Problem> {
        if announced.is_some_and(|announced| announced > limit) {
            return Err(Problem::TooLarge);
        }
        let bytes = Vec::with_capacity(announced.unwrap_or(0).min(RESERVED));
        let text = Bounded { bytes: Zeroizing::new(bytes), limit };
        let unpack = match gzip {
            true => Unpack::Gzip(Box::new(GzDecoder::new(text))),
            false => Unpack::Plain(text),
        };
        Ok(Self { unpack, came: 0, limit })
    }

    /// Takes the next piece.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.came += piece.len();
        if self.came > self.limit {
            return Err(Problem::TooLarge);
        }
        let written = match &mut self.unpack {
            Unpack::Plain(text) => text.write_all(piece),
            Unpack::Gzip(packed) => packed.write_all(piece),
        };
        written.map_err(|error| problem(&error))
    }

    /// Bytes that came on the line.
    pub(super) fn came(&self) -> usize {
        self.came
    }

    /// The whole text.
    pub(super) fn finish(self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        match self.unpack {
            Unpack::Plain(text) => Ok(text.bytes),
            Unpack::Gzip(_) if self.came == 0 => Ok(Zeroizing::default()),
            // Its length and checksum stand at the end (RFC 1952, section 2.3.1).
            Unpack::Gzip(packed) => match packed.finish() {
                Ok(text) => Ok(text.bytes),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Problem::TooLarge),
                Err(_) => Err(Problem::Cut),
            },
        }
    }
}

fn problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Problem::TooLarge,
        _ => Problem::Garbled(error.to_string()),
    }
}

/// A text that does not grow beyond its limit.
struct Bounded {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const LIMIT: usize = 100_000;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], piece: usize) -> Result<Vec<u8>, Problem> {
        let mut body = Body::new(true, Some(packed.len()), LIMIT)?;
        packed.chunks(piece).try_for_each(|piece| body.add(piece))?;
        body.finish().map(|text| text.to_vec())
    }

    #[test]
    fn a_packed_body_is_unpacked_in_any_pieces() {
        let text = "interface Ethernet1\n".repeat(1000);
        let packed = packed(text.as_bytes());
        for piece in [1, 7, packed.len()] {
            assert_eq!(unpack(&packed, piece).unwrap(), text.as_bytes());
        }
        assert_eq!(Body::new(true, None, LIMIT).unwrap().finish().unwrap().len(), 0);
    }

    #[test]
    fn a_body_that_expands_beyond_the_limit_ends_bounded() {
        let bomb = packed(&vec![0; 50 << 20]);
        assert!(bomb.len() < LIMIT);
        assert_eq!(unpack(&bomb, 4096), Err(Problem::TooLarge));
        assert!(matches!(Body::new(false, Some(LIMIT + 1), LIMIT), Err(Problem::TooLarge)));
        let mut plain = Body::new(false, None, LIMIT).unwrap();
        assert_eq!(plain.add(&vec![0; LIMIT + 1]), Err(Problem::TooLarge));
    }

    #[test]
    fn a_packed_body_without_its_end_is_cut_and_one_that_is_not_packed_is_garbled() {
        let packed = packed("hostname sw1\n".repeat(100).as_bytes());
        for length in 1..packed.len() {
            assert_eq!(unpack(&packed[..length], 64), Err(Problem::Cut), "{length}");
        }
        assert!(matches!(unpack(b"hostname sw1\nend\n", 64), Err(Problem::Garbled(_))));
    }
}
