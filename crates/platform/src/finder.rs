//! Finding secrets and volatile text. The finder returns spans; it never edits.
//!
//! All patterns are linear (the `regex` crate does not backtrack), so no input makes them slow.

use netraven_model::Span;
use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// A line in a log that holds one of these words is not shown at all.
const REDACTED_WORDS: &str =
    r"(?i)password|passwd|secret|passphrase|community|pre-shared-key|\bpsk\b|api-key|token|private key";

/// What is a secret in any configuration language: formats of hashes and keys that mean nothing else.
const GENERAL: &[&str] = &[
    // crypt(3) and Cisco type 5/8/9, Junos $8$/$9$: `$id$...`
    r#"(?<secret>\$(?:1|5|6|8|9|y|7|2[abxy]|sha1|14)\$[^\s";]+)"#,
    // PEM private keys (RFC 7468), whatever is between their lines; without its end it is one all the same.
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----(?<secret>.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    // A word for a secret, the number of its encoding, and the value.
    r#"(?i)\b(?:password|passwd|secret|passphrase|psk|key|key-string|community)[ \t]+(?:0|4|5|6|7|8|8a|9|encrypted|hash|ascii-text|hexadecimal|sha512|encrypted-password)[ \t]+"?(?<secret>[^\s"]{2,})"#,
];

/// The patterns of one platform with the general ones beneath.
#[derive(Debug)]
pub(crate) struct Finder {
    secrets: Vec<Regex>,
    volatile: Vec<Regex>,
}

impl Finder {
    /// Each secret pattern must have a group `secret`.
    pub(crate) fn new(secrets: Vec<Regex>, volatile: Vec<Regex>) -> Self {
        Self { secrets, volatile }
    }

    pub(crate) fn secrets(&self, text: &[u8]) -> Vec<Span> {
        spans(self.secrets.iter().chain(general().iter()), "secret", text)
    }

    pub(crate) fn volatile(&self, text: &[u8]) -> Vec<Span> {
        spans(self.volatile.iter(), "volatile", text)
    }

    pub(crate) fn redact(&self, text: &[u8]) -> String {
        let mut shown = Vec::with_capacity(text.len());
        let mut at = 0;
        for secret in self.secrets(text) {
            shown.extend_from_slice(&text[at..secret.start]);
            shown.extend_from_slice(b"[REDACTED]");
            at = secret.end;
        }
        shown.extend_from_slice(&text[at..]);
        let lines = shown.split(|byte| *byte == b'\n').map(|line| {
            // Terminal control characters in a log could hide or forge lines.
            let printable = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
            match redacted_words().is_some_and(|words| words.is_match(line)) {
                true => "[REDACTED LINE]".to_owned(),
                false => {
                    String::from_utf8_lossy(line).trim_end_matches('\r').chars().map(printable).collect()
                }
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The spans of a named group, or of the whole match where a pattern does not have it.
pub(crate) fn spans<'a>(rules: impl Iterator<Item = &'a Regex>, group: &str, text: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for rule in rules {
        let index = rule.capture_names().position(|name| name == Some(group)).unwrap_or(0);
        if index == 0 {
            found.extend(rule.find_iter(text).map(|m| Span { start: m.start(), end: m.end() }));
            continue;
        }
        let mut locations = rule.capture_locations();
        let mut at = 0;
        // The whole match says where to go on; only the group is the span.
        while let Some(whole) = rule.captures_read_at(&mut locations, text, at) {
            found.extend(locations.get(index).map(|(start, end)| Span { start, end }));
            at = if whole.end() > at { whole.end() } else { at + 1 };
            if at > text.len() {
                break;
            }
        }
    }
    Span::merge(found)
}

/// The general patterns are part of the program; a test proves that each of them compiles.
fn general() -> &'static [Regex] {
    static COMPILED: LazyLock<Vec<Regex>> =
        LazyLock::new(|| GENERAL.iter().filter_map(|pattern| bytes_pattern(pattern)).collect());
    &COMPILED
}

fn bytes_pattern(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).unicode(false).build().ok()
}

fn redacted_words() -> Option<&'static Regex> {
    static COMPILED: LazyLock<Option<Regex>> = LazyLock::new(|| bytes_pattern(REDACTED_WORDS));
    COMPILED.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finder() -> Finder {
        Finder::new(vec![], vec![])
    }

    fn found(text: &str) -> Vec<&str> {
        finder().secrets(text.as_bytes()).into_iter().map(|span| &text[span.range()]).collect()
    }

    #[test]
    fn every_general_pattern_compiles_and_has_its_group() {
        assert_eq!(general().len(), GENERAL.len());
        assert!(general().iter().all(|rule| rule.capture_names().flatten().any(|name| name == "secret")));
        assert!(redacted_words().is_some());
    }

    #[test]
    fn hashes_and_keys_are_found_in_any_language() {
        assert_eq!(found("x $1$abcd$efgh y"), ["$1$abcd$efgh"]);
        assert_eq!(found("secret \"$9$aBcD.-x\"; ## SECRET-DATA"), ["$9$aBcD.-x"]);
        assert_eq!(found("root:$6$salt$hash/./:19000:0:"), ["$6$salt$hash/./:19000:0:"]);
        assert_eq!(found("server-private 10.0.0.1 key 7 ABCDEF1234"), ["ABCDEF1234"]);
        assert_eq!(found("no secrets here: price $5 and $10\nkey chain BGP\nkey 1\n"), Vec::<&str>::new());
    }

    #[test]
    fn a_private_key_is_hidden_whole_even_without_its_end() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nafter";
        assert_eq!(found(key), ["\nMIIE\nabc\n"]);
        let cut = &key[..45];
        assert_eq!(found(cut), ["\nMIIE\nabc\n----"]);
    }

    #[test]
    fn redacted_text_loses_secrets_suspicious_lines_and_control_characters() {
        let text = b"key 7 0102AB\nenable PASSWORD x\nplain\x1b[2Jline\r\n\xff";
        assert_eq!(
            finder().redact(text),
            "key 7 [REDACTED]\n[REDACTED LINE]\nplain\u{fffd}[2Jline\n\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn spans_always_fit_the_text(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let spans = finder().secrets(&text);
            prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= text.len()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
            let redacted = finder().redact(&text);
            prop_assert!(!redacted.contains(char::from(0x1b)));
        }
    }
}
