//! `schema/columns.txt`: which column may be seen by whom.

use crate::StoreError;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(crate) const TEXT: &str = include_str!("../../../../schema/columns.txt");

static SHIPPED: LazyLock<Result<Columns, String>> = LazyLock::new(|| Columns::parse(TEXT));

/// Who may see a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// May stand in a report.
    Public,
    /// For NetRaven's own services.
    Internal,
    /// Ciphertext.
    Sealed,
}

impl Class {
    /// The class of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "sealed" => Some(Self::Sealed),
            _ => None,
        }
    }
}

/// Every column with its class, by table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(BTreeMap<String, BTreeMap<String, Class>>);

impl Columns {
    /// This release's.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where the file is not what it should be, which a test excludes.
    pub fn shipped() -> Result<&'static Self, StoreError> {
        SHIPPED.as_ref().map_err(|reason| StoreError::invalid("schema/columns.txt", reason))
    }

    /// The names of all tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The columns of a table with their classes; none for an unknown table.
    pub fn of(&self, table: &str) -> impl Iterator<Item = (&str, Class)> {
        self.0.get(table).into_iter().flatten().map(|(name, class)| (name.as_str(), *class))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut columns: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.split_whitespace();
            let (Some(name), class) = (words.next(), words.next()) else { continue };
            if name.starts_with('#') {
                continue;
            }
            let wrong = || format!("line {number}: expected `table.column class`, found '{line}'");
            let (table, column) = name.split_once('.').ok_or_else(wrong)?;
            let class = class.and_then(Class::from_name).ok_or_else(wrong)?;
            let before = columns.entry(table.to_owned()).or_default().insert(column.to_owned(), class);
            if before.is_some() || words.next().is_some() {
                return Err(wrong());
            }
        }
        Ok(Self(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_can_be_read_and_knows_every_secret_column() {
        let columns = Columns::shipped().unwrap();
        let sealed: Vec<_> = columns
            .of("credentials")
            .filter(|(_, class)| *class == Class::Sealed)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(sealed, ["enable_secret", "key_passphrase", "password", "private_key"]);
        let hash = columns.of("users").find(|(name, _)| *name == "password_hash");
        assert_eq!(hash, Some(("password_hash", Class::Internal)));
    }

    #[test]
    fn a_line_that_says_something_else_is_an_error() {
        for wrong in ["a.b", "a public", "a.b secret", "a.b public x", "a.b public\na.b sealed"] {
            assert!(Columns::parse(wrong).is_err(), "{wrong}");
        }
    }
}
