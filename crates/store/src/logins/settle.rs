use super::{Limits, LoginId, Wanted, lock_credential};
use crate::audit::{self, Action, Details, Entry};
use crate::{Store, StoreError};
use sqlx::PgConnection;
use std::time::Duration;

/// A credential that this refusal was too much for. It is told once, whoever else is refused at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// The credential's name.
    pub name: String,
    /// The devices that refused it in a row.
    pub devices: u32,
}

/// A login of which the device said nothing: it never came so far.
pub async fn abandon(store: &Store, login: LoginId) -> Result<(), StoreError> {
    let mut connection = store.pool().acquire().await.map_err(StoreError::query("take back a login"))?;
    forget(&mut connection, login).await
}

/// The device let somebody in: what it refused before is forgiven. `login` is `None` for one that was not entered.
pub async fn accepted(store: &Store, wanted: &Wanted, login: Option<LoginId>) -> Result<(), StoreError> {
    const FORGIVE: &str = "UPDATE login_attempts SET forgiven = true
        WHERE device_id = $1 AND open_until IS NULL AND NOT forgiven";
    const PROVE: &str = "UPDATE credentials SET proven_at = clock_timestamp() WHERE id = $1";
    let failed = StoreError::query("note a login");
    let mut tx = store.begin("note a login").await?;
    // The credential first, as everywhere.
    if let Some(credential) = wanted.credential {
        sqlx::query(PROVE).bind(credential.0).execute(&mut *tx).await.map_err(&failed)?;
    }
    sqlx::query(FORGIVE).bind(wanted.device.0).execute(&mut *tx).await.map_err(&failed)?;
    if let Some(login) = login {
        forget(&mut tx, login).await?;
    }
    tx.commit().await.map_err(&failed)
}

/// The device refused the login. `login` is `None` for one that was not entered; `accepted_ago`: when this process saw the
/// credential accepted last, where it did.
///
/// # Errors
/// Also for a device or a credential that is gone.
pub async fn refused(
    store: &Store,
    wanted: &Wanted,
    login: Option<LoginId>,
    accepted_ago: Option<Duration>,
    limits: &Limits,
) -> Result<Option<Suspension>, StoreError> {
    const REFUSE: &str = "INSERT INTO login_attempts (device_id, credential_id, job_id, at, telling)
        SELECT $1, $2, $3, clock_timestamp(), NOT EXISTS (SELECT 1 FROM credential_device_stats s
            WHERE s.device_id = $1 AND s.credential_id = $2 AND coalesce(s.last_success < s.last_used, true))";
    const PROVE: &str = "UPDATE credentials SET proven_at = greatest(proven_at,
            clock_timestamp() - make_interval(secs => $2)) WHERE id = $1";
    const SUSPEND: &str = "UPDATE credentials SET suspended_at = clock_timestamp() WHERE id = $1";
    let failed = StoreError::query("note a refused login");
    let mut tx = store.begin("note a refused login").await?;
    if let Some(credential) = wanted.credential {
        lock_credential(&mut tx, credential).await?;
        // Successes are not noted one by one; here is where they matter.
        if let Some(ago) = accepted_ago {
            let prove = sqlx::query(PROVE).bind(credential.0).bind(ago.as_secs_f64());
            prove.execute(&mut *tx).await.map_err(&failed)?;
        }
    }
    if let Some(login) = login {
        forget(&mut tx, login).await?;
    }
    sqlx::query(REFUSE)
        .bind(wanted.device.0)
        .bind(wanted.credential.map(|id| id.0))
        .bind(wanted.job.map(|id| id.0))
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    let mut suspension = None;
    if let Some(id) = wanted.credential {
        let credential = lock_credential(&mut tx, id).await?;
        if credential.suspended_at.is_none()
            && credential.refused_by >= i64::from(limits.per_credential.max(1))
        {
            sqlx::query(SUSPEND).bind(id.0).execute(&mut *tx).await.map_err(&failed)?;
            let devices = u32::try_from(credential.refused_by).unwrap_or(u32::MAX);
            let entry = Entry::new(Action::CredentialSuspended, &credential.name);
            let entry = entry.with(Details::Suspension { refused_by: devices });
            audit::write(&mut tx, store.actor(), &entry).await?;
            suspension = Some(Suspension { name: credential.name, devices });
        }
    }
    tx.commit().await.map_err(&failed)?;
    Ok(suspension)
}

async fn forget(connection: &mut PgConnection, login: LoginId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_attempts WHERE id = $1")
        .bind(login.0)
        .execute(connection)
        .await
        .map(drop)
        .map_err(StoreError::query("take back a login"))
}
