//! What these tests begin with.

use crate::support::{Fixture, fixture};
use netraven_store::ConnectSettings;
use netraven_store::backup::{BackupError, BackupSettings, Created, RestoreSettings, create};
use netraven_store::testing::{TestDatabase, skip_or_fail};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A database with something in it, and a folder for its backups.
pub struct Bench {
    pub fixture: Fixture,
    temp: tempfile::TempDir,
}

impl Bench {
    /// With a device that has two versions.
    pub async fn new() -> Option<Self> {
        let fixture = fixture().await?;
        fixture.add_device("r1").await;
        fixture.back_up("hostname one\n").await;
        fixture.back_up("hostname two\n").await;
        Some(Self { fixture, temp: tempfile::tempdir().unwrap() })
    }

    /// A folder with a blank in its name, which is not there yet.
    pub fn folder(&self) -> PathBuf {
        self.temp.path().join("all backups")
    }

    pub fn settings(&self) -> BackupSettings {
        settings(&self.fixture.database, &self.folder())
    }

    /// A backup; `None` where the programs for it are missing.
    pub async fn backup(&self) -> Option<Created> {
        made(create(&self.settings()).await)
    }
}

pub fn settings(database: &TestDatabase, directory: &Path) -> BackupSettings {
    settings_for(ConnectSettings::new(database.url()), directory)
}

pub fn settings_for(database: ConnectSettings, directory: &Path) -> BackupSettings {
    BackupSettings {
        database,
        directory: directory.to_owned(),
        keep: 0,
        binaries: None,
        release: "9.8.7".to_owned(),
        key_number,
    }
}

pub async fn restore_settings(database: &TestDatabase) -> RestoreSettings {
    RestoreSettings { setup: database.setup().await, binaries: None }
}

/// As the vault writes ciphertexts: the format's number, then the key's.
fn key_number(head: &[u8]) -> Option<u32> {
    let (format, rest) = head.split_first()?;
    (*format == 1 && head.len() == 17).then(|| u32::from_be_bytes(rest[..4].try_into().unwrap()))
}

/// The backup; `None`, visibly, where the programs are missing.
#[track_caller]
pub fn made(result: Result<Created, BackupError>) -> Option<Created> {
    match result {
        Err(reason @ BackupError::NoProgram { .. }) => {
            skip_or_fail(&reason.to_string());
            None
        }
        result => Some(result.unwrap()),
    }
}

/// Files in the folder, lock aside.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// A digest of every table's content.
pub async fn content(database: &TestDatabase) -> BTreeMap<String, String> {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('netraven') AND relkind = 'r'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut content = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(row::text, ' ' ORDER BY row::text)), '') FROM netraven.{table} row"
        );
        let digest = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        content.insert(table, digest);
    }
    content
}

/// Whether there is a schema `netraven` with anything in it.
pub async fn is_empty(database: &TestDatabase) -> bool {
    content(database).await.is_empty()
}
