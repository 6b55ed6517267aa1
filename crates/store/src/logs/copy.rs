//! Rows in the binary format of `COPY` (PostgreSQL manual, "COPY", section "Binary Format").

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// PostgreSQL counts time from the first day of 2000; this is that day in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// The rows of one `COPY`.
pub(super) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
}

impl Rows {
    pub(super) fn new(columns: i16) -> Self {
        // Signature, no flags, no extension of the header.
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, columns }
    }

    /// Begins a row; as many fields as there are columns must follow.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    pub(super) fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.field(value.as_bytes())
    }

    pub(super) fn bigint(&mut self, value: Option<i64>) -> &mut Self {
        self.optional(value.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]))
    }

    pub(super) fn timestamp(&mut self, value: DateTime<Utc>) -> &mut Self {
        self.field(&(value.timestamp_micros() - EPOCH).to_be_bytes())
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.field(value.as_bytes())
    }

    pub(super) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.optional(value.map(str::as_bytes))
    }

    pub(super) fn boolean(&mut self, value: Option<bool>) -> &mut Self {
        self.optional(value.map(|value| [u8::from(value)]).as_ref().map(|bytes| &bytes[..]))
    }

    /// A `jsonb`: the version of its format, then its text.
    pub(super) fn json(&mut self, value: Option<&Value>) -> &mut Self {
        let text = value.map(|value| format!("\u{1}{value}"));
        self.optional(text.as_ref().map(|text| text.as_bytes()))
    }

    /// All rows with the mark of the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }

    fn field(&mut self, value: &[u8]) -> &mut Self {
        self.optional(Some(value))
    }

    /// The server refuses a field of more than 1 GiB, long before its length does not fit.
    fn optional(&mut self, value: Option<&[u8]>) -> &mut Self {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self
    }
}
