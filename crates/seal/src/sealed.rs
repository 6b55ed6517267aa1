use crate::{MaskedPart, SealError, SealedSecrets};
use netraven_model::{Hash256, PartKind, Span};

/// Level 3 compresses 64 KB of configuration in well under a millisecond; higher levels gain little on one text.
const LEVEL: i32 = 3;

/// A backup that is safe to store: no secret in clear, parts compressed.
#[derive(Debug, Clone)]
pub struct SealedConfig {
    parts: Vec<SealedPart>,
    significant: Hash256,
    readable: String,
    secrets: Option<SealedSecrets>,
}

/// One part, ready for the version store.
#[derive(Debug, Clone)]
pub struct SealedPart {
    /// Name of the part, e.g. `running-config`.
    pub name: String,
    /// VDOM, chassis member or the like.
    pub context: Option<String>,
    /// The command that brought it.
    pub command: String,
    /// Configuration, state or archive.
    pub kind: PartKind,
    /// The text without secrets, zstd-compressed.
    pub content: Vec<u8>,
    /// Size of the text in bytes before compression.
    pub size: u64,
    /// SHA-256 of the text before compression.
    pub digest: Hash256,
    /// Spans of the text that change without meaning.
    pub volatile: Vec<Span>,
    /// Number of secrets that were replaced.
    pub secrets: u32,
}

impl SealedConfig {
    pub(crate) fn new(
        parts: Vec<MaskedPart>,
        significant: Hash256,
        secrets: Option<SealedSecrets>,
    ) -> Result<Self, SealError> {
        let readable = readable(&parts);
        let parts = parts.into_iter().map(SealedPart::new).collect::<Result<_, _>>()?;
        Ok(Self { parts, significant, readable, secrets })
    }

    /// The values of the secrets that were replaced; `None` where there are none, or where they were not to be kept.
    pub fn secrets(&self) -> Option<&SealedSecrets> {
        self.secrets.as_ref()
    }

    /// The parts, in the platform's order.
    pub fn parts(&self) -> &[SealedPart] {
        &self.parts
    }

    /// See [`crate::Masked::significant`].
    pub fn significant(&self) -> Hash256 {
        self.significant
    }

    /// Size of all parts in bytes, before compression.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// The configuration as text for people and for text search: the `config` parts one after the other.
    /// Lossy where a device sent what is no text; the parts themselves are exact.
    pub fn readable(&self) -> &str {
        &self.readable
    }
}

impl SealedPart {
    fn new(part: MaskedPart) -> Result<Self, SealError> {
        let content = zstd::bulk::compress(&part.text, LEVEL)
            .map_err(|error| SealError::Compress { part: part.name.clone(), reason: error.to_string() })?;
        Ok(Self {
            content,
            size: part.text.len() as u64,
            digest: Hash256::sha256(&part.text),
            name: part.name,
            context: part.context,
            command: part.command,
            kind: part.kind,
            volatile: part.volatile,
            secrets: part.secrets,
        })
    }
}

/// Decompresses stored content and proves that it is what was stored.
///
/// # Errors
/// Content that is no zstd stream, has another size or another digest than recorded.
pub fn decompress(content: &[u8], size: u64, expected: Hash256) -> Result<Vec<u8>, SealError> {
    let damaged = |reason: String| SealError::Decompress { expected: size, reason };
    let capacity = usize::try_from(size).map_err(|_| damaged("more than memory can hold".into()))?;
    // The recorded size bounds what is allocated, whatever the stream claims.
    let text = zstd::bulk::decompress(content, capacity).map_err(|error| damaged(error.to_string()))?;
    if text.len() != capacity {
        return Err(damaged(format!("{} bytes", text.len())));
    }
    if Hash256::sha256(&text) != expected {
        return Err(damaged(format!("content with digest {}", Hash256::sha256(&text))));
    }
    Ok(text)
}

/// PostgreSQL's `text` takes no NUL and only UTF-8.
fn readable(parts: &[MaskedPart]) -> String {
    let mut text = String::new();
    for part in parts.iter().filter(|part| part.kind == PartKind::Config) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(&part.text));
    }
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FingerprintKey, RawPart, mask};
    use netraven_model::Capture;
    use proptest::prelude::*;

    fn raw(kind: PartKind, text: &[u8]) -> RawPart {
        RawPart {
            name: "part".into(),
            context: None,
            command: "show".into(),
            kind,
            capture: Capture::new(text.to_vec()),
            secrets: Vec::new(),
            volatile: Vec::new(),
        }
    }

    fn sealed(parts: Vec<RawPart>) -> SealedConfig {
        mask(parts, &FingerprintKey::from_bytes([3; 32])).unwrap().seal(None).unwrap()
    }

    #[test]
    fn the_readable_text_is_the_configuration_and_fits_a_text_column() {
        let config = sealed(vec![
            raw(PartKind::State, b"version 1\n"),
            raw(PartKind::Config, b"a\0b\xff"),
            raw(PartKind::Config, b"c\n"),
        ]);
        assert_eq!(config.readable(), "a\u{fffd}b\u{fffd}\nc\n");
        assert_eq!(config.size(), 16);
    }

    #[test]
    fn damaged_content_is_told_from_good() {
        let text = b"interface Gi1\n".repeat(100);
        let part = sealed(vec![raw(PartKind::Config, &text)]).parts()[0].clone();
        assert_eq!(decompress(&part.content, part.size, part.digest).unwrap(), text);
        let cut = &part.content[..part.content.len() - 3];
        assert!(decompress(cut, part.size, part.digest).is_err());
        assert!(decompress(&part.content, part.size + 1, part.digest).is_err());
        assert!(decompress(&part.content, part.size - 1, part.digest).is_err());
        assert!(decompress(&part.content, part.size, Hash256([0; 32])).is_err());
        assert!(decompress(b"", 0, part.digest).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_exactly(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let part = sealed(vec![raw(PartKind::Binary, &text)]).parts()[0].clone();
            prop_assert_eq!(decompress(&part.content, part.size, part.digest).unwrap(), text);
        }
    }
}
