use crate::credentials::StoredCredential;
use crate::devices::{DEFAULT_PORT, port};
use crate::rows::{hash, unsigned, word};
use crate::{Store, StoreError};
use netraven_model::{DeviceId, Hash256, HostKey, JobId, JobKind, Protocol, RunId, Target, VersionId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::HashMap;
use std::time::Duration;

/// A job that is this worker's until the lease ends, with all that its session needs.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub job: JobId,
    /// The run that made it; `None` where the run was removed.
    pub run: Option<RunId>,
    /// What to do.
    pub kind: JobKind,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Proof of the lease: grows with each session of the device.
    pub token: i64,
    /// The device.
    pub device: DeviceId,
    /// Where it is and how it is spoken to.
    pub target: Target,
    /// The newest version; `None` before the first.
    pub previous: Option<Previous>,
    /// The host keys seen before.
    pub host_keys: Vec<HostKey>,
    /// Those that share a tag with the device, best first: by priority, then by the success rate on this device (on
    /// all devices where it was never tried here), then by the last success on this device.
    pub credentials: Vec<StoredCredential>,
}

/// What a session must know of the newest version to tell whether something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its row.
    pub version: VersionId,
    /// Its number in the device's history.
    pub seq: i64,
    /// Keyed hash without what is volatile.
    pub significant: Hash256,
    /// Size of all parts in bytes.
    pub size: u64,
    /// The platform definition it was taken with.
    pub platform_digest: Hash256,
}

/// Takes at most `limit` due jobs of devices without a session. A job is given to one worker only, and a device has
/// one session at most. Jobs that another worker is just looking at are passed over, not waited for.
pub async fn claim(
    store: &Store,
    worker: &str,
    limit: u32,
    lease: Duration,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let begun = store.pool().begin_with(BEGIN).await;
    let mut tx = begun.map_err(StoreError::query("claim jobs"))?;
    let mut jobs: Vec<ClaimedJob> = sqlx::query_as(CLAIM)
        .bind(i64::from(limit))
        .bind(worker)
        .bind(lease.as_secs_f64())
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::query("claim jobs"))?;
    if !jobs.is_empty() {
        let devices: Vec<i64> = jobs.iter().map(|job| job.device.0).collect();
        let mut heads = heads(&mut tx, &devices).await?;
        let mut host_keys = host_keys(&mut tx, &devices).await?;
        let ids: Vec<i64> = jobs.iter().map(|job| job.job.0).collect();
        let mut credentials = candidates(&mut tx, &ids, &devices).await?;
        for job in &mut jobs {
            job.previous = heads.remove(&job.device.0);
            job.host_keys = host_keys.remove(&job.device.0).unwrap_or_default();
            job.credentials = credentials.remove(&job.device.0).unwrap_or_default();
        }
    }
    tx.commit().await.map_err(StoreError::query("claim jobs"))?;
    Ok(jobs)
}

/// Without this the planner, whose statistics are older than the run that was queued a moment ago, takes all queued jobs
/// and sorts them for each claim. The index gives them in order, and the claim stops after as many as it needs.
const BEGIN: &str = "BEGIN; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off";

/// The rows are locked and tested in their newest state, which is why "has no session" stands on the device's row: a
/// look into other rows would see the state before the lock.
const CLAIM: &str = "WITH due AS (
        SELECT j.id, j.device_id, j.priority, j.scheduled_for
        FROM jobs j JOIN devices d ON d.id = j.device_id
        WHERE j.status = 'queued' AND j.scheduled_for <= now() AND d.session_job IS NULL
        ORDER BY j.priority, j.scheduled_for, j.id
        LIMIT $1
        FOR NO KEY UPDATE OF j, d SKIP LOCKED
    ), chosen AS MATERIALIZED (
        SELECT DISTINCT ON (device_id) id, device_id FROM due ORDER BY device_id, priority, scheduled_for, id
    ), sessions AS (
        UPDATE devices d SET session_job = c.id, session_token = d.session_token + 1
        FROM chosen c WHERE d.id = c.device_id
        RETURNING d.id, d.uuid, d.hostname, d.ip_address, d.port, d.device_type, d.session_job, d.session_token
    ), taken AS (
        UPDATE jobs j SET status = 'running', worker = $2, token = s.session_token, attempts = j.attempts + 1,
            started_at = now(), lease_until = now() + make_interval(secs => $3)
        FROM sessions s WHERE j.id = s.session_job
        RETURNING j.id, j.run_id, j.kind, j.attempts, j.priority, j.scheduled_for, s.id AS device_id, s.uuid,
            s.hostname, s.ip_address, s.port, s.device_type, s.session_token
    )
    SELECT * FROM taken ORDER BY priority, scheduled_for, id";

