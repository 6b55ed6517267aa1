use super::{Limits, LoginId, Wanted, lock_credential, refused_logins};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::DeviceId;
use sqlx::PgConnection;

/// A login whose process died counts as one under way for so long, in seconds: longer than any login takes.
const LONGEST_LOGIN: f64 = 180.0;

/// The first key of the advisory locks on devices; the second one is the device.
const DEVICE_LOCK: i32 = 0x4e52;

/// Whether a login may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Yes; it is to be settled.
    Yes(LoginId),
    /// Not now: as many logins are under way as may be refused. Worth another question in a moment.
    Later,
    /// No: the device has refused too many.
    Blocked {
        /// How many within the last hour.
        refused: usize,
        /// Until then.
        until: DateTime<Utc>,
    },
    /// No: the credential is suspended.
    Suspended {
        /// Since then.
        since: DateTime<Utc>,
    },
}

/// Enters a login, if it may be tried.
///
/// # Errors
/// [`StoreError::NotFound`] for a credential that is gone.
pub async fn begin(store: &Store, wanted: &Wanted, limits: &Limits) -> Result<Begun, StoreError> {
    let mut tx = store.begin("enter a login").await?;
    if let Some(credential) = wanted.credential {
        let credential = lock_credential(&mut tx, credential).await?;
        if let Some(since) = credential.suspended_at {
            return Ok(Begun::Suspended { since });
        }
        // One can always be tried, or a credential with as many refusals as a lower limit allows would wait for ever.
        let left = (i64::from(limits.per_credential) - credential.refused_by).max(1);
        let proven = credential.proven && credential.refused_by == 0;
        if !proven && credential.open >= left {
            return Ok(Begun::Later);
        }
    }
    lock_device(&mut tx, wanted.device).await?;
    let refused =
        refused_logins(&mut tx, &[wanted.device.0]).await?.remove(&wanted.device.0).unwrap_or_default();
    if let Some(until) = refused.blocked_until(limits) {
        return Ok(Begun::Blocked { refused: refused.at.len(), until });
    }
    let left = usize::try_from(limits.per_device).unwrap_or(usize::MAX).saturating_sub(refused.at.len());
    if open_logins(&mut tx, wanted.device).await? >= left.max(1) {
        return Ok(Begun::Later);
    }
    let id = enter(&mut tx, wanted).await?;
    tx.commit().await.map_err(StoreError::query("enter a login"))?;
    Ok(Begun::Yes(id))
}

async fn lock_device(tx: &mut PgConnection, device: DeviceId) -> Result<(), StoreError> {
    // Two devices that share a lock wait for each other and lose nothing else.
    let key = i32::try_from(device.0 % i64::from(i32::MAX)).unwrap_or_default();
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind(DEVICE_LOCK)
        .bind(key)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("wait for other logins on a device"))
}

async fn open_logins(tx: &mut PgConnection, device: DeviceId) -> Result<usize, StoreError> {
    const OPEN: &str =
        "SELECT count(*) FROM login_attempts WHERE device_id = $1 AND open_until > clock_timestamp()";
    let open: i64 = sqlx::query_scalar(OPEN)
        .bind(device.0)
        .fetch_one(tx)
        .await
        .map_err(StoreError::query("count the logins on a device"))?;
    Ok(usize::try_from(open).unwrap_or(usize::MAX))
}

async fn enter(tx: &mut PgConnection, wanted: &Wanted) -> Result<LoginId, StoreError> {
    const ENTER: &str = "INSERT INTO login_attempts (device_id, credential_id, job_id, at, open_until)
        VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4)) RETURNING id";
    sqlx::query_scalar(ENTER)
        .bind(wanted.device.0)
        .bind(wanted.credential.map(|id| id.0))
        .bind(wanted.job.map(|id| id.0))
        .bind(LONGEST_LOGIN)
        .fetch_one(tx)
        .await
        .map(LoginId)
        .map_err(StoreError::query("enter a login"))
}
