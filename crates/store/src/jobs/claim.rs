use super::fair::{BEGIN, CLAIM, Load};
use super::needs::{candidates, heads, hops, host_keys};
use crate::credentials::StoredCredential;
use crate::devices::{port, target, tls_trust};
use crate::logins::{self, RefusedLogins};
use crate::rows::{optional_word, word};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::{
    DeviceId, Hash256, HostKey, JobId, JobKind, RunId, SshProfile, Target, TlsTrust, VersionId,
};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::fmt;
use std::time::Duration;

/// A job that is this worker's until the lease ends, with all that its session needs.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub job: JobId,
    /// The run that made it; `None` where the run was removed.
    pub run: Option<RunId>,
    /// What to do.
    pub kind: JobKind,
    /// What a job of the kind `command` asks, in order.
    pub commands: Vec<String>,
    /// No attempt begins behind this.
    pub not_after: Option<DateTime<Utc>>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Proof of the lease: grows with each session of the device.
    pub token: i64,
    /// The device.
    pub device: DeviceId,
    /// Where it is and how it is spoken to.
    pub target: Target,
    /// The port that the inventory names; without it the target's is the protocol's own.
    pub port: Option<u16>,
    /// Where the device stands.
    pub site: Option<String>,
    /// The weakest SSH algorithms it may be spoken to with; `None` before the first contact.
    pub ssh_profile: Option<SshProfile>,
    /// Whom to believe over HTTPS.
    pub tls: TlsTrust,
    /// The jump hosts on the way, the first one first.
    pub via: Vec<Hop>,
    /// The newest version; `None` before the first.
    pub previous: Option<Previous>,
    /// The host keys seen before.
    pub host_keys: Vec<HostKey>,
    /// Those that share a tag with the device, best first: what was accepted here the last time it was tried, then by
    /// priority, by the success rate on this device (on all devices where little is known of this one), and by the last
    /// success on this device.
    pub credentials: Vec<StoredCredential>,
    /// Those that share a tag with the device and are not to be tried.
    pub left_out: Vec<LeftOut>,
    /// Logins that the device refused of late.
    pub refused: RefusedLogins,
}

/// A credential that shares a tag with a device and is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Too many devices refused it in a row.
    Suspended {
        /// Its name.
        name: String,
        /// When it was.
        since: DateTime<Utc>,
    },
    /// The device refused it in an earlier attempt of the job.
    Refused {
        /// Its name.
        name: String,
    },
}

/// For people.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended { name, since } => {
                write!(f, "credential '{name}' is suspended since {} UTC", since.format("%Y-%m-%d %H:%M"))
            }
            Self::Refused { name } => write!(f, "credential '{name}' was refused in an earlier attempt"),
        }
    }
}

/// A jump host on the way to a device.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Where it is.
    pub target: Target,
    /// The port that the inventory names; without it the target's is the protocol's own.
    pub port: Option<u16>,
    /// The weakest SSH algorithms it may be spoken to with; `None` before the first contact.
    pub ssh_profile: Option<SshProfile>,
    /// The host keys seen before.
    pub host_keys: Vec<HostKey>,
    /// Those that share a tag with it, best first.
    pub credentials: Vec<StoredCredential>,
    /// Those that share a tag with it and are not to be tried.
    pub left_out: Vec<LeftOut>,
}

/// What a session must know of the newest version to tell whether something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its row.
    pub version: VersionId,
    /// Its number in the device's history.
    pub seq: i64,
    /// Keyed hash without what is volatile.
    pub significant: Hash256,
    /// Size of all parts in bytes.
    pub size: u64,
    /// The platform definition it was taken with.
    pub platform_digest: Hash256,
}

/// [`claim_beside`] nothing else that is under way.
pub async fn claim(
    store: &Store,
    worker: &str,
    limit: u32,
    lease: Duration,
) -> Result<Vec<ClaimedJob>, StoreError> {
    claim_beside(store, worker, limit, lease, &Load::default()).await
}

/// Takes at most `limit` due jobs of devices without a session. A job is given to one worker only, and a device has
/// one session at most. Jobs that another worker is just looking at are passed over, not waited for.
///
/// Lower priorities come first. Within one priority the sites take turns, those first where the worker has the fewest
/// sessions under way, so that no site, however many jobs it has and however slow it is, keeps the others waiting; a site
/// without room in `load` is left out. Within a site those come first that have waited longest. With jobs at several
/// sites fewer than `limit` may come although there are more: claim again until nothing comes.
pub async fn claim_beside(
    store: &Store,
    worker: &str,
    limit: u32,
    lease: Duration,
    load: &Load,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let begun = store.pool().begin_with(BEGIN).await;
    let mut tx = begun.map_err(StoreError::query("claim jobs"))?;
    let mut jobs: Vec<ClaimedJob> = sqlx::query_as(CLAIM)
        .bind(i64::from(limit))
        .bind(worker)
        .bind(lease.as_secs_f64())
        .bind(load.sites())
        .bind(load.sessions())
        .bind(load.rooms())
        .bind(load.room_elsewhere())
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::query("claim jobs"))?;
    if !jobs.is_empty() {
        let devices: Vec<i64> = jobs.iter().map(|job| job.device.0).collect();
        let mut heads = heads(&mut tx, &devices).await?;
        let mut host_keys = host_keys(&mut tx, &devices).await?;
        let ids: Vec<i64> = jobs.iter().map(|job| job.job.0).collect();
        let mut credentials = candidates(&mut tx, &ids, &devices).await?;
        let mut hops = hops(&mut tx, &devices).await?;
        let mut refused = logins::refused_logins(&mut tx, &devices).await?;
        for job in &mut jobs {
            job.via = hops.remove(&job.device.0).unwrap_or_default();
            job.previous = heads.remove(&job.device.0);
            job.host_keys = host_keys.remove(&job.device.0).unwrap_or_default();
            let candidates = credentials.remove(&job.device.0).unwrap_or_default();
            (job.credentials, job.left_out) = (candidates.usable, candidates.left_out);
            job.refused = refused.remove(&job.device.0).unwrap_or_default();
        }
    }
    tx.commit().await.map_err(StoreError::query("claim jobs"))?;
    Ok(jobs)
}

impl FromRow<'_, PgRow> for ClaimedJob {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let device = DeviceId(row.try_get("device_id")?);
        let run: Option<i64> = row.try_get("run_id")?;
        let attempt: i32 = row.try_get("attempts")?;
        Ok(Self {
            job: JobId(row.try_get("id")?),
            run: run.map(RunId),
            kind: word(row, "kind", JobKind::from_name)?,
            commands: row.try_get("commands")?,
            not_after: row.try_get("not_after")?,
            attempt: attempt.unsigned_abs(),
            token: row.try_get("session_token")?,
            device,
            target: target(row, device)?,
            port: port(row)?,
            site: row.try_get("site")?,
            ssh_profile: optional_word(row, "ssh_profile", SshProfile::from_name)?,
            tls: tls_trust(row)?,
            via: Vec::new(),
            previous: None,
            host_keys: Vec::new(),
            credentials: Vec::new(),
            left_out: Vec::new(),
            refused: RefusedLogins::default(),
        })
    }
}
