//! Logins under way and logins that were refused: what keeps accounts from being locked.
//!
//! A login is entered before a device is shown a credential and settled afterwards, whoever wants it: a job, a command of
//! somebody's own, a test of a credential. So all processes together keep to two limits ([`Limits`]):
//!
//! - a device refuses so many logins within an hour, then nobody tries one until the hour is over or somebody succeeds;
//! - a credential is refused by so many devices in a row, none of which refused it the last time, then it is suspended. As long as it was not accepted in the last
//!   minute, no more logins with it are under way than refusals are left, so that a stale password shows itself in a few
//!   logins although hundreds wait.
//!
//! Locks: the credential's row first, then the device (an advisory lock: its row belongs to the queue).

mod begin;
mod settle;

pub use begin::{Begun, begin};
pub use settle::{Suspension, abandon, accepted, refused};

use crate::{Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::{CredentialId, DeviceId, JobId};
use sqlx::PgConnection;
use std::collections::HashMap;

/// How long a refused login counts against its device.
pub const DEVICE_WINDOW: TimeDelta = TimeDelta::hours(1);

/// How long refused logins are kept, and count against their credential.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// How many refused logins are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one device within an hour.
    pub per_device: u32,
    /// Of one credential, on different devices, without a success in between.
    pub per_credential: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_device: 5, per_credential: 3 }
    }
}

/// A login that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub device: DeviceId,
    /// With what; `None` for a credential that was given by hand.
    pub credential: Option<CredentialId>,
    /// For which job, if for one.
    pub job: Option<JobId>,
}

/// A login that was entered and is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginId(pub(crate) i64);

/// The logins that a device refused within the last hour and since its last success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedLogins {
    /// When, the newest first.
    pub at: Vec<DateTime<Utc>>,
}

impl RefusedLogins {
    /// Until when the device is to be left alone; `None` where it may be tried.
    pub fn blocked_until(&self, limits: &Limits) -> Option<DateTime<Utc>> {
        let oldest_that_counts = usize::try_from(limits.per_device.max(1)).unwrap_or(usize::MAX) - 1;
        self.at.get(oldest_that_counts).map(|at| *at + DEVICE_WINDOW)
    }
}

/// What a device refused of late.
pub async fn refused_by(store: &Store, device: DeviceId) -> Result<RefusedLogins, StoreError> {
    let mut connection = store.reader().acquire().await.map_err(StoreError::query("read refused logins"))?;
    Ok(refused_logins(&mut connection, &[device.0]).await?.remove(&device.0).unwrap_or_default())
}

/// What each of these devices refused of late; those that refused nothing are left out.
pub(crate) async fn refused_logins(
    connection: &mut PgConnection,
    devices: &[i64],
) -> Result<HashMap<i64, RefusedLogins>, StoreError> {
    const REFUSED: &str = "SELECT device_id, array_agg(at ORDER BY at DESC) FROM login_attempts
        WHERE device_id = ANY ($1) AND open_until IS NULL AND NOT forgiven AND at > clock_timestamp() - $2
        GROUP BY device_id";
    let rows: Vec<(i64, Vec<DateTime<Utc>>)> = sqlx::query_as(REFUSED)
        .bind(devices)
        .bind(DEVICE_WINDOW)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("read refused logins"))?;
    Ok(rows.into_iter().map(|(device, at)| (device, RefusedLogins { at })).collect())
}

/// Forgets what counts no longer.
pub async fn sweep(store: &Store) -> Result<u64, StoreError> {
    const SWEEP: &str = "DELETE FROM login_attempts WHERE at < clock_timestamp() - $1";
    let swept = sqlx::query(SWEEP).bind(KEPT).execute(store.pool()).await;
    swept.map(|done| done.rows_affected()).map_err(StoreError::query("forget old refused logins"))
}

/// A credential under its lock.
#[derive(sqlx::FromRow)]
struct Credential {
    name: String,
    suspended_at: Option<DateTime<Utc>>,
    /// Whether a device accepted it a moment ago.
    proven: bool,
    /// Devices of which that was news that refused it since its last success.
    refused_by: i64,
    /// Logins with it that are under way.
    open: i64,
}

/// Locks a credential until the transaction ends, then counts: what was committed before the lock was had is seen.
async fn lock_credential(tx: &mut PgConnection, credential: CredentialId) -> Result<Credential, StoreError> {
    const LOCK: &str = "SELECT id FROM credentials WHERE id = $1 FOR NO KEY UPDATE";
    const COUNT: &str = "SELECT c.name, c.suspended_at,
            coalesce(c.proven_at > clock_timestamp() - make_interval(secs => $3), false) AS proven,
            count(DISTINCT l.device_id) FILTER (WHERE l.open_until IS NULL AND l.telling
                AND l.at > greatest(c.proven_at, c.resumed_at, clock_timestamp() - $2)) AS refused_by,
            count(l.id) FILTER (WHERE l.open_until > clock_timestamp()) AS open
        FROM credentials c LEFT JOIN login_attempts l ON l.credential_id = c.id
        WHERE c.id = $1 GROUP BY c.id";
    let failed = StoreError::query("look at the logins with a credential");
    sqlx::query(LOCK).bind(credential.0).execute(&mut *tx).await.map_err(&failed)?;
    sqlx::query_as(COUNT)
        .bind(credential.0)
        .bind(KEPT)
        .bind(PROOF.as_secs_f64())
        .fetch_optional(tx)
        .await
        .map_err(&failed)?
        .ok_or_else(|| StoreError::not_found("credential", credential))
}

/// How long a success proves that a credential is good.
pub const PROOF: std::time::Duration = std::time::Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_left_alone_until_the_oldest_refusal_that_counts_is_an_hour_old() {
        let now = Utc::now();
        let minutes = |ages: &[i64]| RefusedLogins {
            at: ages.iter().map(|age| now - TimeDelta::minutes(*age)).collect(),
        };
        let limits = |per_device| Limits { per_device, ..Limits::default() };
        assert_eq!(minutes(&[1, 2]).blocked_until(&limits(3)), None);
        assert_eq!(minutes(&[1, 2, 50]).blocked_until(&limits(3)), Some(now + TimeDelta::minutes(10)));
        assert_eq!(minutes(&[1, 2, 50]).blocked_until(&limits(2)), Some(now + TimeDelta::minutes(58)));
    }
}
