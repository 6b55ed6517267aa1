use super::Action;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::UserId;
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};

/// An entry as it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Row; later entries have higher ones.
    pub id: i64,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// How he came in: `user`, `token`, `shell` or `service`.
    pub actor_kind: String,
    /// His row, where he is one of NetRaven's users; the user may be gone.
    pub user_id: Option<UserId>,
    /// What was done. A later release may have written words that this one does not know.
    pub action: String,
    /// What kind of thing it was done to.
    pub target_kind: Option<String>,
    /// Its name.
    pub target: Option<String>,
    /// Whether it worked.
    pub success: bool,
    /// Where the request came from.
    pub source_address: Option<String>,
    /// More about it.
    pub details: Option<Value>,
}

/// Which entries to list; an empty filter lists the newest [`AuditFilter::DEFAULT_LIMIT`].
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<Action>,
    /// As many at most.
    pub limit: Option<u32>,
    /// Only entries older than this one, to go on where the last list ended.
    pub before: Option<i64>,
}

impl AuditFilter {
    /// The limit where none is given.
    pub const DEFAULT_LIMIT: u32 = 100;
}

/// Lists entries, newest first.
pub async fn list(store: &Store, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
    // Only the conditions that are asked for: each list then walks an index that ends with the id.
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, timestamp, actor, actor_kind, user_id, action, target_kind, target, success,
            source_address, details
        FROM audit_log WHERE true",
    );
    if let Some(actor) = &filter.actor {
        query.push(" AND actor = ").push_bind(clean(actor).into_owned());
    }
    if let Some(action) = filter.action {
        query.push(" AND action = ").push_bind(action.as_str());
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::from(filter.limit.unwrap_or(AuditFilter::DEFAULT_LIMIT)))
        .build_query_as()
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("read the audit trail"))
}

impl FromRow<'_, PgRow> for AuditRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let user: Option<i64> = row.try_get("user_id")?;
        Ok(Self {
            id: row.try_get("id")?,
            timestamp: row.try_get("timestamp")?,
            actor: row.try_get("actor")?,
            actor_kind: row.try_get("actor_kind")?,
            user_id: user.map(UserId),
            action: row.try_get("action")?,
            target_kind: row.try_get("target_kind")?,
            target: row.try_get("target")?,
            success: row.try_get("success")?,
            source_address: row.try_get("source_address")?,
            details: row.try_get("details")?,
        })
    }
}
