use crate::audit::{self, Action, Entry};
use crate::jobs::{TargetSelection, check_target};
use crate::rows::word;
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::{DateTime, NaiveTime, Utc};
use netraven_model::{ChangeKind, ChannelId, ChannelKind};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// Somebody who is told of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Row; the ciphertext of its secret is bound to it.
    pub id: ChannelId,
    /// Unique name.
    pub name: String,
    /// How he is told.
    pub kind: ChannelKind,
    /// A URL, or e-mail addresses with commas between them.
    pub target: String,
    /// Changes he is told of; empty: all.
    pub events: Vec<ChangeKind>,
    /// Devices with one of these tags; empty: all.
    pub tags: Vec<String>,
    /// When he gets one message a day instead of one for each change.
    pub digest: Option<Digest>,
    /// Whether he is told at all.
    pub enabled: bool,
    /// When he was entered.
    pub created_at: DateTime<Utc>,
}

/// One message a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Time of the day.
    pub at: NaiveTime,
    /// Where, by its IANA name.
    pub time_zone: String,
    /// The next one.
    pub next: DateTime<Utc>,
}

/// A channel in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelRow {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// Changes it is still to be told of.
    pub waiting: i64,
    /// Changes it could not be told of.
    pub dead: i64,
    /// When something reached it last.
    pub last_sent: Option<DateTime<Utc>>,
}

/// A channel to enter under an id taken with [`next_id`]. Whether its target makes sense is the caller's matter.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// Unique name.
    pub name: String,
    /// How he is told.
    pub kind: ChannelKind,
    /// A URL, or e-mail addresses with commas between them.
    pub target: String,
    /// Ciphertext of what webhooks are signed with; none for e-mail.
    pub secret: Option<Vec<u8>>,
    /// Changes he is told of; empty: all.
    pub events: Vec<ChangeKind>,
    /// Devices with one of these tags; empty: all.
    pub tags: Vec<String>,
    /// One message a day, for e-mail.
    pub digest: Option<Digest>,
}

/// Takes an id for a channel that is about to be made: its ciphertext is bound to the id, so it comes first.
///
/// # Errors
/// The database failed.
pub async fn next_id(store: &Store) -> Result<ChannelId, StoreError> {
    sqlx::query_scalar("SELECT nextval(pg_get_serial_sequence('netraven.notification_channels', 'id'))")
        .fetch_one(store.pool())
        .await
        .map(ChannelId)
        .map_err(StoreError::query("take an id for a notification channel"))
}

/// Enters a channel.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for one that is none,
/// [`StoreError::NotFound`] for a tag.
pub async fn add(store: &Store, id: ChannelId, new: &NewChannel) -> Result<(), StoreError> {
    const ADD: &str = "INSERT INTO notification_channels
            (id, name, kind, target, secret, events, tags, digest_at, time_zone, next_digest)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 'UTC'), $10)";
    let invalid = |reason: &str| Err(StoreError::invalid("the notification channel", reason));
    if new.name.trim().is_empty() || new.name.contains(char::is_control) {
        return invalid("it needs a name on one line to be spoken of by");
    }
    if new.target.is_empty() || new.target.contains(char::is_control) {
        return invalid("it needs a target on one line");
    }
    if (new.kind == ChannelKind::Webhook) != new.secret.is_some() {
        return invalid("webhooks are signed with a secret, and nothing else is");
    }
    if new.digest.is_some() && new.kind != ChannelKind::Email {
        return invalid("only e-mail comes once a day");
    }
    let mut tx = store.begin("enter a notification channel").await?;
    check_target(&mut tx, &TargetSelection::Tags(new.tags.clone())).await?;
    sqlx::query(ADD)
        .bind(id.0)
        .bind(&new.name)
        .bind(new.kind.as_str())
        .bind(&new.target)
        .bind(&new.secret)
        .bind(new.events.iter().map(|event| event.as_str()).collect::<Vec<_>>())
        .bind(&new.tags)
        .bind(new.digest.as_ref().map(|digest| digest.at))
        .bind(new.digest.as_ref().map(|digest| &digest.time_zone))
        .bind(new.digest.as_ref().map(|digest| digest.next))
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken(
            "enter a notification channel",
            "notification channel",
            &new.name,
        ))?;
    audit::write(&mut tx, store.actor(), &Entry::new(Action::NotificationAdded, &new.name)).await?;
    tx.commit().await.map_err(StoreError::query("enter a notification channel"))
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.name, c.kind, c.target, c.events, c.tags, c.digest_at, c.time_zone, c.next_digest, c.enabled,
                c.created_at, coalesce(d.waiting, 0) AS waiting, coalesce(d.dead, 0) AS dead, d.last_sent
            FROM notification_channels c LEFT JOIN (
                SELECT channel_id, count(*) FILTER (WHERE status = 'waiting') AS waiting,
                    count(*) FILTER (WHERE status = 'dead') AS dead, max(sent_at) AS last_sent
                FROM notification_deliveries GROUP BY channel_id) d ON d.channel_id = c.id ",
            $rest
        )
    };
}

