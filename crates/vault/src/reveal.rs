use netraven_model::{Capture, Secret};
use netraven_seal::{Fingerprint, markers};
use thiserror::Error;

/// A secret's value is not kept, so that the text cannot be given back as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the value of the secret {fingerprint} in line {line} is not kept")]
pub struct NotKept {
    /// What stands in its place.
    pub fingerprint: Fingerprint,
    /// The first line where it stands, from 1.
    pub line: usize,
}

/// A stored text as the device sent it, byte for byte.
///
/// # Errors
/// The first secret whose value `value` does not know.
pub fn reveal<'a>(
    text: &[u8],
    value: impl Fn(Fingerprint) -> Option<&'a Secret>,
) -> Result<Capture, NotKept> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for (span, fingerprint) in markers(text) {
        let secret = value(fingerprint).ok_or_else(|| {
            let line = 1 + text[..span.start].iter().filter(|byte| **byte == b'\n').count();
            NotKept { fingerprint, line }
        })?;
        pieces.extend([&text[at..span.start], secret.expose_bytes()]);
        at = span.end;
    }
    pieces.push(&text[at..]);
    // Joined at once: a buffer that grows would leave copies of secrets behind in memory.
    Ok(Capture::new(pieces.concat()))
}
