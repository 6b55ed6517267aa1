//! Rules that attach tags: a device that fits all that a rule names has the rule's tag.
//!
//! What rules give is always what they would give if all of them were applied anew: whoever changes a device, its
//! tags or a rule applies them in the same transaction. A tag that a person attached is not the rules' matter.
//!
//! Locks: before anything else whoever changes devices or their tags takes the table `tag_rules` for himself and his
//! like ([`lock_for_devices`]), whoever changes rules takes it for himself alone ([`lock_for_rules`]); so neither
//! misses what the other has not committed yet. Only then come devices in the order of their ids, then tags.

mod apply;
mod network;

pub(crate) use apply::{apply_to_devices, lock_for_devices, lock_for_rules, rule_that_gives};
pub use network::parse_network;

use crate::audit::{self, Action, Details, Entry};
use crate::text::{clean, clean_option};
use crate::{Store, StoreError, tags};
use apply::{apply_to_tag, devices_that_fit, devices_with_tag};
use chrono::{DateTime, Utc};
use netraven_model::TagRuleId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// Longest pattern of host names: those have 253 characters at most.
const LONGEST_PATTERN: usize = 255;

/// A rule to make. It needs at least one of the conditions, and a device fits when it fits all that are given.
#[derive(Clone, Debug, Default)]
pub struct NewTagRule {
    /// The tag; made where there is none of that name.
    pub tag: String,
    /// The whole host name, `*` for any characters and `?` for one, upper and lower case alike.
    pub hostname_pattern: Option<String>,
    /// The platform.
    pub device_type: Option<String>,
    /// The site, to the letter.
    pub site: Option<String>,
    /// A network that holds the device's address, e.g. `10.0.0.0/8`; a DNS name is in none.
    pub network: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagRule {
    /// Row.
    pub id: TagRuleId,
    /// The tag that it gives.
    pub tag: String,
    /// As in [`NewTagRule`], like the next three.
    pub hostname_pattern: Option<String>,
    /// Platform.
    pub device_type: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Network.
    pub network: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Devices that have the tag by this rule. Of several rules for one tag the oldest counts.
    pub devices: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What a rule does when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Devices that fit.
    pub fitting: i64,
    /// Those of them that did not have the tag.
    pub gained: i64,
}

impl TagRule {
    /// What it asks for, e.g. `hostname core-*, site paris`.
    pub fn condition(&self) -> String {
        let named = [
            ("hostname", &self.hostname_pattern),
            ("platform", &self.device_type),
            ("site", &self.site),
            ("network", &self.network),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        named.collect::<Vec<_>>().join(", ")
    }
}

/// Makes a rule and gives its tag to the devices that fit.
///
/// # Errors
/// [`StoreError::Duplicate`] for a rule that is there already, [`StoreError::Invalid`].
pub async fn add(store: &Store, new: &NewTagRule) -> Result<(TagRule, Effect), StoreError> {
    let mut tx = store.begin("add a tag rule").await?;
    let (rule, effect) = insert(&mut tx, new).await?;
    let entry = entry(Action::TagRuleAdded, &rule, effect.gained);
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(StoreError::query("add a tag rule"))?;
    Ok((rule, effect))
}

/// What [`add`] would do; nothing is kept.
///
/// # Errors
/// As [`add`].
pub async fn try_out(store: &Store, new: &NewTagRule) -> Result<Effect, StoreError> {
    let mut tx = store.begin("try out a tag rule").await?;
    let (_, effect) = insert(&mut tx, new).await?;
    tx.rollback().await.map_err(StoreError::query("try out a tag rule"))?;
    Ok(effect)
}

/// All rules by their tags.
pub async fn list(store: &Store) -> Result<Vec<TagRule>, StoreError> {
    const LIST: &str = concat!(rule_select!(), " ORDER BY t.name, r.id");
    sqlx::query_as(LIST).fetch_all(store.reader()).await.map_err(StoreError::query("list tag rules"))
}

/// Removes a rule. Devices that have the tag by this rule alone lose it; answers how many do.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn remove(store: &Store, id: TagRuleId) -> Result<i64, StoreError> {
    let failed = StoreError::query("remove a tag rule");
    let mut tx = store.begin("remove a tag rule").await?;
    lock_for_rules(&mut tx).await?;
    let rule = get(&mut tx, id).await?.ok_or_else(|| StoreError::not_found("tag rule", id))?;
    let tag: i64 = sqlx::query_scalar("SELECT tag_id FROM tag_rules WHERE id = $1")
        .bind(id.0)
        .fetch_one(&mut *tx)
        .await
        .map_err(&failed)?;
    let before = devices_with_tag(&mut tx, tag).await?;
    // Its rows in device_tags go with it.
    sqlx::query("DELETE FROM tag_rules WHERE id = $1").bind(id.0).execute(&mut *tx).await.map_err(&failed)?;
    apply_to_tag(&mut tx, tag).await?;
    let lost = before - devices_with_tag(&mut tx, tag).await?;
    audit::write(&mut tx, store.actor(), &entry(Action::TagRuleRemoved, &rule, lost)).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(lost)
}

async fn insert(tx: &mut PgConnection, new: &NewTagRule) -> Result<(TagRule, Effect), StoreError> {
    const INSERT: &str = "INSERT INTO tag_rules
            (tag_id, hostname_pattern, device_type, site, network, description)
        VALUES ($1, $2, $3, $4, $5::text::cidr, $6) RETURNING id";
    let network = check(new)?;
    lock_for_rules(tx).await?;
    let tag = tags::find_or_make(tx, &new.tag).await?;
    let before = devices_with_tag(tx, tag).await?;
    let id: i64 = sqlx::query_scalar(INSERT)
        .bind(tag)
        .bind(&new.hostname_pattern)
        .bind(&new.device_type)
        .bind(&new.site)
        .bind(network)
        .bind(clean_option(&new.description))
        .fetch_one(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("add a tag rule", "rule of these conditions for tag", &new.tag))?;
    apply_to_tag(tx, tag).await?;
    let gained = devices_with_tag(tx, tag).await? - before;
    let fitting = devices_that_fit(tx, id).await?;
    let rule = get(tx, TagRuleId(id)).await?.ok_or_else(|| StoreError::not_found("tag rule", id))?;
    Ok((rule, Effect { fitting, gained }))
}

/// Answers the network as the database writes it.
fn check(new: &NewTagRule) -> Result<Option<String>, StoreError> {
    let wrong = |reason: String| StoreError::invalid("the tag rule", reason);
    tags::check_names(std::slice::from_ref(&new.tag))?;
    let conditions = [&new.hostname_pattern, &new.device_type, &new.site, &new.network];
    if conditions.iter().all(|condition| condition.is_none()) {
        return Err(wrong("expected at least one of hostname, platform, site and network".to_owned()));
    }
    for condition in conditions.into_iter().flatten() {
        if condition.is_empty() || condition.contains(char::is_control) {
            return Err(wrong(format!("expected a text on one line as a condition, found {condition:?}")));
        }
    }
    let length = new.hostname_pattern.as_deref().map_or(0, |pattern| pattern.chars().count());
    if length > LONGEST_PATTERN {
        return Err(wrong(format!(
            "expected at most {LONGEST_PATTERN} characters as a pattern of host names, found {length}"
        )));
    }
    new.network.as_deref().map(parse_network).transpose().map_err(wrong)
}

async fn get(tx: &mut PgConnection, id: TagRuleId) -> Result<Option<TagRule>, StoreError> {
    const GET: &str = concat!(rule_select!(), " WHERE r.id = $1");
    sqlx::query_as(GET).bind(id.0).fetch_optional(tx).await.map_err(StoreError::query("look up a tag rule"))
}

fn entry(action: Action, rule: &TagRule, devices: i64) -> Entry {
    let details = Details::TagRule { rule: rule.id, condition: rule.condition(), devices };
    Entry::new(action, clean(&rule.tag)).with(details)
}

macro_rules! rule_select {
    () => {
        "SELECT r.id, t.name AS tag, r.hostname_pattern, r.device_type, r.site, r.network::text AS network,
            r.description, r.created_at,
            (SELECT count(*) FROM device_tags dt WHERE dt.rule_id = r.id) AS devices
        FROM tag_rules r JOIN tags t ON t.id = r.tag_id"
    };
}
use rule_select;

impl FromRow<'_, PgRow> for TagRule {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: TagRuleId(row.try_get("id")?),
            tag: row.try_get("tag")?,
            hostname_pattern: row.try_get("hostname_pattern")?,
            device_type: row.try_get("device_type")?,
            site: row.try_get("site")?,
            network: row.try_get("network")?,
            description: row.try_get("description")?,
            devices: row.try_get("devices")?,
            created_at: row.try_get("created_at")?,
        })
    }
}
