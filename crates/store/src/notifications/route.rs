use super::Channel;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// What one call of [`route`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Routed {
    /// Changes that were looked at.
    pub changes: i64,
    /// Deliveries that came of them.
    pub deliveries: i64,
}

/// Hands up to `limit` changes to the channels that want them. Several may do this at once: each change is handed over
/// once. Call it again until it has looked at fewer than `limit`.
///
/// # Errors
/// The database failed; then nothing was handed over.
pub async fn route(store: &Store, limit: u32) -> Result<Routed, StoreError> {
    const ROUTE: &str = "WITH fresh AS (
            SELECT id, device_id, event FROM device_events WHERE NOT routed
            ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
        ), handed AS (
            INSERT INTO notification_deliveries (channel_id, event_id)
            SELECT c.id, f.id FROM fresh f JOIN notification_channels c ON c.enabled
                AND (c.events = '{}' OR f.event = ANY (c.events))
                AND (c.tags = '{}' OR EXISTS (SELECT 1 FROM device_tags dt JOIN tags t ON t.id = dt.tag_id
                    WHERE dt.device_id = f.device_id AND t.name = ANY (c.tags)))
            ORDER BY f.id, c.id ON CONFLICT DO NOTHING RETURNING 1
        ), done AS (
            UPDATE device_events e SET routed = true FROM fresh f WHERE e.id = f.id RETURNING 1
        )
        SELECT (SELECT count(*) FROM done) AS changes, (SELECT count(*) FROM handed) AS deliveries";
    sqlx::query_as(ROUTE)
        .bind(i64::from(limit))
        .fetch_one(store.pool())
        .await
        .map_err(StoreError::query("hand changes of devices to notification channels"))
}

/// Channels whose daily message is due and would say nothing.
///
/// # Errors
/// The database failed.
pub async fn empty_digests(store: &Store) -> Result<Vec<Channel>, StoreError> {
    const EMPTY: &str =
        "SELECT c.id, c.name, c.kind, c.target, c.events, c.tags, c.digest_at, c.time_zone, c.next_digest,
            c.enabled, c.created_at
        FROM notification_channels c WHERE c.enabled AND c.next_digest <= now() AND NOT EXISTS (
            SELECT 1 FROM notification_deliveries d WHERE d.channel_id = c.id AND d.status = 'waiting')
        ORDER BY c.id";
    sqlx::query_as(EMPTY)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("look for daily messages that are due"))
}

/// Leaves a channel's daily message out: the next one is at that time.
///
/// # Errors
/// The database failed.
pub async fn finish_empty_digest(
    store: &Store,
    channel: &Channel,
    next: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(digest) = &channel.digest else { return Ok(()) };
    sqlx::query("UPDATE notification_channels SET next_digest = $3 WHERE id = $1 AND next_digest = $2")
        .bind(channel.id.0)
        .bind(digest.next)
        .bind(next)
        .execute(store.pool())
        .await
        .map(drop)
        .map_err(StoreError::query("leave a daily message out"))
}
