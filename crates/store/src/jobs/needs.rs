//! What the sessions of claimed jobs need.

use super::claim::{Hop, LeftOut, Previous};
use crate::credentials::StoredCredential;
use crate::credentials::order::{best_first, order_columns};
use crate::devices::{MAX_HOPS, port, target};
use crate::rows::{hash, optional_word, unsigned};
use crate::{Store, StoreError};
use netraven_model::{DeviceId, HostKey, SshProfile, VersionId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::HashMap;

/// A statement of its own, after the locks: what was committed while the claim was
/// looking for jobs is seen. A stale one would let the session take a change for none.
pub(super) async fn heads(
    tx: &mut PgConnection,
    devices: &[i64],
) -> Result<HashMap<i64, Previous>, StoreError> {
    const HEADS: &str = "SELECT head.* FROM UNNEST($1::bigint[]) AS w (id) CROSS JOIN LATERAL (
            SELECT c.device_id, c.id, c.seq, c.significant_hash, c.size_bytes, c.platform_digest
            FROM device_configurations c WHERE c.device_id = w.id ORDER BY c.seq DESC LIMIT 1) head";
    let failed = StoreError::query("read the newest versions");
    let rows = sqlx::query(HEADS).bind(devices).fetch_all(tx).await.map_err(&failed)?;
    let decoded = rows.iter().map(|row| Ok((row.try_get("device_id")?, Previous::from_row(row)?)));
    decoded.collect::<sqlx::Result<_>>().map_err(&failed)
}

pub(super) async fn host_keys(
    tx: &mut PgConnection,
    devices: &[i64],
) -> Result<HashMap<i64, Vec<HostKey>>, StoreError> {
    const HOST_KEYS: &str = "SELECT device_id, algorithm, key, fingerprint FROM host_keys
        WHERE device_id = ANY ($1) ORDER BY first_seen, algorithm";
    let rows: Vec<(i64, String, String, String)> = sqlx::query_as(HOST_KEYS)
        .bind(devices)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("read host keys"))?;
    let mut keys = HashMap::<_, Vec<_>>::new();
    for (device, algorithm, key, fingerprint) in rows {
        keys.entry(device).or_default().push(HostKey { algorithm, key, fingerprint });
    }
    Ok(keys)
}

/// The credentials that share a tag with a device.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// Those to try, best first.
    pub usable: Vec<StoredCredential>,
    /// Those that are not to be tried.
    pub left_out: Vec<LeftOut>,
}

/// `jobs` and `devices` belong together, one by one.
pub(super) async fn candidates(
    tx: &mut PgConnection,
    jobs: &[i64],
    devices: &[i64],
) -> Result<HashMap<i64, Candidates>, StoreError> {
    // What an earlier attempt of the job saw refused is not shown again: each time may bring an account nearer to its lock.
    // An attempt whose worker died stands in no result, but its refused logins were noted when they happened.
    const CANDIDATES: &str = concat!(
        "SELECT p.device_id, c.id, c.name, c.username, c.password, c.enable_secret, c.private_key, c.key_passphrase,
            c.priority, c.allowed_networks::text[] AS allowed_networks, c.suspended_at, c.password_ref, ",
        order_columns!(),
        ", EXISTS (SELECT 1 FROM job_attempts a WHERE a.job_id = w.job_id AND c.id = ANY (a.credentials_refused))
            OR EXISTS (SELECT 1 FROM login_attempts l WHERE l.device_id = p.device_id AND l.credential_id = c.id
                AND l.job_id = w.job_id AND l.open_until IS NULL) AS refused
        FROM (SELECT DISTINCT dt.device_id, ct.credential_id
            FROM device_tags dt JOIN credential_tags ct USING (tag_id) WHERE dt.device_id = ANY ($1)) p
        JOIN credentials c ON c.id = p.credential_id
        JOIN UNNEST($2::bigint[], $1::bigint[]) AS w (job_id, device_id) ON w.device_id = p.device_id
        LEFT JOIN credential_device_stats s ON s.device_id = p.device_id AND s.credential_id = p.credential_id
        ORDER BY p.device_id, ",
        best_first!()
    );
    let rows = sqlx::query(CANDIDATES)
        .bind(devices)
        .bind(jobs)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("read credentials"))?;
    let mut candidates = HashMap::<_, Candidates>::new();
    for row in &rows {
        let (device, credential, refused) = candidate(row).map_err(StoreError::query("read credentials"))?;
        let of_device = candidates.entry(device).or_default();
        let name = credential.name.clone();
        match credential.suspended_at {
            Some(since) => of_device.left_out.push(LeftOut::Suspended { name, since }),
            None if refused => of_device.left_out.push(LeftOut::Refused { name }),
            None => of_device.usable.push(credential),
        }
    }
    Ok(candidates)
}

