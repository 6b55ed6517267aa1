use super::Channel;
use crate::changes::ChangeRow;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::DeliveryId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// What one channel is to be told now, in order.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The channel.
    pub channel: Channel,
    /// Ciphertext of what its webhooks are signed with.
    pub secret: Option<Vec<u8>>,
    /// Until when nobody else tells it. Also what tells this claim from a later one.
    pub lease_until: DateTime<Utc>,
    /// At least one.
    pub deliveries: Vec<Delivery>,
}

/// One change that one channel is to be told of.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Row; stays the same however often it is sent.
    pub id: DeliveryId,
    /// How often it was tried so far.
    pub attempts: u32,
    /// The change.
    pub change: ChangeRow,
    /// The device as it is now; `None` where it is gone.
    pub device: Option<DeviceInfo>,
}

/// What others are told of a device besides its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its public id.
    pub uuid: Uuid,
    /// Address or name to connect to.
    pub address: String,
    /// Its platform.
    pub platform: String,
    /// Where it stands.
    pub site: Option<String>,
}

/// How a delivery failed.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    /// What came, for people.
    pub error: &'a str,
    /// How long to wait before the next try.
    pub pause: Duration,
    /// What was tried that often is dead now.
    pub tries: u32,
}

/// Claims what is due of up to `channels` channels: of each the oldest `most`, or `most_digest` for one daily message. Of one
/// channel nothing is claimed while somebody has a part of it, or while its oldest delivery waits for its next try: so
/// each is told in order.
///
/// # Errors
/// The database failed.
pub async fn claim(
    store: &Store,
    channels: u32,
    most: u32,
    most_digest: u32,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    const CHANNELS: &str =
        "SELECT c.id, c.name, c.kind, c.target, c.secret, c.events, c.tags, c.digest_at, c.time_zone,
            c.next_digest, c.enabled, c.created_at
        FROM notification_channels c JOIN LATERAL (
            SELECT d.next_try, d.lease_until FROM notification_deliveries d
            WHERE d.channel_id = c.id AND d.status = 'waiting' ORDER BY d.event_id LIMIT 1) head
            ON head.next_try <= now() AND (head.lease_until IS NULL OR head.lease_until <= now())
        WHERE c.enabled AND (c.digest_at IS NULL OR c.next_digest <= now())
        ORDER BY head.next_try, c.id LIMIT $1 FOR NO KEY UPDATE OF c SKIP LOCKED";
    let failed = StoreError::query("claim notifications");
    let mut tx = store.begin("claim notifications").await?;
    let rows = sqlx::query(CHANNELS).bind(i64::from(channels)).fetch_all(&mut *tx).await.map_err(&failed)?;
    let mut found = HashMap::new();
    for row in &rows {
        let channel = Channel::from_row(row).map_err(&failed)?;
        let secret: Option<Vec<u8>> = row.try_get("secret").map_err(&failed)?;
        found.insert(channel.id.0, (channel, secret));
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // A statement of its own after the one that took the locks: it sees what was claimed before.
    let ids: Vec<i64> = found.keys().copied().collect();
    let claimed = claim_deliveries(&mut tx, &ids, (most, most_digest), lease).await?;
    tx.commit().await.map_err(&failed)?;
    let mut batches: HashMap<i64, Claimed> = HashMap::new();
    for (id, lease_until, delivery) in claimed {
        if let Some((channel, secret)) = found.remove(&id) {
            batches.insert(id, Claimed { channel, secret, lease_until, deliveries: Vec::new() });
        }
        if let Some(batch) = batches.get_mut(&id) {
            batch.deliveries.push(delivery);
        }
    }
    let mut batches: Vec<_> = batches.into_values().collect();
    batches.sort_by_key(|batch| batch.channel.id);
    batches.iter_mut().for_each(|batch| batch.deliveries.sort_by_key(|delivery| delivery.change.id));
    Ok(batches)
}

async fn claim_deliveries(
    tx: &mut PgConnection,
    channels: &[i64],
    (most, most_digest): (u32, u32),
    lease: Duration,
) -> Result<Vec<(i64, DateTime<Utc>, Delivery)>, StoreError> {
    const CLAIM: &str = "WITH wanted AS (
            SELECT d.id FROM notification_channels c CROSS JOIN LATERAL (
                SELECT w.id FROM notification_deliveries w WHERE w.channel_id = c.id AND w.status = 'waiting'
                ORDER BY w.event_id LIMIT CASE WHEN c.digest_at IS NULL THEN $2 ELSE $3 END) d
            WHERE c.id = ANY ($1) AND NOT EXISTS (SELECT 1 FROM notification_deliveries o
                WHERE o.channel_id = c.id AND o.status = 'waiting' AND o.lease_until > now()))
        UPDATE notification_deliveries d SET lease_until = now() + make_interval(secs => $4)
        FROM wanted w, device_events e LEFT JOIN devices v ON v.id = e.device_id
        WHERE d.id = w.id AND e.id = d.event_id
        RETURNING d.channel_id, d.lease_until, d.id AS delivery, d.attempts, e.id, e.device_id, e.hostname, e.event, e.at,
            e.job_id, e.version_id, e.seq, e.error_code, e.message, v.uuid, v.ip_address, v.device_type, v.site";
    let failed = StoreError::query("claim notifications");
    let rows = sqlx::query(CLAIM)
        .bind(channels)
        .bind(i64::from(most))
        .bind(i64::from(most_digest))
        .bind(lease.as_secs_f64())
        .fetch_all(tx)
        .await
        .map_err(&failed)?;
    let claimed = |row: &PgRow| -> sqlx::Result<_> {
        Ok((row.try_get("channel_id")?, row.try_get("lease_until")?, Delivery::from_row(row)?))
    };
    rows.iter().map(claimed).collect::<sqlx::Result<_>>().map_err(failed)
}

