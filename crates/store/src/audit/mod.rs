//! The audit trail: who changed what, from where. It only grows; the database refuses everything else.
//!
//! A function of the store that changes something worth an entry writes it in the same transaction, in the name
//! of the store's [`Actor`]: there is no change without its entry and no entry without its change.

mod action;
mod actor;
mod details;
mod list;

pub use action::Action;
pub use actor::{Actor, ActorKind};
pub use details::{Details, NotShown, Plain};
pub use list::{AuditFilter, AuditRow, list};

use crate::text::{clean, clean_json};
use crate::{Store, StoreError};
use serde_json::Value;
use sqlx::PgConnection;

/// What is to be remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What was done.
    pub action: Action,
    /// The name of what it was done to: a user, a device, a setting's key, a database, ... Its kind is the action's.
    pub target: String,
    /// Whether it worked.
    pub success: bool,
    /// More about it.
    pub details: Option<Details>,
}

impl Entry {
    /// Something that worked.
    pub fn new(action: Action, target: impl Into<String>) -> Self {
        Self { action, target: target.into(), success: true, details: None }
    }

    /// The same with more about it.
    pub fn with(self, details: Details) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The same, but it did not work.
    pub fn failed(self) -> Self {
        Self { success: false, ..self }
    }
}

/// Remembers something that is no function of the store, e.g. that a dump was made, in the name of the store's actor.
pub async fn record(store: &Store, entry: &Entry) -> Result<(), StoreError> {
    let mut connection = store.pool().acquire().await.map_err(StoreError::query("write the audit trail"))?;
    write(&mut connection, store.actor(), entry).await
}

/// Remembers something in the transaction that does it.
pub(crate) async fn write(tx: &mut PgConnection, actor: &Actor, entry: &Entry) -> Result<(), StoreError> {
    const WRITE: &str = "INSERT INTO audit_log
            (actor, actor_kind, user_id, action, target_kind, target, success, source_address, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    sqlx::query(WRITE)
        .bind(clean(&actor.name))
        .bind(actor.kind.as_str())
        .bind(actor.user.map(|id| id.0))
        .bind(entry.action.as_str())
        .bind(entry.action.target_kind())
        .bind(clean(&entry.target))
        .bind(entry.success)
        .bind(actor.source_address.map(|address| address.to_string()))
        .bind(described(actor, entry))
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("write the audit trail"))
}

fn described(actor: &Actor, entry: &Entry) -> Option<Value> {
    let mut fields = match entry.details.as_ref().map(serde_json::to_value) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    };
    if let Some(account) = &actor.account {
        fields.insert("account".to_owned(), Value::from(account.as_str()));
    }
    if fields.is_empty() { None } else { Some(clean_json(Value::Object(fields))) }
}
