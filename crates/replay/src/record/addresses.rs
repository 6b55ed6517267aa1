//! Addresses of a network, replaced so that equal ones stay equal and neighbours stay neighbours.

use super::fake::Inventor;
use regex::Regex;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::LazyLock;

const IPV4: &str = r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b";
const IPV6: &str = r"\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}";
const MAC: &str = r"\b(?:[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})\b";
/// The maker's part of a hardware address stays.
const MAKER_DIGITS: usize = 6;
/// The groups of an IPv6 address that stay, as the first octet of a private IPv4 address does.
const KEPT_GROUPS: usize = 1;

/// One renaming of all addresses.
pub(super) struct Addresses {
    /// What becomes of an octet; 0 and 255 stay, because networks and masks are made of them.
    octets: [u8; 256],
    /// What becomes of a hexadecimal digit; 0 stays.
    digits: [u8; 16],
}

impl Addresses {
    pub(super) fn new(inventor: &mut Inventor) -> Self {
        let mut octets = std::array::from_fn(|at| at as u8);
        shuffle(&mut octets[1..255], inventor);
        let mut digits = std::array::from_fn(|at| at as u8);
        shuffle(&mut digits[1..], inventor);
        Self { octets, digits }
    }

    /// Where addresses stand in a text, and what to put there.
    pub(super) fn find(&self, text: &str) -> Vec<(Range<usize>, String)> {
        let mut found = Vec::new();
        let mut add = |pattern: &LazyLock<Option<Regex>>, rename: &dyn Fn(&str) -> Option<String>| {
            for hit in pattern.as_ref().into_iter().flat_map(|pattern| pattern.find_iter(text)) {
                // A version number may look like an address with a dot too many.
                let touches = |c: Option<char>| c.is_some_and(|c| c == '.' || c.is_alphanumeric());
                let before = text[..hit.start()].chars().next_back();
                let after = text[hit.end()..].chars().take(2).collect::<String>();
                let continues = after.starts_with('.') && touches(after.chars().nth(1));
                let Some(name) = rename(hit.as_str()).filter(|_| !touches(before) && !continues) else {
                    continue;
                };
                found.push((hit.range(), name));
            }
        };
        static PATTERNS: [LazyLock<Option<Regex>>; 3] = [
            LazyLock::new(|| Regex::new(MAC).ok()),
            LazyLock::new(|| Regex::new(IPV4).ok()),
            LazyLock::new(|| Regex::new(IPV6).ok()),
        ];
        add(&PATTERNS[0], &|mac| Some(self.hexadecimal(mac, MAKER_DIGITS)));
        add(&PATTERNS[1], &|address| self.ipv4(address));
        add(&PATTERNS[2], &|address| self.ipv6(address));
        found
    }

    fn ipv4(&self, text: &str) -> Option<String> {
        let address: Ipv4Addr = text.parse().ok()?;
        let [a, b, c, d] = address.octets();
        let special = a == 0 || a == 127 || a >= 224;
        let map = |octet: u8| self.octets[usize::from(octet)];
        let kept = match (a, b) {
            (10 | 100 | 169, _) => [a, map(b)],
            (172, 16..=31) | (192, 168) => [a, b],
            // Documentation's own range: nobody's network.
            _ => [198, map(b)],
        };
        (!special).then(|| Ipv4Addr::new(kept[0], kept[1], map(c), map(d)).to_string())
    }

    fn ipv6(&self, text: &str) -> Option<String> {
        let whole = text.contains("::") || text.matches(':').count() == 7;
        let local = text.to_ascii_lowercase().starts_with("ff");
        let kept = text.split(':').take(KEPT_GROUPS).map(str::len).sum();
        (whole && !local).then(|| self.hexadecimal(text, kept))
    }

    /// Renames the digits behind the first `kept` ones.
    fn hexadecimal(&self, text: &str, kept: usize) -> String {
        let mut seen = 0;
        let rename = |c: char| {
            let Some(digit) = c.to_digit(16) else { return c };
            seen += 1;
            let new = u32::from(self.digits[digit as usize]);
            let new = char::from_digit(new, 16).filter(|_| seen > kept).unwrap_or(c);
            if c.is_ascii_uppercase() { new.to_ascii_uppercase() } else { new }
        };
        text.chars().map(rename).collect()
    }
}

fn shuffle(values: &mut [u8], inventor: &mut Inventor) {
    for at in (1..values.len()).rev() {
        values.swap(at, inventor.below(at + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> String {
        let addresses = Addresses::new(&mut Inventor::new(7));
        let mut found = addresses.find(text);
        found.sort_by_key(|(range, _)| range.start);
        found.into_iter().rev().fold(text.to_owned(), |mut text, (range, name)| {
            text.replace_range(range, &name);
            text
        })
    }

    #[test]
    fn addresses_change_together_and_masks_stay() {
        let text =
            replaced("ip 10.20.30.40 255.255.255.0 wild 0.0.0.255 gw 10.20.30.1 all 224.0.0.5 lo 127.0.0.1");
        assert!(!text.contains("10.20.30.40") && !text.contains("10.20.30.1 "), "{text}");
        for kept in ["255.255.255.0", "0.0.0.255", "224.0.0.5", "127.0.0.1"] {
            assert!(text.contains(kept), "{text}");
        }
        let words: Vec<&str> = text.split(' ').collect();
        let network = |address: &str| address.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(network(words[1]), network(words[6]), "{text}");
    }

    #[test]
    fn versions_and_times_are_no_addresses() {
        for text in ["JunOS 4.30.5.1.2", "at 10:20:30 UTC", "12:34:56", "15.2(4)M"] {
            assert_eq!(replaced(text), text);
        }
    }

    #[test]
    fn hardware_addresses_keep_their_maker() {
        let text = replaced("mac 001a.2b3c.4d5e and 00:1A:2B:3C:4D:5E");
        assert!(text.contains("001a.2b") && text.contains("00:1A:2B:"), "{text}");
        assert!(!text.contains("3c.4d5e") && !text.contains("3C:4D:5E"), "{text}");
    }
}
