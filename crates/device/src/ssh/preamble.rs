//! What a server says before the protocol starts (RFC 4253, section 4.2).

use super::text::quote_bytes;

/// Longest identification line, with its line end (RFC 4253, section 4.2).
const IDENTIFICATION: usize = 255;

/// Most bytes before the identification. The RFC sets no limit; login banners here fill some screens.
const BEFORE_IDENTIFICATION: usize = 32 * 1024;

/// How much of the beginning is kept for messages.
const KEPT: usize = 128;

/// Finds the identification line in the first bytes of a connection and drops the lines before it.
///
/// The library has the same step, but with tight limits and without telling what came instead.
#[derive(Debug, Default)]
pub(super) struct Preamble {
    first: Vec<u8>,
    line: Vec<u8>,
    dropped: usize,
    identification: Option<String>,
}

impl Preamble {
    /// Takes the next bytes. Once the identification is complete, answers with everything from its
    /// first byte on; an error says why this is no server that can be spoken to.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let room = KEPT.saturating_sub(self.first.len()).min(bytes.len());
        self.first.extend_from_slice(&bytes[..room]);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line_end, rest) = bytes.split_at(end + 1);
            self.line.extend_from_slice(line_end);
            bytes = rest;
            if self.line.starts_with(b"SSH-") {
                self.identification = Some(self.identify()?);
                let mut protocol = std::mem::take(&mut self.line);
                protocol.extend_from_slice(bytes);
                return Ok(Some(protocol));
            }
            self.dropped += self.line.len();
            self.line.clear();
        }
        self.line.extend_from_slice(bytes);
        if self.line.starts_with(b"SSH-") && self.line.len() > IDENTIFICATION {
            return Err(too_long());
        }
        if self.dropped + self.line.len() > BEFORE_IDENTIFICATION {
            return Err(format!(
                "it sent more than {BEFORE_IDENTIFICATION} bytes, but no SSH identification: \"{}\"",
                quote_bytes(&self.first)
            ));
        }
        Ok(None)
    }

    fn identify(&self) -> Result<String, String> {
        if self.line.len() > IDENTIFICATION {
            return Err(too_long());
        }
        let text = std::str::from_utf8(&self.line)
            .map_err(|_| format!("its identification is no text: \"{}\"", quote_bytes(&self.line)))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.starts_with("SSH-2.0-") || text.starts_with("SSH-1.99-") {
            Ok(text.to_owned())
        } else {
            Err(format!(
                "it identifies itself as \"{}\"; SSH protocol 2.0 is needed",
                quote_bytes(text.as_bytes())
            ))
        }
    }

    /// The server's identification, e.g. `SSH-2.0-Cisco-1.25`, once it came.
    pub(super) fn identification(&self) -> Option<&str> {
        self.identification.as_deref()
    }

    /// The first bytes, when something came that is no identification (yet).
    pub(super) fn foreign(&self) -> Option<String> {
        let foreign = self.identification.is_none() && !self.first.is_empty();
        foreign.then(|| quote_bytes(&self.first))
    }
}

fn too_long() -> String {
    format!("its identification is longer than {IDENTIFICATION} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds in pieces of `size` bytes; what the protocol gets, or the error.
    fn run(preamble: &mut Preamble, bytes: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
        let mut protocol: Option<Vec<u8>> = None;
        for piece in bytes.chunks(size) {
            match &mut protocol {
                Some(protocol) => protocol.extend_from_slice(piece),
                None => protocol = preamble.feed(piece)?,
            }
        }
        Ok(protocol)
    }

    #[test]
    fn the_identification_is_found_behind_other_lines_however_the_bytes_are_cut() {
        let sent = b"Authorised users only\r\n\nSSH is spoken here\nSSH-2.0-Cisco-1.25\n\0\0\x01binary\n";
        for size in 1..sent.len() {
            let mut preamble = Preamble::default();
            let protocol = run(&mut preamble, sent, size).unwrap().unwrap();
            assert_eq!(protocol, b"SSH-2.0-Cisco-1.25\n\0\0\x01binary\n");
            assert_eq!(preamble.identification(), Some("SSH-2.0-Cisco-1.25"));
            assert_eq!(preamble.foreign(), None);
        }
    }

    #[test]
    fn old_protocols_and_broken_identifications_are_refused() {
        let long = format!("SSH-2.0-{}\r\n", "x".repeat(300)).into_bytes();
        for (sent, why) in [
            (&b"SSH-1.5-Cisco-1.25\n"[..], "SSH-1.5-Cisco-1.25"),
            (b"SSH-2.0-\xff\xfe\n", "\\xff\\xfe"),
            (&long, "longer than 255"),
            (&long[..280], "longer than 255"),
        ] {
            for size in [1, 7, 1000] {
                let error = run(&mut Preamble::default(), sent, size).unwrap_err();
                assert!(error.contains(why), "{error}");
            }
        }
        let fits = format!("SSH-2.0-{}\r\n", "x".repeat(245)).into_bytes();
        assert!(run(&mut Preamble::default(), &fits, 9).unwrap().is_some());
    }

    #[test]
    fn endless_text_without_identification_is_bounded() {
        for sent in [vec![b'x'; 64 * 1024], b"welcome\r\n".repeat(8 * 1024)] {
            let mut preamble = Preamble::default();
            let error = run(&mut preamble, &sent, 512).unwrap_err();
            assert!(error.contains("no SSH identification"), "{error}");
            assert!(preamble.line.len() <= BEFORE_IDENTIFICATION + 512);
            assert!(preamble.foreign().is_some());
        }
    }
}
