use aws_lc_rs::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// One device's fingerprint key, derived by the vault from its master and the device's UUID.
///
/// It is separate from the encryption keys, so that their rotation changes no fingerprint.
#[derive(Clone)]
pub struct FingerprintKey {
    key: hmac::Key,
    /// What it was made of: a gateway elsewhere is given the same key.
    bytes: Zeroizing<[u8; 32]>,
}

/// 128 bits that stand for one secret of one device: the same while its value is the same. Without the key nobody can
/// test guesses against it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl FingerprintKey {
    /// Takes the 32 derived bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), bytes: Zeroizing::new(bytes) }
    }

    /// The 32 bytes, for a request to a gateway elsewhere. Whoever has them can test guesses against fingerprints.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What stands for a secret.
    pub fn fingerprint(&self, secret: &[u8]) -> Fingerprint {
        let mut context = self.context(b"secret");
        context.update(secret);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.sign().as_ref()[..16]);
        Fingerprint(bytes)
    }

    /// A keyed hash over labelled pieces, for the significant hash.
    pub(crate) fn context(&self, label: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label);
        context.update(b"\0");
        context
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(***)")
    }
}

impl Fingerprint {
    /// Reads 32 hexadecimal digits.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let mut bytes = [0; 16];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

/// Markers are written in small letters; what has capital ones is no marker.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
