//! Invented secrets of the same shape as the real ones.

use std::hash::{BuildHasher, Hasher, RandomState};

const SHORT_WORD: usize = 3;
/// Words that say how a value is written, and stand behind it.
const FORMATS: &[&str] = &["hash", "hash2", "encrypted", "custom"];

/// A seed that nobody can guess from what was invented with it before.
pub fn random_seed() -> u64 {
    // The standard library's hashers start from the system's random numbers.
    RandomState::new().build_hasher().finish()
}

/// Invents. What it invents has nothing to do with what it replaces.
pub(super) struct Inventor {
    state: u64,
}

impl Inventor {
    pub(super) fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self { state: seed | 1 }
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        // xorshift64: no secret depends on it, only that it is not the one that was there.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % limit.max(1) as u64) as usize
    }

    /// A text with letters, digits and punctuation where `like` has them; never the same one.
    pub(super) fn like(&mut self, like: &str) -> String {
        for _ in 0..16 {
            let many = like.contains([' ', ',']);
            let fake: String = like.split_inclusive([' ', ',']).map(|word| self.word(word, many)).collect();
            if fake != like {
                return fake;
            }
        }
        // Punctuation alone has nothing to replace.
        "x".repeat(like.chars().count())
    }

    /// Of several words the short ones are lengths and the like, which the others must keep to.
    fn word(&mut self, word: &str, one_of_many: bool) -> String {
        let bare = word.trim_end_matches([' ', ',']);
        if one_of_many && (bare.len() <= SHORT_WORD || FORMATS.contains(&bare)) {
            return word.to_owned();
        }
        let hexadecimal = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let start = prefix(word);
        let rest: String = word[start..].chars().map(|c| self.one(c, hexadecimal)).collect();
        format!("{}{rest}", &word[..start])
    }

    fn one(&mut self, c: char, hexadecimal: bool) -> char {
        let alphabet: &[u8] = match c {
            '0'..='9' => b"0123456789",
            'a'..='z' if hexadecimal => b"abcdef",
            'A'..='Z' if hexadecimal => b"ABCDEF",
            'a'..='z' => b"abcdefghijklmnopqrstuvwxyz",
            'A'..='Z' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            c if c.is_alphanumeric() => b"abcdefghijklmnopqrstuvwxyz",
            _ => return c,
        };
        char::from(alphabet[self.below(alphabet.len())])
    }
}

/// Length of what names a hash's format, as `$6$` or `$2b$12$`: without it the value is no hash any more.
fn prefix(value: &str) -> usize {
    let Some(rest) = value.strip_prefix('$') else { return 0 };
    match rest.find('$') {
        Some(end) if end <= 5 => end + 2,
        _ => 0,
    }
}

/// The lab's kind of secret that a value looks like; `before` is what stands in front of it.
pub(super) fn kind(value: &str, before: &str) -> Option<&'static str> {
    let hash = |start: &str, salt: usize, sum: usize| {
        let parts = value.strip_prefix(start).and_then(|rest| rest.split_once('$'));
        parts.is_some_and(|(one, two)| one.len() == salt && two.len() == sum)
    };
    let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    let type7 = value.len() >= 6 && value.len().is_multiple_of(2) && value.bytes().all(upper_hex);
    let plain = (8..=24).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic());
    if hash("$1$", 4, 22) {
        Some("type5")
    } else if hash("$8$", 14, 43) {
        Some("type8")
    } else if hash("$9$", 14, 43) {
        Some("type9")
    } else if hash("$6$", 16, 86) {
        Some("sha512")
    } else if value.strip_prefix("$9$").is_some_and(|rest| rest.len() > 6 && !rest.contains('$')) {
        Some("junos9")
    } else if value.len() == 32 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Some("hex32")
    } else if type7 && before.ends_with(" 7 ") {
        Some("type7")
    } else if plain && !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Some("plain")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_values_have_the_shape_and_nothing_of_the_value() {
        let mut inventor = Inventor::new(7);
        for value in ["Hunter-22/x", "$2b$12$abcDEF./", "0123456789", "deadbeef00", "ENC Zm9vYmFy=="] {
            let fake = inventor.like(value);
            assert_ne!(fake, value);
            let shape = |text: &str| -> Vec<u8> {
                let class = |c: char| match c {
                    '0'..='9' => b'9',
                    'a'..='z' => b'a',
                    'A'..='Z' => b'A',
                    other => other as u8,
                };
                text.chars().map(class).collect()
            };
            assert_eq!(shape(&fake), shape(value));
        }
        assert!(inventor.like("$2b$12$abcDEF").starts_with("$2b$"));
        assert!(inventor.like("deadbeef").bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(inventor.like("--"), "xx");
    }

    #[test]
    fn known_kinds_are_told_apart() {
        let sum = "x".repeat(43);
        assert_eq!(kind("$1$abcd$0123456789012345678901", ""), Some("type5"));
        assert_eq!(kind(&format!("$9$12345678901234${sum}"), ""), Some("type9"));
        assert_eq!(kind("$9$aBcDeFgHiJ", ""), Some("junos9"));
        assert_eq!(kind("0822455D0A16", "password 7 "), Some("type7"));
        assert_eq!(kind("0822455D0A16", "key "), None);
        assert_eq!(kind("Sup3rSecretWord", "community "), Some("plain"));
        assert_eq!(kind("two words", "password "), None);
    }
}
