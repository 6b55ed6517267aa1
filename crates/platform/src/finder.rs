//! Finding secrets and volatile text. The finder returns spans; it never edits.
//!
//! All patterns are linear (the `regex` crate does not backtrack), so no input makes them slow.

use crate::redactor::keys;
use netraven_model::{Hash256, Span};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// What is a secret in any configuration language: formats of hashes and keys that mean nothing else.
pub(crate) const GENERAL: &[&str] = &[
    // crypt(3) and Cisco type 5/8/9, Junos $8$/$9$: `$id$...`; never with what ends it in XML and in passwd files.
    r#"(?<secret>\$(?:1|5|6|8|9|y|7|2[abxy]|sha1|14)\$[^\s";<>:]+)"#,
    // A password inside a URL (RFC 3986, section 3.2.1).
    r#"://[^/\s:@"]*:(?<secret>[^@\s"]+)@"#,
    // An algorithm, the number of the key's encoding, and the key.
    r"(?i)\b(?:md5|sha\d*|sha2-\d+|hmac-[\w-]+|aes-\w+(?: \d+)?|ascii|3des|des) [05678] (?<secret>\S+)",
    // A word for a secret, the number of its encoding, and the value.
    r#"(?i)\b(?:password|passwd|secret|passphrase|psk|key|key-string|community)[ \t]+(?:0|4|5|6|7|8|8a|9|encrypted|hash|ascii-text|hexadecimal|sha512|encrypted-password)[ \t]+"?(?<secret>[^\s"]{2,})"#,
];

/// Raised whenever other code than a pattern finds something else than before: the finder of private keys.
const CODE: u8 = 1;

/// What tells the general net of one release from another's.
pub(crate) fn shared_rules() -> Hash256 {
    let mut text = GENERAL.join("\n").into_bytes();
    text.push(CODE);
    Hash256::sha256(&text)
}

/// The finders of one platform, the general net beneath included.
#[derive(Debug)]
pub(crate) struct Finder {
    secrets: Rules,
    volatile: Rules,
}

impl Finder {
    pub(crate) fn new(secrets: Rules, volatile: Rules) -> Self {
        Self { secrets, volatile }
    }

    pub(crate) fn secrets(&self, text: &[u8]) -> Vec<Span> {
        let mut found = self.secrets.spans(text);
        found.extend(keys(text));
        Span::merge(found)
    }

    pub(crate) fn volatile(&self, text: &[u8]) -> Vec<Span> {
        Span::merge(self.volatile.spans(text))
    }

    /// What is found as a secret by which rule; the insides of private keys are [`keys`]'s.
    pub(crate) fn secrets_by_rule(&self, text: &[u8]) -> Vec<(Span, usize)> {
        self.secrets.spans_by_rule(text)
    }

    /// What is volatile by which rule.
    pub(crate) fn volatile_by_rule(&self, text: &[u8]) -> Vec<(Span, usize)> {
        self.volatile.spans_by_rule(text)
    }
}

/// Rules for lines. One pass over the text with all of them at once finds the lines that matter, one pass over such a line
/// which rules do; only with those it is looked at for spans.
#[derive(Debug)]
pub(crate) struct Rules {
    any: Option<Regex>,
    which: RegexSet,
    each: Vec<Regex>,
    group: &'static str,
}

