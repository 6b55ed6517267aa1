use super::LearnedHop;
use super::plan::Accepted;
use crate::StoreError;
use crate::text::clean;
use netraven_model::{HostKey, SshProfile};
use sqlx::PgConnection;

/// What sessions learned of the jump hosts on their way. Many sessions meet a new jump host at the same time: what is known
/// already stays, and only a first key is taken on trust.
pub(super) async fn learn(tx: &mut PgConnection, accepted: &[&mut Accepted<'_>]) -> Result<(), StoreError> {
    let mut hops: Vec<&LearnedHop> = accepted.iter().flat_map(|job| &job.finished.hops).collect();
    // One order for all, so that two batches wait for each other and never in a circle.
    hops.sort_by_key(|hop| hop.device);
    hops.dedup_by_key(|hop| hop.device);
    let keys: Vec<_> = hops.iter().filter_map(|hop| Some((hop.device.0, hop.host_key.as_ref()?))).collect();
    if !keys.is_empty() {
        learn_keys(tx, &keys).await?;
    }
    let profiles: Vec<_> = hops.iter().filter_map(|hop| Some((hop.device.0, hop.ssh_profile?))).collect();
    if !profiles.is_empty() {
        learn_profiles(tx, &profiles).await?;
    }
    Ok(())
}

async fn learn_keys(tx: &mut PgConnection, keys: &[(i64, &HostKey)]) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO host_keys (device_id, algorithm, key, fingerprint)
        SELECT l.* FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[]) AS l (id, algorithm, key, fingerprint)
        WHERE NOT EXISTS (SELECT 1 FROM host_keys k WHERE k.device_id = l.id) ON CONFLICT DO NOTHING";
    sqlx::query(INSERT)
        .bind(keys.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| clean(&key.algorithm)).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| clean(&key.key)).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| clean(&key.fingerprint)).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("store the host keys of jump hosts"))
}

async fn learn_profiles(tx: &mut PgConnection, profiles: &[(i64, SshProfile)]) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE devices d SET ssh_profile = l.profile
        FROM UNNEST($1::bigint[], $2::text[]) AS l (id, profile) WHERE d.id = l.id AND d.ssh_profile IS NULL";
    sqlx::query(UPDATE)
        .bind(profiles.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(profiles.iter().map(|(_, profile)| profile.as_str()).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("store the algorithms of jump hosts"))
}
