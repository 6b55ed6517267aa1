use crate::chance::Chance;

const ALPHANUMERIC: &str = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const HEX: &str = "0123456789abcdef";
const HEX_UPPER: &str = "0123456789ABCDEF";
/// The alphabet of crypt(3).
const CRYPT: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The alphabet that Cisco's type 6 encryption writes its bytes in.
const TYPE6: &str = "ABCDEFGHIKLMNOPQRSTUVWXYZ^_[]`abcdefghi";
const JUNOS9: &str = "QzF3n69CAtpuO1IREhcSyrleKvMWLX7NVdbws2Y4goaJZGUDjiHkqmPf5T";

/// The shapes in which devices write secrets. The values are invented: they have the shape, but nothing opens them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretKind {
    /// In clear: SNMP communities, pre-shared keys.
    Plain,
    /// MD5 crypt, `$1$`.
    Type5,
    /// Cisco's AES with a master key.
    Type6,
    /// Cisco's reversible obfuscation.
    Type7,
    /// PBKDF2 in Cisco's writing, `$8$`.
    Type8,
    /// scrypt in Cisco's writing, `$9$`.
    Type9,
    /// SHA-512 crypt, `$6$`.
    Sha512,
    /// Junos' reversible obfuscation, which starts with `$9$` as well.
    Junos9,
    /// 32 hexadecimal digits.
    Hex32,
}

impl SecretKind {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "plain" => Self::Plain,
            "type5" => Self::Type5,
            "type6" => Self::Type6,
            "type7" => Self::Type7,
            "type8" => Self::Type8,
            "type9" => Self::Type9,
            "sha512" => Self::Sha512,
            "junos9" => Self::Junos9,
            "hex32" => Self::Hex32,
            _ => return None,
        })
    }

    /// An invented secret of this kind.
    pub(super) fn invent(self, chance: &mut Chance) -> String {
        match self {
            Self::Plain => chance.word(ALPHANUMERIC, 14),
            Self::Type5 => format!("$1${}${}", chance.word(CRYPT, 4), chance.word(CRYPT, 22)),
            Self::Type6 => chance.word(TYPE6, 30),
            Self::Type7 => {
                let salt = chance.below(16);
                format!("{salt:02}{}", chance.word(HEX_UPPER, 20))
            }
            Self::Type8 => format!("$8${}${}", chance.word(CRYPT, 14), chance.word(CRYPT, 43)),
            Self::Type9 => format!("$9${}${}", chance.word(CRYPT, 14), chance.word(CRYPT, 43)),
            Self::Sha512 => format!("$6${}${}", chance.word(CRYPT, 16), chance.word(CRYPT, 86)),
            Self::Junos9 => format!("$9${}", chance.word(JUNOS9, 26)),
            Self::Hex32 => chance.word(HEX, 32),
        }
    }
}