impl Rules {
    /// `patterns` have been compiled one by one before; `group` names what is marked, or else the whole match.
    pub(crate) fn new(
        patterns: &[&str],
        group: &'static str,
        size_limit: usize,
    ) -> Result<Self, regex::Error> {
        let limit = size_limit * (patterns.len() + 1);
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .unicode(false)
                .multi_line(true)
                .size_limit(limit)
                .dfa_size_limit(limit)
                .build()
        };
        let each = patterns.iter().map(|pattern| build(pattern)).collect::<Result<_, _>>()?;
        // A group's name may stand once in a pattern only, and here no group is needed.
        let unnamed = |pattern: &&str| format!("(?:{})", pattern.replace(&format!("(?<{group}>"), "(?:"));
        let any = patterns.iter().map(unnamed).collect::<Vec<_>>().join("|");
        let any = if patterns.is_empty() { None } else { Some(build(&any)?) };
        let which = RegexSetBuilder::new(patterns)
            .unicode(false)
            .multi_line(true)
            .size_limit(limit)
            .dfa_size_limit(limit)
            .build()?;
        Ok(Self { any, which, each, group })
    }

    pub(crate) fn spans(&self, text: &[u8]) -> Vec<Span> {
        let mut found = Vec::new();
        self.each_line(text, |line| {
            for number in self.which.matches(&text[line.range()]) {
                each_span(&self.each[number], self.group, &text[line.range()], line.start, &mut found);
            }
        });
        found
    }

    /// The same spans, each with the number of the rule that found it; one that several found comes several times.
    pub(crate) fn spans_by_rule(&self, text: &[u8]) -> Vec<(Span, usize)> {
        let mut found = Vec::new();
        self.each_line(text, |line| {
            for (number, rule) in self.each.iter().enumerate() {
                let mut spans = Vec::new();
                each_span(rule, self.group, &text[line.range()], line.start, &mut spans);
                found.extend(spans.into_iter().map(|span| (span, number)));
            }
        });
        found
    }

    /// The lines in which some rule finds something.
    fn each_line(&self, text: &[u8], mut look: impl FnMut(Span)) {
        let mut at = 0;
        let newline = |byte: &u8| *byte == b'\n';
        while let Some(hit) = self.any.as_ref().and_then(|any| any.find_at(text, at)) {
            let start = text[..hit.start()].iter().rposition(newline).map_or(0, |before| before + 1).max(at);
            // A match that ends in the line's end belongs to that line, not to the next.
            let last = hit.end().max(hit.start() + 1) - 1;
            let end =
                text[last..].iter().position(newline).map_or(text.len(), |line_end| last + line_end + 1);
            look(Span { start, end });
            at = end;
        }
    }
}

/// Adds the spans of a named group, or of the whole match where a pattern does not have it.
pub(crate) fn each_span(rule: &Regex, group: &str, text: &[u8], offset: usize, found: &mut Vec<Span>) {
    let index = rule.capture_names().position(|name| name == Some(group)).unwrap_or(0);
    let mut locations = rule.capture_locations();
    let mut at = 0;
    while at <= text.len() {
        // The whole match says where to go on; only the group is the span.
        let Some(whole) = rule.captures_read_at(&mut locations, text, at) else { break };
        let span = locations.get(index).map(|(start, end)| Span { start: start + offset, end: end + offset });
        found.extend(span);
        at = whole.end().max(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finder() -> Finder {
        let rules = |patterns: &[&str], group| Rules::new(patterns, group, 1 << 20).unwrap();
        Finder::new(rules(GENERAL, "secret"), rules(&[], "volatile"))
    }

    fn found(text: &str) -> Vec<&str> {
        finder().secrets(text.as_bytes()).into_iter().map(|span| &text[span.range()]).collect()
    }

    #[test]
    fn patterns_of_the_program_have_their_group() {
        assert!(GENERAL.iter().all(|pattern| pattern.contains("(?<secret>")));
    }

    #[test]
    fn several_secrets_of_one_line_and_of_neighbouring_lines_are_all_found() {
        assert_eq!(
            found("a $1$x$y key 7 0102AB\n$5$q$r\n\nsecret 5 zzz"),
            ["$1$x$y", "0102AB", "$5$q$r", "zzz"]
        );
    }

    #[test]
    fn hashes_and_keys_are_found_in_any_language() {
        assert_eq!(found("x $1$abcd$efgh y"), ["$1$abcd$efgh"]);
        assert_eq!(found("secret \"$9$aBcD.-x\"; ## SECRET-DATA"), ["$9$aBcD.-x"]);
        assert_eq!(found("root:$6$salt$hash/./:19000:0:"), ["$6$salt$hash/./"]);
        assert_eq!(found("<hash>$2y$10$abcDEF./x</hash>"), ["$2y$10$abcDEF./x"]);
        assert_eq!(found("server-private 10.0.0.1 key 7 ABCDEF1234"), ["ABCDEF1234"]);
        assert_eq!(found("no secrets here: price $5 and $10\nkey chain BGP\nkey 1\n"), Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn spans_always_fit_the_text(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let spans = finder().secrets(&text);
            prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= text.len()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
