//! Labels on devices and credentials; a credential reaches the devices with which it shares one.

use crate::devices;
use crate::text::clean;
use crate::{Store, StoreError, tag_rules};
use netraven_model::TagId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Postgres, Row, Transaction};
use std::borrow::Cow;

/// The tag of everything that was given none.
pub const DEFAULT: &str = "default";
/// The kind of a tag that was made by being used.
pub const DEFAULT_KIND: &str = "label";

/// A tag and how much it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// Row.
    pub id: TagId,
    /// Unique name.
    pub name: String,
    /// What it says: `label`, `role`, `location`, `vendor`, ...
    pub kind: String,
    /// Devices that have it.
    pub devices: i64,
    /// Credentials that have it.
    pub credentials: i64,
}

/// All tags by name.
pub async fn list(store: &Store) -> Result<Vec<Tag>, StoreError> {
    const LIST: &str = "SELECT t.id, t.name, t.type,
            (SELECT count(*) FROM device_tags d WHERE d.tag_id = t.id) AS devices,
            (SELECT count(*) FROM credential_tags c WHERE c.tag_id = t.id) AS credentials
        FROM tags t ORDER BY t.name";
    sqlx::query_as(LIST).fetch_all(store.reader()).await.map_err(StoreError::query("list tags"))
}

/// Makes a tag.
///
/// # Errors
/// [`StoreError::Duplicate`], [`StoreError::Invalid`] for a name with white space, commas or nothing at all.
pub async fn add(store: &Store, name: &str, kind: &str) -> Result<TagId, StoreError> {
    check_names(&[name.to_owned(), kind.to_owned()])?;
    sqlx::query_scalar("INSERT INTO tags (name, type) VALUES ($1, $2) RETURNING id")
        .bind(name)
        .bind(kind)
        .fetch_one(store.pool())
        .await
        .map(TagId)
        .map_err(StoreError::unless_taken("make a tag", "tag", name))
}

/// Removes a tag from everything and then itself.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::InUse`] while a schedule targets it, a rule gives it or a notification
/// channel wants it.
pub async fn remove(store: &Store, name: &str) -> Result<(), StoreError> {
    const SCHEDULE: &str =
        "SELECT name FROM schedules WHERE target -> 'tags' ? $1 OR target -> 'all_tags' ? $1
        ORDER BY name LIMIT 1";
    const RULE: &str = "SELECT r.id FROM tag_rules r JOIN tags t ON t.id = r.tag_id WHERE t.name = $1
        ORDER BY r.id LIMIT 1";
    const CHANNEL: &str =
        "SELECT name FROM notification_channels WHERE $1 = ANY (tags) ORDER BY name LIMIT 1";
    let failed = StoreError::query("remove a tag");
    let used = |by| Err(StoreError::InUse { what: "tag", name: name.to_owned(), by });
    let tag = clean(name);
    let mut tx = store.begin("remove a tag").await?;
    tag_rules::lock_for_rules(&mut tx).await?;
    let schedule: Option<String> =
        sqlx::query_scalar(SCHEDULE).bind(&tag).fetch_optional(&mut *tx).await.map_err(&failed)?;
    if let Some(schedule) = schedule {
        return used(format!("schedule '{schedule}'"));
    }
    let rule: Option<i64> =
        sqlx::query_scalar(RULE).bind(&tag).fetch_optional(&mut *tx).await.map_err(&failed)?;
    if let Some(rule) = rule {
        return used(format!("tag rule {rule}"));
    }
    let channel: Option<String> =
        sqlx::query_scalar(CHANNEL).bind(&tag).fetch_optional(&mut *tx).await.map_err(&failed)?;
    if let Some(channel) = channel {
        return used(format!("notification channel '{channel}'"));
    }
    let removed = sqlx::query("DELETE FROM tags WHERE name = $1")
        .bind(&tag)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    found(removed.rows_affected(), "tag", name)?;
    tx.commit().await.map_err(&failed)
}