/// All channels by name.
///
/// # Errors
/// The database failed.
pub async fn list(store: &Store) -> Result<Vec<ChannelRow>, StoreError> {
    sqlx::query_as(select!("ORDER BY c.name"))
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::query("list notification channels"))
}

/// One channel by its name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, name: &str) -> Result<ChannelRow, StoreError> {
    sqlx::query_as(select!("WHERE c.name = $1"))
        .bind(clean(name))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a notification channel"))?
        .ok_or_else(|| missing(name))
}

/// The ciphertext of what a channel's webhooks are signed with, for who may read it.
///
/// # Errors
/// The database failed.
pub async fn sealed(store: &Store, id: ChannelId) -> Result<Option<Vec<u8>>, StoreError> {
    sqlx::query_scalar("SELECT secret FROM notification_channels WHERE id = $1")
        .bind(id.0)
        .fetch_optional(store.reader())
        .await
        .map(Option::flatten)
        .map_err(StoreError::query("look up what a notification channel signs with"))
}

/// Lets a channel be told, or not. What happens while it is not is never told to it; what waits, waits.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn enable(store: &Store, name: &str, enabled: bool) -> Result<(), StoreError> {
    let action = if enabled { Action::NotificationEnabled } else { Action::NotificationDisabled };
    let query = sqlx::query("UPDATE notification_channels SET enabled = $2 WHERE name = $1");
    change(store, name, action, query.bind(clean(name)).bind(enabled)).await
}

/// Replaces what a channel's webhooks are signed with.
///
/// # Errors
/// [`StoreError::NotFound`], also for a channel that is no webhook.
pub async fn replace_secret(store: &Store, name: &str, ciphertext: &[u8]) -> Result<(), StoreError> {
    let query =
        sqlx::query("UPDATE notification_channels SET secret = $2 WHERE name = $1 AND kind = 'webhook'");
    change(store, name, Action::NotificationSecretChanged, query.bind(clean(name)).bind(ciphertext)).await
}

/// Removes a channel with all that it was told.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, name: &str) -> Result<(), StoreError> {
    let query = sqlx::query("DELETE FROM notification_channels WHERE name = $1");
    change(store, name, Action::NotificationRemoved, query.bind(clean(name))).await
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn change(store: &Store, name: &str, action: Action, query: Statement<'_>) -> Result<(), StoreError> {
    let failed = StoreError::query("change a notification channel");
    let mut tx = store.begin("change a notification channel").await?;
    let done = query.execute(&mut *tx).await.map_err(&failed)?;
    if done.rows_affected() == 0 {
        return Err(missing(name));
    }
    audit::write(&mut tx, store.actor(), &Entry::new(action, name)).await?;
    tx.commit().await.map_err(failed)
}

fn missing(name: &str) -> StoreError {
    StoreError::not_found("notification channel", name)
}

impl FromRow<'_, PgRow> for Channel {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let at: Option<NaiveTime> = row.try_get("digest_at")?;
        let next: Option<DateTime<Utc>> = row.try_get("next_digest")?;
        let digest = match at.zip(next) {
            Some((at, next)) => Some(Digest { at, time_zone: row.try_get("time_zone")?, next }),
            None => None,
        };
        let events: Vec<String> = row.try_get("events")?;
        Ok(Self {
            id: ChannelId(row.try_get("id")?),
            name: row.try_get("name")?,
            kind: word(row, "kind", ChannelKind::from_name)?,
            target: row.try_get("target")?,
            // A later release may know of more.
            events: events.iter().filter_map(|event| ChangeKind::from_name(event)).collect(),
            tags: row.try_get("tags")?,
            digest,
            enabled: row.try_get("enabled")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for ChannelRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            channel: Channel::from_row(row)?,
            waiting: row.try_get("waiting")?,
            dead: row.try_get("dead")?,
            last_sent: row.try_get("last_sent")?,
        })
    }
}
