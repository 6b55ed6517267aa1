//! Key rotation in this process: by hand and on a schedule.

use crate::context::Context;
use crate::database::Database;
use crate::error::Result;
use crate::sealing::{key_source, vault};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_service::Rotation;
use netraven_store::Store;
use netraven_store::access::Role;
use netraven_store::audit::Actor;
use netraven_vault::{KeyInfo, KeySource, Vault};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked whether a rotation is due, or was interrupted.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// A rotation with the rights of its own role, in somebody's name; the keys it uses; and the store to close behind it.
pub async fn rotation(
    context: &Context,
    database: &Database,
    actor: Actor,
) -> Result<(Rotation, Arc<Vault>, Store)> {
    let vault = Arc::new(vault(context)?);
    let store = database.store_as(context, Role::Rotator).await?.with_actor(actor);
    Ok((Rotation::new(store.clone(), vault.clone()), vault, store))
}

/// Rotates whenever it is due, and goes on with what was interrupted, for as long as it is polled. Failures are logged and
/// tried again.
pub async fn keep_rotating(context: &Context, database: &Database) -> Infallible {
    loop {
        if let Err(error) = look(context, database).await {
            tracing::error!(error = error.message, "keys were not rotated");
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn look(context: &Context, database: &Database) -> Result {
    // Where nothing was ever encrypted there is nothing to rotate, and no key file yet.
    if matches!(key_source(context)?, KeySource::File(path) if !path.exists()) {
        return Ok(());
    }
    let (rotation, vault, store) = rotation(context, database, Actor::service("netraven")).await?;
    let done = rotate_if_due(context.settings.vault.rotate_every_days, &rotation, &vault).await;
    store.close().await;
    done
}

async fn rotate_if_due(days: u64, rotation: &Rotation, vault: &Vault) -> Result {
    // Keys from elsewhere are renewed there; what they are needed for is still brought to the newest one.
    let own = matches!(vault.source(), KeySource::File(_));
    if own && days > 0 && is_due(&vault.keys(), days, Utc::now()) {
        let key = rotation.add_key().await?;
        tracing::info!(key, "a new key was made");
    } else if rotation.left().await? == 0 {
        return Ok(());
    }
    let done = rotation.run(&|renewed| tracing::debug!(renewed, "encrypted anew")).await?;
    tracing::info!(key = done.key, renewed = done.renewed, unopened = done.unopened, "keys were rotated");
    Ok(())
}

/// Whether the newest key is older than that; one without a date is of before dates were noted.
fn is_due(keys: &[KeyInfo], days: u64, now: DateTime<Utc>) -> bool {
    let made = keys.last().and_then(|key| key.created_at.as_deref());
    let made = made.and_then(|made| DateTime::parse_from_rfc3339(made).ok());
    let age = TimeDelta::days(i64::try_from(days).unwrap_or(i64::MAX / 100_000_000));
    made.is_none_or(|made| now.signed_duration_since(made) >= age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_is_due_when_the_newest_key_has_its_age() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let key = |number, made: Option<&str>| KeyInfo { number, created_at: made.map(str::to_owned) };
        let old = key(1, Some("2020-01-01T00:00:00Z"));
        for (made, days, due) in [
            ("2026-02-28T12:00:00Z", 1, true),
            ("2026-02-28T12:00:01Z", 1, false),
            ("2026-03-05T00:00:00Z", 1, false),
            ("2024-02-29T00:00:00Z", 3650, false),
        ] {
            assert_eq!(is_due(&[old.clone(), key(2, Some(made))], days, now), due, "{made}");
        }
        assert!(is_due(&[key(1, None)], 3650, now), "its date is not known");
    }
}
