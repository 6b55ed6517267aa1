//! Which processes work on this database.

use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use std::time::Duration;

/// A process that gave a sign of life.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct Worker {
    /// Unique name.
    pub name: String,
    /// What it does, e.g. `worker`.
    pub kind: String,
    /// Its release.
    pub version: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// When it was seen first.
    pub started_at: DateTime<Utc>,
    /// When it was seen last.
    pub last_seen: DateTime<Utc>,
}

/// Says that this process lives and does work of this kind. Release, host and process id are added.
pub async fn heartbeat(store: &Store, name: &str, kind: &str) -> Result<(), StoreError> {
    const BEAT: &str = "INSERT INTO workers (name, kind, version, host, pid) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE SET kind = EXCLUDED.kind, version = EXCLUDED.version, host = EXCLUDED.host,
            pid = EXCLUDED.pid, last_seen = now()";
    let host = nix::sys::utsname::uname()
        .map(|name| name.nodename().to_string_lossy().into_owned())
        .unwrap_or_else(|_| "unknown".to_owned());
    sqlx::query(BEAT)
        .bind(clean(name))
        .bind(clean(kind))
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(host)
        .bind(i64::from(std::process::id()))
        .execute(store.pool())
        .await
        .map(drop)
        .map_err(StoreError::query("give a sign of life"))
}

/// Whether some process of this kind gave a sign of life within that time.
pub async fn alive(store: &Store, kind: &str, within: Duration) -> Result<bool, StoreError> {
    const ALIVE: &str = "SELECT EXISTS (SELECT 1 FROM workers
        WHERE kind = $1 AND last_seen >= now() - make_interval(secs => $2))";
    sqlx::query_scalar(ALIVE)
        .bind(clean(kind))
        .bind(within.as_secs_f64())
        .fetch_one(store.reader())
        .await
        .map_err(StoreError::query("look for workers"))
}

/// All processes that have not signed off, by name.
pub async fn list(store: &Store) -> Result<Vec<Worker>, StoreError> {
    sqlx::query_as("SELECT * FROM workers ORDER BY name")
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list workers"))
}

/// Signs off; nothing happens where the name is unknown.
pub async fn leave(store: &Store, name: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM workers WHERE name = $1")
        .bind(clean(name))
        .execute(store.pool())
        .await
        .map(drop)
        .map_err(StoreError::query("sign off"))
}
