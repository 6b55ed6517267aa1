//! What a backup says of itself.

use super::error::BackupError;
use chrono::{DateTime, Utc};
use netraven_model::Hash256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The form that this release writes.
const FORMAT: u32 = 1;
/// Name of the field with the checksum over all others.
const CHECKSUM: &str = "manifest_sha256";
/// A manifest of ten thousand partitions has less than a MiB.
const LARGEST: u64 = 16 << 20;

/// What stands in a backup, and what it needs to be of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Number of this form.
    pub format: u32,
    /// The release of NetRaven that made it.
    pub netraven: String,
    /// Version of the schema in it.
    pub schema_version: i64,
    /// Version of the server, e.g. `15.8`.
    pub postgresql: String,
    /// Major version of the server.
    pub postgresql_major: u32,
    /// Major version of the `pg_dump` that made it; `pg_restore` must not be older.
    pub pg_dump_major: u32,
    /// Name of the database.
    pub database: String,
    /// Which installation it is; `None` in a database that does not say.
    pub installation: Option<Uuid>,
    /// The moment it shows, in UTC.
    pub created_at: DateTime<Utc>,
    /// Size of the dump in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the dump, in hexadecimal digits.
    pub sha256: String,
    /// Rows of each table; partitions stand under their own names.
    pub rows: BTreeMap<String, u64>,
    /// Numbers of the keys that the stored secrets need. The keys themselves are in the key file alone.
    pub keys: Vec<u32>,
    /// The schema in which the extension `pg_trgm` stands, since indexes name it.
    pub trigrams_in: Option<String>,
}

impl Manifest {
    /// The form that this release writes.
    pub(super) const FORMAT: u32 = FORMAT;

    /// Rows of all tables together.
    pub fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// The file's text, with the checksum.
    pub(super) fn to_text(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        let checksum = checksum(&value)?;
        value[CHECKSUM] = checksum.into();
        let mut text = serde_json::to_vec_pretty(&value)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads a manifest and checks that it is as it was written.
    pub(super) fn read(path: &Path) -> Result<Self, BackupError> {
        let wrong = |reason: String| BackupError::Manifest { path: path.to_owned(), reason };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(wrong("it is missing".to_owned()));
            }
            Err(error) => return Err(BackupError::io("read", path)(error)),
        };
        let mut text = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut text).map_err(BackupError::io("read", path))?;
        if text.len() as u64 > LARGEST {
            return Err(wrong(format!("it is larger than {LARGEST} bytes")));
        }
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let mut value: Value =
            serde_json::from_slice(text).map_err(|error| format!("expected JSON, {error}"))?;
        let object = value.as_object_mut().ok_or("expected a JSON object")?;
        let format = object.get("format").and_then(Value::as_u64).ok_or("it has no format number")?;
        if format != u64::from(FORMAT) {
            return Err(format!("it has format {format}, this release reads format {FORMAT}"));
        }
        let stated = object.remove(CHECKSUM).ok_or_else(|| format!("it has no {CHECKSUM}"))?;
        let found = checksum(&value).map_err(|error| error.to_string())?;
        if stated.as_str() != Some(&found) {
            return Err(format!("it was altered: its content has SHA-256 {found}, it says {stated}"));
        }
        serde_json::from_value(value).map_err(|error| format!("it is not a backup's: {error}"))
    }
}

/// The manifest's path for a dump's: the same name, ending in `.json`.
pub(super) fn beside(dump: &Path) -> PathBuf {
    dump.with_extension("json")
}

/// Over the values, not the bytes, so that another line end or indentation alters nothing. Names are sorted.
fn checksum(value: &Value) -> Result<String, serde_json::Error> {
    let sorted: BTreeMap<&str, &Value> =
        value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
    Ok(Hash256::sha256(&serde_json::to_vec(&sorted)?).to_string())
}

#[cfg(test)]
impl Manifest {
    /// One with awkward values.
    pub(super) fn for_tests() -> Self {
        Self {
            format: FORMAT,
            netraven: "0.1.0".into(),
            schema_version: 2,
            postgresql: "15.8".into(),
            postgresql_major: 15,
            pg_dump_major: 15,
            database: "net \"raven\"".into(),
            installation: Some(Uuid::nil()),
            created_at: DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::nanoseconds(123_456_789),
            size_bytes: u64::MAX,
            sha256: "00".into(),
            rows: [("devices".to_owned(), 3), ("a".to_owned(), u64::MAX / 2)].into(),
            keys: vec![1, 7],
            trigrams_in: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_as_it_was_written_in_any_indentation_and_order() {
        let text = Manifest::for_tests().to_text().unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), Manifest::for_tests());
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(Manifest::parse(value.to_string().as_bytes()).unwrap(), Manifest::for_tests());
        let mut fields: Vec<_> = value.as_object().unwrap().iter().collect();
        fields.reverse();
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let reversed = format!("{{{}}}\r\n", fields.join(",\r\n"));
        assert_eq!(Manifest::parse(reversed.as_bytes()).unwrap(), Manifest::for_tests());
    }

    #[test]
    fn every_altered_field_is_noticed() {
        let text = Manifest::for_tests().to_text().unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        for name in value.as_object().unwrap().keys() {
            let mut altered = value.clone();
            altered[name] = "something else".into();
            assert!(Manifest::parse(altered.to_string().as_bytes()).is_err(), "{name}");
            let mut without = value.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(Manifest::parse(without.to_string().as_bytes()).is_err(), "{name}");
        }
        let mut more = value.clone();
        more["added"] = 1.into();
        assert!(Manifest::parse(more.to_string().as_bytes()).unwrap_err().contains("it was altered"));
        let mut rows = value;
        rows["rows"]["devices"] = 4.into();
        assert!(Manifest::parse(rows.to_string().as_bytes()).unwrap_err().contains("it was altered"));
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "expected JSON"),
            ("[]", "expected a JSON object"),
            ("{}", "no format number"),
            ("{\"format\": 2}", "it has format 2, this release reads format 1"),
            ("{\"format\": 1}", "no manifest_sha256"),
        ] {
            assert!(Manifest::parse(text.as_bytes()).unwrap_err().contains(reason), "{text}");
        }
    }
}
