//! The rules at work, on many devices in one statement.

use crate::StoreError;
use sqlx::PgConnection;

/// First lock of whoever changes devices or their tags: the rules stay as they are until he is done.
pub(crate) async fn lock_for_devices(tx: &mut PgConnection) -> Result<(), StoreError> {
    lock(tx, "LOCK TABLE tag_rules IN SHARE MODE").await
}

/// First lock of whoever changes rules: no device and no rule changes until he is done.
pub(crate) async fn lock_for_rules(tx: &mut PgConnection) -> Result<(), StoreError> {
    lock(tx, "LOCK TABLE tag_rules IN SHARE ROW EXCLUSIVE MODE").await
}

/// Which devices fit which rules: `wanted` holds one row per device and tag, with the oldest rule that gives it.
macro_rules! wanted {
    ($rules:literal, $devices:literal) => {
        concat!(
            // What LIKE takes for special is literal in a pattern of ours.
            r"WITH rule AS MATERIALIZED (
                SELECT id, tag_id, device_type, site, network,
                    replace(replace(replace(replace(replace(
                        hostname_pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_') AS pattern
                FROM tag_rules WHERE ",
            $rules,
            "), device AS MATERIALIZED (
                SELECT id, hostname, device_type, site,
                    CASE WHEN EXISTS (SELECT FROM rule WHERE network IS NOT NULL)
                        THEN as_inet(ip_address) END AS address
                FROM devices WHERE ",
            $devices,
            "), wanted AS MATERIALIZED (
                SELECT device.id AS device_id, rule.tag_id, min(rule.id) AS rule_id
                FROM device JOIN rule
                    ON (rule.pattern IS NULL OR device.hostname ILIKE rule.pattern)
                    AND (rule.device_type IS NULL OR device.device_type = rule.device_type)
                    AND (rule.site IS NULL OR device.site = rule.site)
                    AND (rule.network IS NULL OR device.address <<= rule.network)
                GROUP BY device.id, rule.tag_id
            )"
        )
    };
}

macro_rules! apply {
    ($rules:literal, $devices:literal, $attached:literal) => {
        concat!(
            wanted!($rules, $devices),
            ", gone AS (
                DELETE FROM device_tags dt WHERE dt.rule_id IS NOT NULL AND ",
            $attached,
            "   AND NOT EXISTS (SELECT FROM wanted w WHERE w.device_id = dt.device_id AND w.tag_id = dt.tag_id)
            )
            INSERT INTO device_tags (device_id, tag_id, rule_id)
            SELECT device_id, tag_id, rule_id FROM wanted ORDER BY device_id, tag_id
            ON CONFLICT (device_id, tag_id) DO UPDATE SET rule_id = EXCLUDED.rule_id
                WHERE device_tags.rule_id IS NOT NULL AND device_tags.rule_id <> EXCLUDED.rule_id"
        )
    };
}

/// Gives these devices the tags that rules give them, and takes those that no rule gives any more.
pub(crate) async fn apply_to_devices(tx: &mut PgConnection, devices: &[i64]) -> Result<(), StoreError> {
    const APPLY: &str = apply!("true", "id = ANY ($1)", "dt.device_id = ANY ($1)");
    if devices.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(APPLY).bind(devices).execute(tx).await;
    done.map(drop).map_err(StoreError::query("apply tag rules"))
}

/// The same for one tag and all devices.
pub(super) async fn apply_to_tag(tx: &mut PgConnection, tag: i64) -> Result<(), StoreError> {
    const APPLY: &str = apply!("tag_id = $1", "true", "dt.tag_id = $1");
    let done = sqlx::query(APPLY).bind(tag).execute(tx).await;
    done.map(drop).map_err(StoreError::query("apply tag rules"))
}

/// How many devices fit a rule.
pub(super) async fn devices_that_fit(tx: &mut PgConnection, rule: i64) -> Result<i64, StoreError> {
    const COUNT: &str = concat!(wanted!("id = $1", "true"), " SELECT count(*) FROM wanted");
    let counted = sqlx::query_scalar(COUNT).bind(rule).fetch_one(tx).await;
    counted.map_err(StoreError::query("count the devices that fit a tag rule"))
}

/// How many devices have a tag.
pub(super) async fn devices_with_tag(tx: &mut PgConnection, tag: i64) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar("SELECT count(*) FROM device_tags WHERE tag_id = $1").bind(tag);
    count.fetch_one(tx).await.map_err(StoreError::query("count a tag's devices"))
}

/// The oldest rule by which the device has the tag, or would have it if nobody had attached it.
pub(crate) async fn rule_that_gives(
    tx: &mut PgConnection,
    device: i64,
    tag: i64,
) -> Result<Option<super::TagRule>, StoreError> {
    const RULE: &str = concat!(wanted!("tag_id = $2", "id = $1"), " SELECT rule_id FROM wanted");
    let rule: Option<i64> = sqlx::query_scalar(RULE)
        .bind(device)
        .bind(tag)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::query("look for a tag rule"))?;
    match rule {
        Some(id) => super::get(tx, netraven_model::TagRuleId(id)).await,
        None => Ok(None),
    }
}

async fn lock(tx: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(tx).await.map(drop).map_err(StoreError::query("lock the tag rules"))
}
