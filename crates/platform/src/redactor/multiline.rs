//! Private keys that take several lines, of which those in the middle say nothing.

use crate::finder::each_span;
use netraven_model::Span;
use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// PEM (RFC 7468), OpenPGP (RFC 9580, section 6.2) and SSH Communications' own format, whatever is between their lines;
/// without its end it is one all the same.
const ARMOURED: &str = r"(?s)-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}(?<secret>.*?)(?:-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}|\z)";
/// PuTTY's format: the number of lines, then those lines (PuTTY manual, appendix C).
const PUTTY: &str = r"(?s)Private-Lines: [0-9]+(?<secret>.*?)(?:Private-(?:MAC|Hash):|\z)";
/// The end of an armoured key.
const END: &str = r"-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}";
/// Its begin.
const BEGIN: &str = r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}";

/// Patterns that are part of the program; a test proves that each of them compiles.
static COMPILED: LazyLock<[Option<Regex>; 4]> = LazyLock::new(|| {
    [ARMOURED, PUTTY, BEGIN, END].map(|pattern| RegexBuilder::new(pattern).unicode(false).build().ok())
});

/// The insides of private keys.
pub(crate) fn keys(text: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for rule in COMPILED[..2].iter().flatten() {
        each_span(rule, "secret", text, 0, &mut found);
    }
    found
}

/// A text that begins inside a key shows only its end: all before it is the key's.
pub(super) fn tail_of_a_key(text: &[u8]) -> Option<Span> {
    let [_, _, Some(begin), Some(end)] = &*COMPILED else { return None };
    let end = end.find(text)?;
    let begins_before = begin.find(&text[..end.start()]).is_some();
    (!begins_before).then_some(Span { start: 0, end: end.start() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        keys(text.as_bytes()).into_iter().map(|span| &text[span.range()]).collect()
    }

    #[test]
    fn the_patterns_compile() {
        assert!(COMPILED.iter().all(Option::is_some));
    }

    #[test]
    fn a_private_key_is_hidden_whole_even_without_its_end() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nafter";
        assert_eq!(found(key), ["\nMIIE\nabc\n"]);
        assert_eq!(found(&key[..45]), ["\nMIIE\nabc\n----"]);
    }

    #[test]
    fn keys_of_other_programs_are_found_too() {
        let pgp = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK-----";
        assert_eq!(found(pgp), ["\nlQ\n"]);
        let ssh2 =
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/\n---- END SSH2 ENCRYPTED PRIVATE KEY ----";
        assert_eq!(found(ssh2), ["\nP2/\n"]);
        let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 00";
        assert_eq!(found(putty), ["\nAAAA\n"]);
        assert_eq!(found("-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----"), Vec::<&str>::new());
    }

    #[test]
    fn a_text_that_begins_inside_a_key_is_the_keys_up_to_its_end() {
        let text = b"MIIE\nabc\n-----END PRIVATE KEY-----\nafter";
        assert_eq!(tail_of_a_key(text), Some(Span { start: 0, end: 9 }));
        assert_eq!(tail_of_a_key(b"-----BEGIN PRIVATE KEY-----\nM\n-----END PRIVATE KEY-----"), None);
        assert_eq!(tail_of_a_key(b"nothing of that kind"), None);
    }
}