/// Gives a device a tag; one that it has already is fine, and one that a rule gave is from now on a person's.
///
/// # Errors
/// [`StoreError::NotFound`] for either.
pub async fn attach_device(store: &Store, device: &str, tag: &str) -> Result<(), StoreError> {
    const ATTACH: &str = "INSERT INTO device_tags (device_id, tag_id) VALUES ($1, $2)
        ON CONFLICT (device_id, tag_id) DO UPDATE SET rule_id = NULL WHERE device_tags.rule_id IS NOT NULL";
    let (id, tag_id) = (devices::get(store, device).await?.id.0, find(store, tag).await?);
    let mut tx = begin_on_device(store, id, device).await?;
    let failed = StoreError::query("change tags");
    sqlx::query(ATTACH).bind(id).bind(tag_id).execute(&mut *tx).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)
}

/// Takes a tag from a device.
///
/// # Errors
/// [`StoreError::NotFound`] for either, or where the device does not have the tag; [`StoreError::GivenByRule`]
/// where it would come back at once.
pub async fn detach_device(store: &Store, device: &str, tag: &str) -> Result<(), StoreError> {
    const DETACH: &str = "DELETE FROM device_tags WHERE device_id = $1 AND tag_id = $2";
    let (id, tag_id) = (devices::get(store, device).await?.id.0, find(store, tag).await?);
    let mut tx = begin_on_device(store, id, device).await?;
    if let Some(rule) = tag_rules::rule_that_gives(&mut tx, id, tag_id).await? {
        return Err(StoreError::GivenByRule {
            device: device.to_owned(),
            tag: tag.to_owned(),
            rule: rule.id.0,
            condition: rule.condition(),
        });
    }
    let failed = StoreError::query("change tags");
    let removed = sqlx::query(DETACH).bind(id).bind(tag_id).execute(&mut *tx).await.map_err(&failed)?;
    found(removed.rows_affected(), "tag on that device called", tag)?;
    tx.commit().await.map_err(&failed)
}

/// Gives a credential a tag; one that it has already is fine.
///
/// # Errors
/// [`StoreError::NotFound`] for either.
pub async fn attach_credential(store: &Store, credential: &str, tag: &str) -> Result<(), StoreError> {
    let (credential, tag) = (find_credential(store, credential).await?, find(store, tag).await?);
    const ATTACH: &str =
        "INSERT INTO credential_tags (credential_id, tag_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    pair(store, ATTACH, credential, tag).await.map(drop)
}

/// Takes a tag from a credential.
///
/// # Errors
/// [`StoreError::NotFound`] for either, or where the credential does not have the tag.
pub async fn detach_credential(store: &Store, credential: &str, tag: &str) -> Result<(), StoreError> {
    let (id, tag_id) = (find_credential(store, credential).await?, find(store, tag).await?);
    let removed =
        pair(store, "DELETE FROM credential_tags WHERE credential_id = $1 AND tag_id = $2", id, tag_id)
            .await?;
    found(removed, "tag on that credential called", tag)
}

impl FromRow<'_, PgRow> for Tag {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: TagId(row.try_get("id")?),
            name: row.try_get("name")?,
            kind: row.try_get("type")?,
            devices: row.try_get("devices")?,
            credentials: row.try_get("credentials")?,
        })
    }
}

/// Tag names are written in lists on command lines and in CSV files, so they have no white space and no comma.
pub(crate) fn check_names(names: &[String]) -> Result<(), StoreError> {
    let fits = |name: &str| {
        (1..=100).contains(&name.chars().count())
            && !name.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';'))
    };
    match names.iter().find(|name| !fits(name)) {
        None => Ok(()),
        Some(name) => Err(StoreError::invalid(
            "a tag name",
            format!("{name:?} was given; expected 1 to 100 characters without white space, ',' or ';'"),
        )),
    }
}

