//! Which devices runs and schedules take.

use crate::{StoreError, tags};
use netraven_model::DeviceId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;

/// Which devices a run or a schedule takes. Disabled devices are never taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSelection {
    /// All of them.
    All,
    /// Those with at least one of these tags.
    Tags(Vec<String>),
    /// Those that have every one of these tags.
    AllTags(Vec<String>),
    /// Those at one of these sites.
    Sites(Vec<String>),
    /// These.
    Devices(Vec<DeviceId>),
}

/// The condition on `devices d` with the numbers of its four parameters, which [`Parameters`] are.
macro_rules! taken {
    ($devices:literal, $tags:literal, $all_tags:literal, $sites:literal) => {
        concat!(
            "d.status <> 'disabled' AND (",
            $devices,
            "::bigint[] IS NULL OR d.id = ANY (",
            $devices,
            ")) AND (",
            $tags,
            "::text[] IS NULL OR d.id = ANY (ARRAY (
                SELECT dt.device_id FROM device_tags dt JOIN tags t ON t.id = dt.tag_id WHERE t.name = ANY (",
            $tags,
            ")))) AND (",
            $all_tags,
            "::text[] IS NULL OR d.id = ANY (ARRAY (
                SELECT dt.device_id FROM device_tags dt JOIN tags t ON t.id = dt.tag_id WHERE t.name = ANY (",
            $all_tags,
            ") GROUP BY dt.device_id HAVING count(*) = cardinality(",
            $all_tags,
            "::text[])))) AND (",
            $sites,
            "::text[] IS NULL OR d.site = ANY (",
            $sites,
            "))"
        )
    };
}
pub(super) use taken;

/// What [`taken`] is asked with.
#[derive(Default)]
pub(super) struct Parameters {
    pub devices: Option<Vec<i64>>,
    pub tags: Option<Vec<String>>,
    /// Each once: they are counted.
    pub all_tags: Option<Vec<String>>,
    pub sites: Option<Vec<String>>,
}

impl Parameters {
    pub fn of(target: &TargetSelection) -> Self {
        let none = Self::default();
        match target {
            TargetSelection::All => none,
            TargetSelection::Tags(names) => Self { tags: Some(names.clone()), ..none },
            TargetSelection::AllTags(names) => {
                let mut names = names.clone();
                names.sort();
                names.dedup();
                Self { all_tags: Some(names), ..none }
            }
            TargetSelection::Sites(names) => Self { sites: Some(names.clone()), ..none },
            TargetSelection::Devices(ids) => {
                Self { devices: Some(ids.iter().map(|id| id.0).collect()), ..none }
            }
        }
    }
}

/// A misspelt tag or site must not look like a run without work.
pub(crate) async fn check_target(tx: &mut PgConnection, target: &TargetSelection) -> Result<(), StoreError> {
    const TAG: &str = "SELECT name FROM UNNEST($1::text[]) AS w (name)
        WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.name = w.name) LIMIT 1";
    const SITE: &str = "SELECT name FROM UNNEST($1::text[]) AS w (name)
        WHERE NOT EXISTS (SELECT 1 FROM devices d WHERE d.site = w.name) LIMIT 1";
    const DEVICE: &str = "SELECT id::text FROM UNNEST($1::bigint[]) AS w (id)
        WHERE NOT EXISTS (SELECT 1 FROM devices d WHERE d.id = w.id) LIMIT 1";
    match target {
        TargetSelection::All => Ok(()),
        TargetSelection::Tags(names) | TargetSelection::AllTags(names) => {
            tags::check_names(names)?;
            missing(tx, "tag", sqlx::query_scalar(TAG).bind(names)).await
        }
        TargetSelection::Sites(names) => {
            if let Some(name) = names.iter().find(|name| name.contains('\0')) {
                return Err(StoreError::not_found("site", name));
            }
            missing(tx, "site", sqlx::query_scalar(SITE).bind(names)).await
        }
        TargetSelection::Devices(ids) => {
            let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
            missing(tx, "device", sqlx::query_scalar(DEVICE).bind(ids)).await
        }
    }
}

/// How many devices would be taken now.
pub(crate) async fn count_target(tx: &mut PgConnection, target: &TargetSelection) -> Result<i64, StoreError> {
    const COUNT: &str = concat!("SELECT count(*) FROM devices d WHERE ", taken!("$1", "$2", "$3", "$4"));
    let parameters = Parameters::of(target);
    sqlx::query_scalar(COUNT)
        .bind(parameters.devices)
        .bind(parameters.tags)
        .bind(parameters.all_tags)
        .bind(parameters.sites)
        .fetch_one(tx)
        .await
        .map_err(StoreError::query("count what a run takes"))
}

async fn missing(
    tx: &mut PgConnection,
    what: &'static str,
    query: QueryScalar<'_, sqlx::Postgres, String, PgArguments>,
) -> Result<(), StoreError> {
    let missing = query.fetch_optional(tx).await.map_err(StoreError::query("look up what a run takes"))?;
    missing.map_or(Ok(()), |name| Err(StoreError::not_found(what, name)))
}
