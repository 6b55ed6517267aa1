//! Locks on the devices and jobs whose sessions are under way.

use crate::StoreError;
use sqlx::PgConnection;

/// Locks the devices of these jobs, in the order of their ids. Jobs and devices that are gone are passed over.
pub(super) async fn lock_devices(tx: &mut PgConnection, jobs: &[i64]) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT d.id FROM devices d
        WHERE d.id IN (SELECT j.device_id FROM jobs j WHERE j.id = ANY ($1))
        ORDER BY d.id FOR NO KEY UPDATE";
    sqlx::query(LOCK)
        .bind(jobs)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("lock the devices of jobs"))
}

/// Ends the sessions of these jobs, whose devices are locked; nothing else of the devices changes.
pub(super) async fn free_devices(tx: &mut PgConnection, jobs: &[i64]) -> Result<(), StoreError> {
    const FREE: &str = "UPDATE devices d SET session_job = NULL
        FROM jobs j WHERE j.id = ANY ($1) AND d.id = j.device_id AND d.session_job = j.id";
    sqlx::query(FREE)
        .bind(jobs)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("end the sessions of devices"))
}