/// Attaches tags by name, making those that are missing. A person named them: they are no longer the rules'.
pub(crate) async fn attach_devices(
    tx: &mut PgConnection,
    wanted: &[(i64, Cow<'_, str>)],
) -> Result<(), StoreError> {
    const ATTACH: &str = "INSERT INTO device_tags (device_id, tag_id)
        SELECT DISTINCT w.id, t.id FROM UNNEST($1::bigint[], $2::text[]) AS w (id, name) JOIN tags t USING (name)
        ORDER BY 1, 2
        ON CONFLICT (device_id, tag_id) DO UPDATE SET rule_id = NULL WHERE device_tags.rule_id IS NOT NULL";
    attach(tx, ATTACH, wanted).await
}

/// As [`attach_devices`].
pub(crate) async fn attach_credentials(
    tx: &mut PgConnection,
    wanted: &[(i64, Cow<'_, str>)],
) -> Result<(), StoreError> {
    const ATTACH: &str = "INSERT INTO credential_tags (credential_id, tag_id)
        SELECT w.id, t.id FROM UNNEST($1::bigint[], $2::text[]) AS w (id, name) JOIN tags t USING (name)
        ON CONFLICT DO NOTHING";
    attach(tx, ATTACH, wanted).await
}

/// The tag of this name, made where there is none.
pub(crate) async fn find_or_make(tx: &mut PgConnection, name: &str) -> Result<i64, StoreError> {
    let failed = StoreError::query("make a tag");
    let made = sqlx::query("INSERT INTO tags (name) VALUES ($1) ON CONFLICT (name) DO NOTHING").bind(name);
    made.execute(&mut *tx).await.map_err(&failed)?;
    // Locked as a row that refers to it will lock it: nobody removes it in between.
    let found = sqlx::query_scalar("SELECT id FROM tags WHERE name = $1 FOR KEY SHARE").bind(name);
    found.fetch_optional(tx).await.map_err(&failed)?.ok_or_else(|| StoreError::not_found("tag", name))
}

/// Takes all tags from devices, those of rules too: who calls this applies the rules afterwards.
pub(crate) async fn clear_devices(tx: &mut PgConnection, devices: &[i64]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM device_tags WHERE device_id = ANY ($1)")
        .bind(devices)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("take tags from devices"))
}

async fn attach(
    tx: &mut PgConnection,
    statement: &'static str,
    wanted: &[(i64, Cow<'_, str>)],
) -> Result<(), StoreError> {
    let failed = StoreError::query("attach tags");
    let (ids, names): (Vec<i64>, Vec<&str>) = wanted.iter().map(|(id, name)| (*id, name.as_ref())).unzip();
    // In one order everywhere, so that two imports that make the same tags do not wait in a circle.
    const MAKE: &str = "INSERT INTO tags (name) SELECT DISTINCT name FROM UNNEST($1::text[]) AS w (name)
        ORDER BY name ON CONFLICT (name) DO NOTHING";
    sqlx::query(MAKE).bind(&names).execute(&mut *tx).await.map_err(&failed)?;
    sqlx::query(statement).bind(ids).bind(names).execute(tx).await.map(drop).map_err(&failed)
}

async fn find(store: &Store, tag: &str) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT id FROM tags WHERE name = $1")
        .bind(clean(tag))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a tag"))?
        .ok_or_else(|| StoreError::not_found("tag", tag))
}

async fn find_credential(store: &Store, name: &str) -> Result<i64, StoreError> {
    crate::credentials::get_info(store, name).await.map(|info| info.id.0)
}

/// A transaction that has the device for itself: neither it nor a rule changes until the end.
async fn begin_on_device(
    store: &Store,
    id: i64,
    name: &str,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut tx = store.begin("change tags").await?;
    tag_rules::lock_for_devices(&mut tx).await?;
    let locked = sqlx::query("SELECT 1 FROM devices WHERE id = $1 FOR NO KEY UPDATE").bind(id);
    let locked = locked.fetch_optional(&mut *tx).await.map_err(StoreError::query("change tags"))?;
    if locked.is_some() { Ok(tx) } else { Err(StoreError::not_found("device", name)) }
}

async fn pair(store: &Store, statement: &'static str, a: i64, b: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(statement).bind(a).bind(b).execute(store.pool()).await;
    done.map(|done| done.rows_affected()).map_err(StoreError::query("change tags"))
}

fn found(rows: u64, what: &'static str, name: &str) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::not_found(what, name)) } else { Ok(()) }
}
