//! Numbers and words that look random but follow from a seed, so that a device of the lab is the
//! same one after a restart. Nothing here protects anything: the lab's secrets are public.

/// A stream of numbers that follows from a seed, an index and a label.
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream for one purpose (`label`) of one device (`index`) of one lab (`seed`).
    pub(crate) fn new(seed: u64, index: u32, label: &str) -> Self {
        let mut state = mix(seed ^ 0x6c61_622d_7365_6564);
        state = mix(state ^ u64::from(index));
        for byte in label.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Self(state)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// A number from 0 up to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // 53 bits are what a double holds without rounding.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A word of `length` characters out of `alphabet`, which is ASCII.
    pub(crate) fn word(&mut self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        (0..length).map(|_| char::from(letters[self.below(letters.len() as u64) as usize])).collect()
    }

    /// 32 bytes, the size of an Ed25519 seed.
    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): spreads every input bit.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_follows_from_seed_index_and_label() {
        let first = |seed, index, label| Chance::new(seed, index, label).next();
        assert_eq!(first(1, 2, "a"), first(1, 2, "a"));
        assert_ne!(first(1, 2, "a"), first(2, 2, "a"));
        assert_ne!(first(1, 2, "a"), first(1, 3, "a"));
        assert_ne!(first(1, 2, "a"), first(1, 2, "b"));
    }

    #[test]
    fn ten_thousand_devices_have_ten_thousand_different_words() {
        let words: std::collections::HashSet<_> =
            (0..10_000).map(|index| Chance::new(7, index, "snmp").word("abcdefghijklmnop", 12)).collect();
        assert_eq!(words.len(), 10_000);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut chance = Chance::new(1, 1, "bound");
        assert!((0..1000).all(|_| chance.below(7) < 7));
        assert_eq!(chance.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&chance.fraction())));
    }
}
