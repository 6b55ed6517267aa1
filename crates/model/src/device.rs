use crate::{DeviceId, Protocol};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;
use uuid::Uuid;

/// A device's name as people type it: 1 to 253 letters, digits, `.`, `-`, `_`, not starting with `-` or `.`.
///
/// Wider than RFC 1123 by the underscore, which inventories use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeviceName(String);

/// Why a text is no device name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DeviceNameError {
    /// Empty, or longer than 253 characters.
    #[error("a device name has 1 to 253 characters, this one has {0}")]
    Length(usize),
    /// A character that a name cannot have.
    #[error(
        "'{name}' cannot be a device name: {found:?} is not a letter, digit, '.', '-' or '_' (nor may it start with '-' or '.')"
    )]
    Character {
        /// The whole text.
        name: String,
        /// The first character that is wrong.
        found: char,
    },
}

impl DeviceName {
    /// Checks the text; surrounding white space is not forgiven here.
    pub fn parse(text: &str) -> Result<Self, DeviceNameError> {
        let length = text.chars().count();
        if !(1..=253).contains(&length) {
            return Err(DeviceNameError::Length(length));
        }
        let wrong = |(at, c): &(usize, char)| {
            !(c.is_ascii_alphanumeric() || *c == '_' || (*at > 0 && matches!(c, '.' | '-')))
        };
        match text.char_indices().find(wrong) {
            Some((_, found)) => Err(DeviceNameError::Character { name: text.to_owned(), found }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a session goes and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The device's row; `None` for a device that is not in the inventory.
    pub device: Option<DeviceId>,
    /// The device's immutable public id; bound into fingerprints.
    pub uuid: Uuid,
    /// Name for people and for messages.
    pub hostname: String,
    /// IP address or DNS name.
    pub address: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// TCP port.
    pub port: u16,
    /// Platform name, e.g. `cisco_ios`.
    pub platform: String,
}

/// A server's SSH host key as stored in `host_keys` (RFC 4253, section 6.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostKey {
    /// Algorithm, e.g. `ssh-ed25519`.
    pub algorithm: String,
    /// The public key blob, base64 as in `known_hosts`.
    pub key: String,
    /// `SHA256:...` as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_use_are_accepted_and_others_named() {
        for good in ["r1", "core-sw1.example.net", "FW_01", "9300x"] {
            assert_eq!(DeviceName::parse(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
        assert_eq!(DeviceName::parse(""), Err(DeviceNameError::Length(0)));
        assert_eq!(DeviceName::parse(&"x".repeat(254)), Err(DeviceNameError::Length(254)));
        for (bad, found) in
            [("a b", ' '), ("-r1", '-'), (".r1", '.'), ("r1\n", '\n'), ("é", 'é'), ("a;b", ';')]
        {
            assert_eq!(DeviceName::parse(bad), Err(DeviceNameError::Character { name: bad.into(), found }));
        }
    }
}
