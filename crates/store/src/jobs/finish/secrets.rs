use super::plan::{Accepted, End};
use crate::StoreError;
use netraven_seal::{SealedValue, WrappedKey};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Keeps the values of secrets that are not kept yet: the devices are locked, so nobody else adds one meanwhile. Answers, by
/// device, how many of them change only when somebody changes them.
pub(super) async fn keep(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
) -> Result<HashMap<i64, usize>, StoreError> {
    let found = accepted.iter().filter_map(|job| match &job.end {
        End::Store { config, .. } => config.secrets().map(|secrets| (job.device.0, secrets)),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let values = found.iter().flat_map(|(device, secrets)| {
        secrets.values.iter().map(move |value| (*device, secrets.key.id, value))
    });
    let mut values: Vec<_> = values.collect();
    let known = known(tx, &values).await?;
    values.retain(|(device, _, value)| !known.contains(&(*device, value.fingerprint.0)));
    let used: HashSet<Uuid> = values.iter().map(|(_, key, _)| *key).collect();
    let keys = found.iter().map(|(device, secrets)| (*device, &secrets.key));
    insert_keys(tx, &keys.filter(|(_, key)| used.contains(&key.id)).collect::<Vec<_>>()).await?;
    insert_values(tx, &values).await?;
    let mut new = HashMap::new();
    for (device, ..) in values.iter().filter(|(.., value)| !value.salted) {
        *new.entry(*device).or_default() += 1;
    }
    Ok(new)
}

type Value<'a> = (i64, Uuid, &'a SealedValue);

async fn known(tx: &mut PgConnection, values: &[Value<'_>]) -> Result<HashSet<(i64, [u8; 16])>, StoreError> {
    const KNOWN: &str = "SELECT v.device_id, v.fingerprint FROM sealed_values v
        JOIN UNNEST($1::bigint[], $2::bytea[]) AS w (device, fingerprint)
            ON v.device_id = w.device AND v.fingerprint = w.fingerprint";
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(KNOWN)
        .bind(values.iter().map(|(device, ..)| *device).collect::<Vec<_>>())
        .bind(values.iter().map(|(.., value)| &value.fingerprint.0[..]).collect::<Vec<_>>())
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("look up which secrets are kept"))?;
    let fingerprint = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).ok();
    Ok(rows.into_iter().filter_map(|(device, bytes)| Some((device, fingerprint(bytes)?))).collect())
}

async fn insert_keys(tx: &mut PgConnection, keys: &[(i64, &WrappedKey)]) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO sealed_keys (device_id, id, key_number, wrapped)
        SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::bigint[], $4::bytea[])";
    sqlx::query(INSERT)
        .bind(keys.iter().map(|(device, _)| *device).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| key.id).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| i64::from(key.number)).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| &key.wrapped[..]).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("keep the data keys of secrets"))
}

async fn insert_values(tx: &mut PgConnection, values: &[Value<'_>]) -> Result<(), StoreError> {
    const INSERT: &str =
        "INSERT INTO sealed_values (device_id, key_id, fingerprint, ciphertext, site_fingerprint, salted)
        SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[], $6::boolean[])
        ON CONFLICT DO NOTHING";
    let site = |value: &SealedValue| value.site_fingerprint.map(|fingerprint| fingerprint.0.to_vec());
    sqlx::query(INSERT)
        .bind(values.iter().map(|(device, ..)| *device).collect::<Vec<_>>())
        .bind(values.iter().map(|(_, key, _)| *key).collect::<Vec<_>>())
        .bind(values.iter().map(|(.., value)| &value.fingerprint.0[..]).collect::<Vec<_>>())
        .bind(values.iter().map(|(.., value)| &value.ciphertext[..]).collect::<Vec<_>>())
        .bind(values.iter().map(|(.., value)| site(value)).collect::<Vec<_>>())
        .bind(values.iter().map(|(.., value)| value.salted).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("keep the values of secrets"))
}
