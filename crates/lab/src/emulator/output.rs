use bytes::Bytes;

/// Shorter pieces are copied together: a packet of its own costs more than the copy.
const COPY_BELOW: usize = 16 * 1024;

/// What a device sends, in order.
#[derive(Debug, Default)]
pub struct Output {
    chunks: Vec<Chunk>,
    /// The end of what was written, not yet a chunk.
    open: Vec<u8>,
    open_thinks: bool,
    close: bool,
}

/// A piece of output.
#[derive(Debug)]
pub struct Chunk {
    /// The device works on a command before it sends these bytes.
    pub thinks: bool,
    /// What is sent. Large texts are shared between devices, not copied.
    pub bytes: Bytes,
}

impl Output {
    /// The pieces, in order.
    pub fn into_chunks(mut self) -> Vec<Chunk> {
        self.seal();
        self.chunks
    }

    /// All bytes in one.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self.chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        all.extend_from_slice(&self.open);
        all
    }

    /// The device ends the session after these bytes.
    pub fn closes(&self) -> bool {
        self.close
    }

    pub(super) fn set_close(&mut self, close: bool) {
        self.close = close;
    }

    /// Marks that the device thinks now.
    pub(super) fn think(&mut self) {
        self.seal();
        self.open_thinks = true;
    }

    /// Sends a few bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// Sends `bytes` without copying them, when they are many.
    pub(super) fn share(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            return self.push(&bytes);
        }
        self.seal();
        self.chunks.push(Chunk { thinks: false, bytes });
    }

    fn seal(&mut self) {
        if self.open_thinks || !self.open.is_empty() {
            let bytes = std::mem::take(&mut self.open).into();
            self.chunks.push(Chunk { thinks: std::mem::take(&mut self.open_thinks), bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_are_joined_and_long_ones_shared() {
        let long = Bytes::from(vec![b'x'; 40_000]);
        let mut output = Output::default();
        output.push(b"ab");
        output.share(Bytes::from_static(b"cd"));
        output.share(long.clone());
        output.push(b"ef");
        assert_eq!(output.to_vec().len(), 40_006);
        let chunks = output.into_chunks();
        assert_eq!(chunks.iter().map(|chunk| chunk.bytes.len()).collect::<Vec<_>>(), [4, 40_000, 2]);
        assert_eq!(chunks[1].bytes.as_ptr(), long.as_ptr());
    }

    #[test]
    fn what_follows_a_thought_is_not_joined_to_what_came_before() {
        let mut output = Output::default();
        output.push(b"echo");
        output.think();
        output.push(b"answer");
        let shape: Vec<_> = output.into_chunks().iter().map(|c| (c.thinks, c.bytes.len())).collect();
        assert_eq!(shape, [(false, 4), (true, 6)]);
    }

    #[test]
    fn a_thought_with_a_long_text_comes_before_the_text() {
        let mut output = Output::default();
        output.think();
        output.share(Bytes::from(vec![b'x'; 40_000]));
        let shape: Vec<_> = output.into_chunks().iter().map(|c| (c.thinks, c.bytes.len())).collect();
        assert_eq!(shape, [(true, 0), (false, 40_000)]);
    }
}
