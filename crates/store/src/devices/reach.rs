use crate::text::clean;
use crate::{Store, StoreError};
use netraven_model::{HostKey, Protocol, SshProfile};
use sqlx::PgConnection;

/// As many jump hosts as one device may lie behind.
pub const MAX_HOPS: i64 = 8;

/// How a device is reached beyond its address; `None` leaves a field as it is, or at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// What is spoken to it.
    pub protocol: Option<Protocol>,
    /// What is spoken to it where `protocol` says nothing and the device is new.
    pub usual_protocol: Option<Protocol>,
    /// The weakest SSH algorithms allowed; `Some(None)` learns them anew at the next contact.
    pub ssh_profile: Option<Option<SshProfile>>,
    /// Name of the device through which it is reached; an empty text removes it.
    pub jump_host: Option<String>,
    /// Whom to believe over HTTPS: `verify`, `insecure` or `sha256:` and the digest of a certificate.
    pub tls: Option<String>,
    /// Whether protocols before TLS 1.2 may be spoken.
    pub tls_legacy: Option<bool>,
}

/// Sets how devices are reached; pairs of a row and what to set.
///
/// # Errors
/// [`StoreError::Invalid`] for a jump host that is no device or lies behind the device itself.
pub(super) async fn set(tx: &mut PgConnection, devices: &[(i64, &Reach)]) -> Result<(), StoreError> {
    const SET: &str = "UPDATE devices SET protocol = coalesce(r.protocol, devices.protocol),
            ssh_profile = nullif(coalesce(r.ssh_profile, devices.ssh_profile), ''),
            jump_host = CASE WHEN r.jump_host = '' THEN NULL ELSE coalesce(
                (SELECT j.id FROM devices j WHERE j.hostname = r.jump_host), devices.jump_host) END,
            tls = coalesce(r.tls, devices.tls), tls_legacy = coalesce(r.tls_legacy, devices.tls_legacy)
        FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
            AS r (id, protocol, ssh_profile, jump_host, tls, tls_legacy) WHERE devices.id = r.id";
    let changed: Vec<_> = devices.iter().filter(|(_, reach)| **reach != Reach::default()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let profile =
        |profile: Option<Option<SshProfile>>| profile.map(|word| word.map_or("", SshProfile::as_str));
    let jump_hosts: Vec<_> = changed.iter().map(|(_, reach)| reach.jump_host.as_deref().map(clean)).collect();
    check_names(tx, jump_hosts.iter().flatten().filter(|name| !name.is_empty()).map(AsRef::as_ref)).await?;
    sqlx::query(SET)
        .bind(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, reach)| reach.protocol.map(Protocol::as_str)).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, reach)| profile(reach.ssh_profile)).collect::<Vec<_>>())
        .bind(&jump_hosts)
        .bind(changed.iter().map(|(_, reach)| reach.tls.as_deref()).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, reach)| reach.tls_legacy).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .map_err(StoreError::query("set how devices are reached"))?;
    check_ways(tx).await
}

async fn check_names(tx: &mut PgConnection, names: impl Iterator<Item = &str>) -> Result<(), StoreError> {
    const UNKNOWN: &str = "SELECT name FROM UNNEST($1::text[]) AS w (name)
        WHERE NOT EXISTS (SELECT 1 FROM devices d WHERE d.hostname = w.name) LIMIT 1";
    let unknown: Option<String> = sqlx::query_scalar(UNKNOWN)
        .bind(names.collect::<Vec<_>>())
        .fetch_optional(tx)
        .await
        .map_err(StoreError::query("look up jump hosts"))?;
    match unknown {
        Some(name) => {
            Err(StoreError::invalid("the jump host", format!("'{name}' is no device of the inventory")))
        }
        None => Ok(()),
    }
}

/// A way that leads in a circle has no end, and is found as one that is too long.
async fn check_ways(tx: &mut PgConnection) -> Result<(), StoreError> {
    const LONGEST: &str = "WITH RECURSIVE way AS (
            SELECT id, jump_host, 1::bigint AS hops FROM devices WHERE jump_host IS NOT NULL
            UNION ALL
            SELECT way.id, d.jump_host, way.hops + 1 FROM way JOIN devices d ON d.id = way.jump_host
            WHERE d.jump_host IS NOT NULL AND way.hops <= $1)
        SELECT d.hostname FROM way JOIN devices d ON d.id = way.id WHERE way.hops > $1 LIMIT 1";
    let lost: Option<String> = sqlx::query_scalar(LONGEST)
        .bind(MAX_HOPS)
        .fetch_optional(tx)
        .await
        .map_err(StoreError::query("follow jump hosts"))?;
    match lost {
        Some(name) => Err(StoreError::invalid(
            "the jump host",
            format!("'{name}' would lie behind itself, or behind more than {MAX_HOPS} jump hosts"),
        )),
        None => Ok(()),
    }
}

/// The host keys that an address outside the inventory has shown, the oldest first.
pub async fn known_host(store: &Store, address: &str, port: u16) -> Result<Vec<HostKey>, StoreError> {
    const KEYS: &str = "SELECT algorithm, key, fingerprint FROM known_hosts
        WHERE address = $1 AND port = $2 ORDER BY first_seen, algorithm";
    let rows: Vec<(String, String, String)> = sqlx::query_as(KEYS)
        .bind(clean(address))
        .bind(i32::from(port))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read an address's host keys"))?;
    let key = |(algorithm, key, fingerprint)| HostKey { algorithm, key, fingerprint };
    Ok(rows.into_iter().map(key).collect())
}

/// Remembers the host key of an address outside the inventory. Only its first key is taken on trust: where one is there
/// already, nothing is remembered.
pub async fn remember_host(store: &Store, address: &str, port: u16, key: &HostKey) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO known_hosts (address, port, algorithm, fingerprint, key)
        SELECT $1, $2, $3, $4, $5
        WHERE NOT EXISTS (SELECT 1 FROM known_hosts WHERE address = $1 AND port = $2)
        ON CONFLICT DO NOTHING";
    sqlx::query(INSERT)
        .bind(clean(address))
        .bind(i32::from(port))
        .bind(&key.algorithm)
        .bind(&key.fingerprint)
        .bind(&key.key)
        .execute(store.pool())
        .await
        .map_err(StoreError::query("remember an address's host key"))?;
    Ok(())
}

/// Forgets the host keys of an address outside the inventory. Answers how many were forgotten.
pub async fn forget_host(store: &Store, address: &str, port: u16) -> Result<u64, StoreError> {
    let forgotten = sqlx::query("DELETE FROM known_hosts WHERE address = $1 AND port = $2")
        .bind(clean(address))
        .bind(i32::from(port))
        .execute(store.pool())
        .await
        .map_err(StoreError::query("forget an address's host keys"))?;
    Ok(forgotten.rows_affected())
}