/// Records that these arrived, and where it was a daily message when the next one is. Answers how many were still this
/// claim's.
///
/// # Errors
/// The database failed: they will be sent again.
pub async fn sent(
    store: &Store,
    claimed: &Claimed,
    deliveries: &[DeliveryId],
    next_digest: Option<DateTime<Utc>>,
) -> Result<u64, StoreError> {
    const SENT: &str =
        "UPDATE notification_deliveries SET status = 'sent', sent_at = now(), attempts = attempts + 1,
            lease_until = NULL, last_error = NULL
        WHERE id = ANY ($1) AND status = 'waiting' AND lease_until = $2";
    const DIGEST: &str = "UPDATE notification_channels SET next_digest = $2 WHERE id = $1";
    let failed = StoreError::query("record that a notification was sent");
    let mut tx = store.begin("record that a notification was sent").await?;
    let done = sqlx::query(SENT)
        .bind(ids(deliveries))
        .bind(claimed.lease_until)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    if let Some(next) = next_digest {
        sqlx::query(DIGEST).bind(claimed.channel.id.0).bind(next).execute(&mut *tx).await.map_err(&failed)?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(done.rows_affected())
}

/// Records that these did not arrive.
///
/// # Errors
/// The database failed: they will be sent again when the lease is over.
pub async fn failed(
    store: &Store,
    claimed: &Claimed,
    deliveries: &[DeliveryId],
    how: &Failed<'_>,
) -> Result<(), StoreError> {
    const FAILED: &str =
        "UPDATE notification_deliveries SET attempts = attempts + 1, lease_until = NULL, last_error = $3,
            next_try = now() + make_interval(secs => $4),
            status = CASE WHEN attempts + 1 >= $5 THEN 'dead' ELSE status END
        WHERE id = ANY ($1) AND status = 'waiting' AND lease_until = $2";
    sqlx::query(FAILED)
        .bind(ids(deliveries))
        .bind(claimed.lease_until)
        .bind(clean(how.error))
        .bind(how.pause.as_secs_f64())
        .bind(i64::from(how.tries))
        .execute(store.pool())
        .await
        .map(drop)
        .map_err(StoreError::query("record that a notification was not sent"))
}

/// Gives these back without having tried them.
///
/// # Errors
/// The database failed: they are free when the lease is over.
pub async fn release(store: &Store, claimed: &Claimed, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
    const RELEASE: &str = "UPDATE notification_deliveries SET lease_until = NULL
        WHERE id = ANY ($1) AND status = 'waiting' AND lease_until = $2";
    sqlx::query(RELEASE)
        .bind(ids(deliveries))
        .bind(claimed.lease_until)
        .execute(store.pool())
        .await
        .map(drop)
        .map_err(StoreError::query("give notifications back"))
}

fn ids(deliveries: &[DeliveryId]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.0).collect()
}

impl FromRow<'_, PgRow> for Delivery {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let attempts: i32 = row.try_get("attempts")?;
        let device = match row.try_get::<Option<Uuid>, _>("uuid")? {
            Some(uuid) => Some(DeviceInfo {
                uuid,
                address: row.try_get("ip_address")?,
                platform: row.try_get("device_type")?,
                site: row.try_get("site")?,
            }),
            None => None,
        };
        Ok(Self {
            id: DeliveryId(row.try_get("delivery")?),
            attempts: attempts.unsigned_abs(),
            change: ChangeRow::from_row(row)?,
            device,
        })
    }
}
