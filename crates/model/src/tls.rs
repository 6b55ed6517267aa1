//! How much a device's certificate must prove.

use crate::Hash256;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What one device is believed over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// What its certificate must prove.
    pub certificate: CertificateCheck,
    /// Whether TLS 1.0 and 1.1, CBC and keys of any size will do: for devices that know nothing else.
    pub legacy: bool,
}

impl TlsTrust {
    /// From the words that are stored: `verify`, `insecure`, or a pin.
    ///
    /// # Errors
    /// A text that is none of them.
    pub fn from_words(certificate: &str, legacy: bool) -> Result<Self, NoPin> {
        let certificate = match certificate {
            "verify" => CertificateCheck::Authorities,
            "insecure" => CertificateCheck::Off,
            pin => CertificateCheck::Pin(pin.parse()?),
        };
        Ok(Self { certificate, legacy })
    }

    /// The word for what its certificate must prove, as [`TlsTrust::from_words`] reads it.
    pub fn certificate_word(&self) -> String {
        match self.certificate {
            CertificateCheck::Authorities => "verify".to_owned(),
            CertificateCheck::Off => "insecure".to_owned(),
            CertificateCheck::Pin(pin) => pin.to_string(),
        }
    }
}

/// What a certificate must prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateCheck {
    /// That an authority known here signed it for the device's address, and that it is valid now.
    #[default]
    Authorities,
    /// That it is this very certificate or key, whoever signed it.
    Pin(CertificatePin),
    /// Nothing: whoever answers gets the credential.
    Off,
}

/// SHA-256 of a certificate (DER), or of its public key (SPKI in DER, RFC 7469, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertificatePin(pub Hash256);

/// Why a text is no pin.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{0}' is no SHA-256 fingerprint: 64 hexadecimal digits are expected, with or without colons")]
pub struct NoPin(String);

impl FromStr for CertificatePin {
    type Err = NoPin;

    /// As `openssl x509 -fingerprint -sha256` and this program print it: colons and a leading `sha256:` may be there.
    fn from_str(text: &str) -> Result<Self, NoPin> {
        let lower = text.trim().to_ascii_lowercase();
        let digits: String =
            lower.strip_prefix("sha256:").unwrap_or(&lower).chars().filter(|c| *c != ':').collect();
        let wrong = || NoPin(text.chars().take(100).collect());
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(Hash256(hash)))
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_stored_as_a_word_or_a_pin() {
        let pin = CertificatePin(Hash256::sha256(b"x"));
        let of = |words: &str| TlsTrust::from_words(words, false).map(|trust| trust.certificate);
        assert_eq!(of("verify"), Ok(CertificateCheck::Authorities));
        assert_eq!(of("insecure"), Ok(CertificateCheck::Off));
        assert_eq!(of(&pin.to_string()), Ok(CertificateCheck::Pin(pin)));
        assert!(of("sha256:abc").is_err() && of("").is_err());
        for words in ["verify".to_owned(), "insecure".to_owned(), pin.to_string()] {
            assert_eq!(TlsTrust::from_words(&words, true).map(|trust| trust.certificate_word()), Ok(words));
        }
    }

    #[test]
    fn pins_are_read_as_other_tools_print_them() {
        let pin = CertificatePin(Hash256::sha256(b"x"));
        let shown = pin.to_string();
        let colons: Vec<String> = pin.0.0.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [shown.clone(), shown.replace("sha256:", ""), format!("SHA256:{}", colons.join(":"))] {
            assert_eq!(text.parse(), Ok(pin), "{text}");
        }
        for text in
            ["", "sha256:", "12:34", &shown[..shown.len() - 1], &format!("{}g", &shown[..shown.len() - 1])]
        {
            assert!(text.parse::<CertificatePin>().is_err(), "{text}");
        }
    }
}
