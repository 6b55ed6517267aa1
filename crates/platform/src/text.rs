//! Texts that no terminal has seen.

use zeroize::Zeroizing;

/// The text as a terminal would have brought it: lines that end with a line feed, none of them blank around it.
pub(crate) fn as_lines(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let start = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let body = text[start..].trim_ascii_end();
    let mut lines = Zeroizing::new(Vec::with_capacity(body.len() + 1));
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
            None => lines.extend_from_slice(line),
        }
    }
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    lines
}