fn candidate(row: &PgRow) -> sqlx::Result<(i64, StoredCredential, bool)> {
    Ok((row.try_get("device_id")?, StoredCredential::from_row(row)?, row.try_get("refused")?))
}

/// The jump hosts on the way to one device, with what a session with them needs; for a session outside any job.
pub async fn way(store: &Store, device: DeviceId) -> Result<Vec<Hop>, StoreError> {
    let mut tx = store.begin("read jump hosts").await?;
    Ok(hops(&mut tx, &[device.0]).await?.remove(&device.0).unwrap_or_default())
}

/// The jump hosts on the way to each device, with what a session with them needs.
pub(super) async fn hops(
    tx: &mut PgConnection,
    devices: &[i64],
) -> Result<HashMap<i64, Vec<Hop>>, StoreError> {
    const HOPS: &str = "WITH RECURSIVE way AS (
            SELECT d.id AS behind, d.jump_host, 1::bigint AS at FROM devices d
            WHERE d.id = ANY ($1) AND d.jump_host IS NOT NULL
            UNION ALL
            SELECT way.behind, d.jump_host, way.at + 1 FROM way JOIN devices d ON d.id = way.jump_host
            WHERE d.jump_host IS NOT NULL AND way.at < $2)
        SELECT way.behind, d.* FROM way JOIN devices d ON d.id = way.jump_host ORDER BY way.behind, way.at DESC";
    let failed = StoreError::query("read jump hosts");
    let rows = sqlx::query(HOPS).bind(devices).bind(MAX_HOPS).fetch_all(&mut *tx).await.map_err(&failed)?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<sqlx::Result<Vec<i64>>>();
    let mut ids = ids.map_err(&failed)?;
    ids.sort_unstable();
    ids.dedup();
    let host_keys = host_keys(tx, &ids).await?;
    // No job: what one device's job saw refused says nothing of another's way.
    let credentials = candidates(tx, &vec![0; ids.len()], &ids).await?;
    let mut hops = HashMap::<_, Vec<_>>::new();
    for row in &rows {
        let (behind, hop) = hop(row, &host_keys, &credentials).map_err(&failed)?;
        hops.entry(behind).or_default().push(hop);
    }
    Ok(hops)
}

fn hop(
    row: &PgRow,
    host_keys: &HashMap<i64, Vec<HostKey>>,
    credentials: &HashMap<i64, Candidates>,
) -> sqlx::Result<(i64, Hop)> {
    let id: i64 = row.try_get("id")?;
    let candidates = credentials.get(&id).cloned().unwrap_or_default();
    let hop = Hop {
        target: target(row, DeviceId(id))?,
        port: port(row)?,
        ssh_profile: optional_word(row, "ssh_profile", SshProfile::from_name)?,
        host_keys: host_keys.get(&id).cloned().unwrap_or_default(),
        credentials: candidates.usable,
        left_out: candidates.left_out,
    };
    Ok((row.try_get("behind")?, hop))
}

impl FromRow<'_, PgRow> for Previous {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            version: VersionId(row.try_get("id")?),
            seq: row.try_get("seq")?,
            significant: hash(row, "significant_hash")?,
            size: unsigned(row, "size_bytes")?,
            platform_digest: hash(row, "platform_digest")?,
        })
    }
}
