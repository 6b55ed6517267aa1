use super::order::faded;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{CredentialId, DeviceId};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// The weight of all earlier uses beside the newest one in a success rate; time takes its share besides, see `order.rs`.
const DECAY: f64 = 0.9;

/// What one device said to one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialUse {
    /// The device.
    pub device: DeviceId,
    /// The credential.
    pub credential: CredentialId,
    /// Whether the device let it in.
    pub accepted: bool,
    /// When.
    pub at: DateTime<Utc>,
}

/// Counts uses of credentials, overall and for each device. Uses of a credential or on a device that is gone are passed
/// over. Nothing is ever counted twice: where the reply to the COMMIT is lost, nobody knows whether it was done, and the
/// uses may go uncounted.
///
/// # Errors
/// The database failed, and nothing was counted: call again where [`StoreError::is_transient`] says so.
pub async fn count_uses(store: &Store, uses: &[CredentialUse]) -> Result<(), StoreError> {
    let (mut overall, mut per_device) = (BTreeMap::new(), BTreeMap::new());
    for one in uses {
        overall.entry(one.credential.0).or_insert_with(Uses::default).add(one.accepted, one.at);
        let pair = (one.device.0, one.credential.0);
        per_device.entry(pair).or_insert_with(Uses::default).add(one.accepted, one.at);
    }
    if overall.is_empty() {
        return Ok(());
    }
    let mut tx = store.begin("count the uses of credentials").await?;
    let devices: Vec<i64> = uses.iter().map(|one| one.device.0).collect();
    keep_devices(&mut tx, &devices).await?;
    count_overall(&mut tx, &overall).await?;
    count_per_device(&mut tx, &per_device).await?;
    if let Err(error) = tx.commit().await {
        tracing::warn!(%error, uses = uses.len(), "it is not known whether uses of credentials were counted");
    }
    Ok(())
}

/// Nobody removes these devices before the transaction ends: what is counted for them refers to them.
async fn keep_devices(tx: &mut PgConnection, devices: &[i64]) -> Result<(), StoreError> {
    sqlx::query("SELECT id FROM devices WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE")
        .bind(devices)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("find the devices that credentials were used on"))
}

/// Some uses of one credential, one after the other.
struct Uses {
    successes: i64,
    failures: i64,
    /// The rate afterwards is the rate before times `keep` plus `gain`.
    keep: f64,
    gain: f64,
    last_used: DateTime<Utc>,
    last_success: Option<DateTime<Utc>>,
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            successes: 0,
            failures: 0,
            keep: 1.0,
            gain: 0.0,
            last_used: DateTime::<Utc>::MIN_UTC,
            last_success: None,
        }
    }
}

impl Uses {
    fn add(&mut self, success: bool, at: DateTime<Utc>) {
        self.keep *= DECAY;
        self.gain *= DECAY;
        self.last_used = self.last_used.max(at);
        if success {
            self.successes += 1;
            self.gain += 1.0 - DECAY;
            self.last_success = self.last_success.max(Some(at));
        } else {
            self.failures += 1;
        }
    }

    /// The share of successes, for a first rate.
    fn share(&self) -> f64 {
        self.successes as f64 / (self.successes + self.failures).max(1) as f64
    }
}

async fn count_overall(tx: &mut PgConnection, uses: &BTreeMap<i64, Uses>) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT id FROM credentials WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
    const UPDATE: &str = concat!(
        "UPDATE credentials c SET successes = c.successes + w.successes,
            failures = c.failures + w.failures, success_rate = least(1, greatest(0, ",
        faded!("c.success_rate", "c.last_used", "w.last_used"),
        " * w.keep + w.gain)),
            last_used = greatest(c.last_used, w.last_used), last_success = greatest(c.last_success, w.last_success)
        FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::float8[], $5::float8[], $6::timestamptz[],
            $7::timestamptz[]) AS w (id, successes, failures, keep, gain, last_used, last_success)
        WHERE c.id = w.id"
    );
    let failed = StoreError::query("count the uses of credentials");
    let ids: Vec<i64> = uses.keys().copied().collect();
    sqlx::query(LOCK).bind(&ids).execute(&mut *tx).await.map_err(&failed)?;
    sqlx::query(UPDATE)
        .bind(&ids)
        .bind(uses.values().map(|uses| uses.successes).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.failures).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.keep).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.gain).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.last_used).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.last_success).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(&failed)
}

async fn count_per_device(
    tx: &mut PgConnection,
    uses: &BTreeMap<(i64, i64), Uses>,
) -> Result<(), StoreError> {
    // The joins leave out credentials and devices that were removed while the job ran; the others are locked.
    const UPSERT: &str = concat!(
        "INSERT INTO credential_device_stats AS s
            (device_id, credential_id, successes, failures, success_rate, last_used, last_success)
        SELECT w.device, c.id, w.successes, w.failures, w.share, w.last_used, w.last_success
        FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[], $6::timestamptz[],
            $7::timestamptz[]) AS w (device, credential, successes, failures, share, last_used, last_success)
        JOIN credentials c ON c.id = w.credential JOIN devices d ON d.id = w.device
        ON CONFLICT (device_id, credential_id) DO UPDATE SET successes = s.successes + EXCLUDED.successes,
            failures = s.failures + EXCLUDED.failures,
            success_rate = least(1, greatest(0, ",
        faded!("s.success_rate", "s.last_used", "EXCLUDED.last_used"),
        " * $8 + EXCLUDED.success_rate * (1 - $8))),
            last_used = greatest(s.last_used, EXCLUDED.last_used),
            last_success = greatest(s.last_success, EXCLUDED.last_success)"
    );
    sqlx::query(UPSERT)
        .bind(uses.keys().map(|(device, _)| *device).collect::<Vec<_>>())
        .bind(uses.keys().map(|(_, credential)| *credential).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.successes).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.failures).collect::<Vec<_>>())
        .bind(uses.values().map(Uses::share).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.last_used).collect::<Vec<_>>())
        .bind(uses.values().map(|uses| uses.last_success).collect::<Vec<_>>())
        .bind(DECAY)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("count the uses of credentials on devices"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_counted_together_move_a_rate_as_if_counted_one_by_one() {
        let (now, mut uses, mut rate) = (Utc::now(), Uses::default(), 0.5);
        for success in [true, false, false, true] {
            uses.add(success, now);
            rate = rate * DECAY + if success { 1.0 - DECAY } else { 0.0 };
        }
        assert!((0.5 * uses.keep + uses.gain - rate).abs() < 1e-12);
        assert_eq!((uses.successes, uses.failures, uses.share()), (2, 2, 0.5));
    }
}
