use crate::{MaskedPart, SealError, SealedSecrets};
use netraven_model::{Hash256, PartKind, Span};
use std::borrow::Cow;

/// Level 3 compresses 64 KB of configuration in well under a millisecond; higher levels gain little on one text.
const LEVEL: i32 = 3;

/// A backup that is safe to store: no secret in clear, parts compressed.
#[derive(Debug, Clone)]
pub struct SealedConfig {
    parts: Vec<SealedPart>,
    significant: Hash256,
    readable: Box<Readable>,
    secrets: Option<SealedSecrets>,
}

/// The configuration parts as one text, and where each begins.
#[derive(Debug, Clone)]
struct Readable {
    text: String,
    sections: Vec<Section>,
}

/// Where a part begins in the readable text.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// Number of the part.
    part: usize,
    /// First byte.
    start: usize,
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
        let readable = Box::new(Readable::of(&parts));
        let parts = parts.into_iter().map(SealedPart::new).collect::<Result<_, _>>()?;
        Ok(Self { parts, significant, readable, secrets })
    }

    /// Puts a line before each part in the readable text, where it has several of them. The parts stay as they are, and with
    /// them what a change is.
    #[must_use]
    pub fn with_headers(mut self, header: impl Fn(&SealedPart) -> String) -> Self {
        let Readable { text, sections } = self.readable.as_ref();
        if sections.len() < 2 {
            return self;
        }
        let mut headed = String::with_capacity(text.len());
        let ends = sections.iter().skip(1).map(|next| next.start).chain([text.len()]);
        for (section, end) in sections.iter().zip(ends) {
            headed.push_str(&clean(&header(&self.parts[section.part])));
            headed.push('\n');
            headed.push_str(&text[section.start..end]);
        }
        // It has its headers now; the places are those of a text without.
        self.readable = Box::new(Readable { text: headed, sections: Vec::new() });
        self
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

    /// The configuration as text for people and for text search: the `config` parts one after the other, each behind its
    /// header where [`Self::with_headers`] gave them some.
    /// Lossy where a device sent what is no text; the parts themselves are exact.
    pub fn readable(&self) -> &str {
        &self.readable.text
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

impl Readable {
    fn of(parts: &[MaskedPart]) -> Self {
        let (mut text, mut sections) = (String::new(), Vec::new());
        for (number, part) in parts.iter().enumerate().filter(|(_, part)| part.kind == PartKind::Config) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            sections.push(Section { part: number, start: text.len() });
            text.push_str(&clean(&String::from_utf8_lossy(&part.text)));
        }
        Self { text, sections }
    }
}

/// PostgreSQL's `text` takes no NUL and only UTF-8.
fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
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
    fn several_parts_get_headers_in_the_readable_text_alone() {
        let header = |part: &SealedPart| format!("! {} ({})", part.name, part.command);
        let several = vec![
            raw(PartKind::State, b"version 1\n"),
            raw(PartKind::Config, b"a\0"),
            raw(PartKind::Config, b"b\n"),
        ];
        let plain = sealed(several);
        let headed = plain.clone().with_headers(header);
        assert_eq!(headed.readable(), "! part (show)\na\u{fffd}\n! part (show)\nb\n");
        assert_eq!(headed.significant(), plain.significant());
        assert_eq!(headed.parts()[1].digest, plain.parts()[1].digest);
        assert_eq!(headed.clone().with_headers(header).readable(), headed.readable(), "once is enough");
        let one = sealed(vec![raw(PartKind::State, b"x\n"), raw(PartKind::Config, b"a\n")]);
        assert_eq!(one.with_headers(header).readable(), "a\n");
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