/// A statement of its own, after the locks: what was committed while the claim was
/// looking for jobs is seen. A stale one would let the session take a change for none.
async fn heads(tx: &mut PgConnection, devices: &[i64]) -> Result<HashMap<i64, Previous>, StoreError> {
    const HEADS: &str = "SELECT head.* FROM UNNEST($1::bigint[]) AS w (id) CROSS JOIN LATERAL (
            SELECT c.device_id, c.id, c.seq, c.significant_hash, c.size_bytes, c.platform_digest
            FROM device_configurations c WHERE c.device_id = w.id ORDER BY c.seq DESC LIMIT 1) head";
    let failed = StoreError::query("read the newest versions");
    let rows = sqlx::query(HEADS).bind(devices).fetch_all(tx).await.map_err(&failed)?;
    let decoded = rows.iter().map(|row| Ok((row.try_get("device_id")?, Previous::from_row(row)?)));
    decoded.collect::<sqlx::Result<_>>().map_err(&failed)
}

async fn host_keys(tx: &mut PgConnection, devices: &[i64]) -> Result<HashMap<i64, Vec<HostKey>>, StoreError> {
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

/// `jobs` and `devices` belong together, one by one.
async fn candidates(
    tx: &mut PgConnection,
    jobs: &[i64],
    devices: &[i64],
) -> Result<HashMap<i64, Vec<StoredCredential>>, StoreError> {
    // A rate on this very device says more than the overall one: otherwise the credential of the many would be
    // tried first, and refused, on each device of the few. What an earlier attempt of the job saw refused is left out.
    const CANDIDATES: &str = "SELECT p.device_id, c.* FROM (
            SELECT DISTINCT dt.device_id, ct.credential_id
            FROM device_tags dt JOIN credential_tags ct USING (tag_id) WHERE dt.device_id = ANY ($1)) p
        JOIN credentials c ON c.id = p.credential_id
        JOIN UNNEST($2::bigint[], $1::bigint[]) AS w (job_id, device_id) ON w.device_id = p.device_id
        LEFT JOIN credential_device_stats s ON s.device_id = p.device_id AND s.credential_id = p.credential_id
        WHERE NOT EXISTS (SELECT 1 FROM job_attempts a
            WHERE a.job_id = w.job_id AND c.id = ANY (a.credentials_refused))
        ORDER BY p.device_id, c.priority, coalesce(s.success_rate, c.success_rate) DESC,
            s.last_success DESC NULLS LAST, c.id";
    let rows = sqlx::query(CANDIDATES)
        .bind(devices)
        .bind(jobs)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("read credentials"))?;
    let mut candidates = HashMap::<_, Vec<_>>::new();
    for row in &rows {
        let decoded =
            row.try_get("device_id").and_then(|device| Ok((device, StoredCredential::from_row(row)?)));
        let (device, credential) = decoded.map_err(StoreError::query("read credentials"))?;
        candidates.entry(device).or_default().push(credential);
    }
    Ok(candidates)
}

impl FromRow<'_, PgRow> for ClaimedJob {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let device = DeviceId(row.try_get("device_id")?);
        let run: Option<i64> = row.try_get("run_id")?;
        let attempt: i32 = row.try_get("attempts")?;
        Ok(Self {
            job: JobId(row.try_get("id")?),
            run: run.map(RunId),
            kind: word(row, "kind", JobKind::from_name)?,
            attempt: attempt.unsigned_abs(),
            token: row.try_get("session_token")?,
            device,
            target: Target {
                device: Some(device),
                uuid: row.try_get("uuid")?,
                hostname: row.try_get("hostname")?,
                address: row.try_get("ip_address")?,
                protocol: Protocol::Ssh,
                port: port(row)?.unwrap_or(DEFAULT_PORT),
                platform: row.try_get("device_type")?,
            },
            previous: None,
            host_keys: Vec::new(),
            credentials: Vec::new(),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;
    use sqlx::AssertSqlSafe;

    #[tokio::test]
    async fn jobs_are_claimed_along_their_index_and_not_sorted() {
        const QUEUE: &str = "WITH made AS (
                INSERT INTO devices (hostname, ip_address, device_type)
                SELECT 'd' || n, '192.0.2.1', 'frr' FROM generate_series(1, 20000) n RETURNING id)
            INSERT INTO jobs (device_id, kind) SELECT id, 'backup' FROM made";
        let Some(database) = TestDatabase::create().await else { return };
        let store = database.store().await;
        sqlx::query(QUEUE).execute(store.pool()).await.unwrap();
        let mut tx = store.pool().begin_with(BEGIN).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {CLAIM}")))
            .bind(50_i64)
            .bind("w1")
            .bind(60.0)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let plan = plan.join("\n");
        let due = plan.split("CTE chosen").next().and_then(|plan| plan.split("CTE due").nth(1)).unwrap();
        assert!(due.contains("Index Scan using jobs_due") && !due.contains("Sort"), "{plan}");
        assert!(due.contains("Index Scan using devices_pkey"), "{plan}");
    }
}
