//! Fields that callers send, checked as they are read. What is refused is never quoted: it may be a secret at the wrong place.

use netraven_model::Secret;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use utoipa::ToSchema;

/// A device of the inventory, by number, public id or name.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "42")]
pub(crate) struct DeviceRef(pub(crate) String);

struct DeviceRefVisitor;

impl Visitor<'_> for DeviceRefVisitor {
    type Value = DeviceRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a UUID or a name of 1 to 253 characters")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<DeviceRef, E> {
        Ok(DeviceRef(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<DeviceRef, E> {
        Ok(DeviceRef(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<DeviceRef, E> {
        let fits = (1..=253).contains(&value.len()) && !value.contains(char::is_control);
        if fits { Ok(DeviceRef(value.to_owned())) } else { Err(E::invalid_length(value.len(), &self)) }
    }
}

impl<'de> Deserialize<'de> for DeviceRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeviceRefVisitor)
    }
}

/// A secret in a request. It is not kept beyond it.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}

/// An IP address or a DNS name: nothing else reaches the resolver.
pub(crate) fn is_address(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:%".contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-')
}

/// One command on one line: a line end in it would be a second command.
pub(crate) fn is_command(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && !text.trim().is_empty() && !text.contains(char::is_control)
}
