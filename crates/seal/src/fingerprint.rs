use aws_lc_rs::hmac;
use std::fmt;

/// One device's fingerprint key, derived by the vault from its master and the device's UUID.
///
/// It is separate from the encryption keys, so that their rotation changes no fingerprint.
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

/// What stands in a secret's place begins so.
pub(crate) const MARKER_START: &[u8] = b"<secret:";
/// And ends so.
pub(crate) const MARKER_END: &[u8] = b">";
/// Length in bytes of what stands in a secret's place.
pub const MARKER_LENGTH: usize = MARKER_START.len() + 32 + MARKER_END.len();

impl FingerprintKey {
    /// Takes the 32 derived bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// Appends what stands in the place of a secret: `<secret:` + 128 bits in hexadecimal + `>`.
    pub(crate) fn mark(&self, secret: &[u8], out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"secret\0");
        context.update(secret);
        out.extend_from_slice(MARKER_START);
        for byte in &context.sign().as_ref()[..16] {
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        out.extend_from_slice(MARKER_END);
    }

    /// A keyed hash over labelled pieces, for the significant hash.
    pub(crate) fn context(&self, label: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.0);
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
