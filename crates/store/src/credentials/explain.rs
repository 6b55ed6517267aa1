use super::order::{best_first, order_columns};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::DeviceId;
use serde::Serialize;
use sqlx::FromRow;

/// A credential of a device, and why it stands where it does.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
pub struct Explained {
    /// Unique name.
    pub name: String,
    /// The tags that it shares with the device, sorted.
    pub shared_tags: Vec<String>,
    /// Whether the device accepted it the last time it was shown it.
    pub works_here: bool,
    /// Lower first.
    pub priority: i32,
    /// 0 to 1: how often this device accepted it, or all devices where little is known of this one; fading with time.
    pub rate_here: f64,
    /// The last time that this device accepted it.
    pub last_success_here: Option<DateTime<Utc>>,
    /// The last time that this device was shown it.
    pub last_used_here: Option<DateTime<Utc>>,
    /// Since when it is no candidate, because too many devices refused it in a row.
    pub suspended_at: Option<DateTime<Utc>>,
    /// Devices at other addresses are not shown it; empty: all may be.
    pub allowed_networks: Vec<String>,
}

/// All credentials that share a tag with a device in the order of [`crate::jobs::ClaimedJob::credentials`], those included
/// that are suspended.
pub async fn explain(store: &Store, device: DeviceId) -> Result<Vec<Explained>, StoreError> {
    const EXPLAIN: &str = concat!(
        "SELECT c.id, c.name, p.shared_tags, c.priority, s.last_used AS last_used_here, c.suspended_at,
            c.allowed_networks::text[] AS allowed_networks, ",
        order_columns!(),
        " FROM (SELECT ct.credential_id, array_agg(t.name ORDER BY t.name) AS shared_tags
            FROM device_tags dt JOIN credential_tags ct USING (tag_id) JOIN tags t ON t.id = tag_id
            WHERE dt.device_id = $1 GROUP BY ct.credential_id) p
        JOIN credentials c ON c.id = p.credential_id
        LEFT JOIN credential_device_stats s ON s.device_id = $1 AND s.credential_id = c.id
        ORDER BY ",
        best_first!()
    );
    sqlx::query_as(EXPLAIN)
        .bind(device.0)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("explain the order of credentials"))
}
