//! Decoding of columns that hold the model's own types.

use netraven_model::Hash256;
use sqlx::Row;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgRow;

/// A word of a closed set, e.g. a job's status.
pub(crate) fn word<T>(row: &PgRow, column: &str, parse: fn(&str) -> Option<T>) -> sqlx::Result<T> {
    optional_word(row, column, parse)?.ok_or_else(|| undecodable(column, "a value was expected, found null"))
}

/// A word of a closed set that may be missing.
pub(crate) fn optional_word<T>(
    row: &PgRow,
    column: &str,
    parse: fn(&str) -> Option<T>,
) -> sqlx::Result<Option<T>> {
    let stored: Option<&str> = row.try_get(column)?;
    stored
        .map(|word| parse(word).ok_or_else(|| undecodable(column, format!("unknown word '{word}'"))))
        .transpose()
}

/// A 256-bit digest.
pub(crate) fn hash(row: &PgRow, column: &str) -> sqlx::Result<Hash256> {
    let bytes: &[u8] = row.try_get(column)?;
    Hash256::from_slice(bytes)
        .ok_or_else(|| undecodable(column, format!("expected 32 bytes, found {}", bytes.len())))
}

/// A number that is never negative.
pub(crate) fn unsigned<T: TryFrom<i64>>(row: &PgRow, column: &str) -> sqlx::Result<T> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| undecodable(column, format!("{value} is out of range")))
}

/// What is stored does not fit the type that the column should hold.
pub(crate) fn undecodable(column: &str, reason: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: reason.into() }
}
