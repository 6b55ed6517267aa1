//! What a session with one device needs to know of it.

use super::keys::host_keys;
use super::port;
use crate::rows::{optional_word, undecodable, word};
use crate::text::clean;
use crate::{Store, StoreError};
use chrono::Utc;
use netraven_model::{DeviceId, HostKey, Protocol, SshProfile, Target, TlsTrust};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// Where a device of the inventory is reached, and what is known of it from earlier contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its row.
    pub device: DeviceId,
    /// Where it is.
    pub target: Target,
    /// The port that the inventory names; without it the target's is the protocol's own.
    pub port: Option<u16>,
    /// Where it stands.
    pub site: Option<String>,
    /// The weakest SSH algorithms that it may be spoken to with; `None` before the first contact.
    pub ssh_profile: Option<SshProfile>,
    /// Whom to believe over HTTPS.
    pub tls: TlsTrust,
    /// Whether it lies behind a jump host.
    pub behind: bool,
    /// The keys that it has shown, the oldest first; empty before its first contact.
    pub host_keys: Vec<HostKey>,
}

/// Finds a device as [`super::get`] does; `None` where there is none. A gateway may read this, but not the rest of a device.
pub async fn contact(store: &Store, name_or_id: &str) -> Result<Option<Contact>, StoreError> {
    const CONTACT: &str =
        "SELECT id, uuid, hostname, ip_address, port, protocol, device_type, site, ssh_profile, tls,
            tls_legacy, jump_host IS NOT NULL AS behind FROM devices
        WHERE hostname = $1 OR uuid = $2 OR id = $3 ORDER BY hostname = $1 DESC, uuid = $2 DESC LIMIT 1";
    let failed = StoreError::query("look up a device");
    let row = sqlx::query(CONTACT)
        .bind(clean(name_or_id))
        .bind(name_or_id.parse::<Uuid>().ok())
        .bind(name_or_id.parse::<i64>().ok())
        .fetch_optional(store.reader())
        .await
        .map_err(&failed)?;
    let Some(row) = row else { return Ok(None) };
    let mut contact = decode(&row).map_err(&failed)?;
    contact.host_keys = host_keys(store, contact.device).await?;
    Ok(Some(contact))
}

/// Stores what a first contact taught: the host key, and the weakest SSH algorithms that are needed. What is known already
/// stays.
pub async fn learn(
    store: &Store,
    device: DeviceId,
    key: Option<&HostKey>,
    profile: Option<SshProfile>,
) -> Result<(), StoreError> {
    const KEY: &str = "INSERT INTO host_keys (device_id, algorithm, key, fingerprint, first_seen)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    const PROFILE: &str = "UPDATE devices SET ssh_profile = $2 WHERE id = $1 AND ssh_profile IS NULL";
    let failed = StoreError::query("store what a first contact taught");
    if let Some(key) = key {
        let insert = sqlx::query(KEY).bind(device.0).bind(clean(&key.algorithm)).bind(clean(&key.key));
        let insert = insert.bind(clean(&key.fingerprint)).bind(Utc::now());
        insert.execute(store.pool()).await.map_err(&failed)?;
    }
    if let Some(profile) = profile {
        let update = sqlx::query(PROFILE).bind(device.0).bind(profile.as_str());
        update.execute(store.pool()).await.map_err(&failed)?;
    }
    Ok(())
}

fn decode(row: &PgRow) -> sqlx::Result<Contact> {
    let device = DeviceId(row.try_get("id")?);
    Ok(Contact {
        device,
        target: target(row, device)?,
        port: port(row)?,
        site: row.try_get("site")?,
        ssh_profile: optional_word(row, "ssh_profile", SshProfile::from_name)?,
        tls: tls_trust(row)?,
        behind: row.try_get("behind")?,
        host_keys: Vec::new(),
    })
}

/// Whom a row of `devices` believes over HTTPS.
pub(crate) fn tls_trust(row: &PgRow) -> sqlx::Result<TlsTrust> {
    let trust = TlsTrust::from_words(row.try_get("tls")?, row.try_get("tls_legacy")?);
    trust.map_err(|error| undecodable("tls", error.to_string()))
}

/// Where a row of `devices` is reached.
pub(crate) fn target(row: &PgRow, device: DeviceId) -> sqlx::Result<Target> {
    let protocol = word(row, "protocol", Protocol::from_name)?;
    Ok(Target {
        device: Some(device),
        uuid: row.try_get("uuid")?,
        hostname: row.try_get("hostname")?,
        address: row.try_get("ip_address")?,
        port: port(row)?.unwrap_or(protocol.default_port()),
        protocol,
        platform: row.try_get("device_type")?,
    })
}
