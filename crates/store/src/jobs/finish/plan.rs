use super::health::{Before, Health, judge};
use super::{FinishError, Finished, FinishedResult, Recorded, own_event};
use crate::StoreError;
use crate::rows::{hash, word};
use netraven_model::{
    Breaker, DeviceId, Facts, Failure, Hash256, JobId, JobKind, JobStatus, Outcome, RunId, VersionId,
};
use netraven_seal::{SealedConfig, SealedPart};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::HashMap;
use std::time::Duration;

/// No retry waits longer, whatever the caller says.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// A result that will be recorded, and what comes of it.
pub(super) struct Accepted<'a> {
    pub finished: &'a Finished,
    pub device: DeviceId,
    pub run: Option<RunId>,
    pub end: End<'a>,
    /// What becomes of the device.
    pub health: Health,
    /// The version that the job stored or found unchanged.
    pub version: Option<(VersionId, i64)>,
}

/// What becomes of a job.
pub(super) enum End<'a> {
    /// A new version.
    Store {
        config: &'a SealedConfig,
        platform_digest: Hash256,
        flags: &'a [String],
        rules_only: bool,
        facts: &'a Facts,
        seq: i64,
        /// The version that was the newest so far.
        replaces: Option<i64>,
    },
    /// The newest version was seen again.
    Confirm { facts: &'a Facts },
    /// What was asked for was done, and nothing is versioned by it.
    Answered,
    /// Another attempt after a while.
    Retry { failure: &'a Failure, wait: Duration },
    /// Over without success.
    Fail { failure: &'a Failure },
    /// Over because somebody wanted that; the failure is one that came at the same time.
    Cancel { failure: Option<&'a Failure> },
    /// The cancellation was withdrawn.
    Requeue,
}

impl Accepted<'_> {
    pub(super) fn status(&self) -> JobStatus {
        match self.end {
            End::Store { .. } | End::Confirm { .. } | End::Answered | End::Fail { .. } => JobStatus::Done,
            End::Retry { .. } | End::Requeue => JobStatus::Queued,
            End::Cancel { .. } => JobStatus::Cancelled,
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.end {
            End::Store { rules_only: false, .. } => Some(Outcome::Changed),
            End::Store { rules_only: true, .. } => Some(Outcome::Unchanged),
            End::Confirm { .. } => Some(Outcome::Unchanged),
            End::Answered => Some(Outcome::Ok),
            End::Fail { .. } => Some(Outcome::Failed),
            End::Retry { .. } | End::Requeue | End::Cancel { .. } => None,
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match self.end {
            End::Retry { failure, .. } | End::Fail { failure } => Some(failure),
            End::Cancel { failure } => failure,
            End::Store { .. } | End::Confirm { .. } | End::Answered | End::Requeue => None,
        }
    }

    pub(super) fn facts(&self) -> Option<&Facts> {
        match self.end {
            End::Store { facts, .. } | End::Confirm { facts } => Some(facts),
            _ => None,
        }
    }

    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            job: self.finished.job,
            outcome: self.outcome(),
            version: self.version,
            retry_planned: self.status() == JobStatus::Queued,
            event: own_event(self.finished, self.outcome(), self.version),
        }
    }
}

/// Reads the jobs and the newest versions of their devices, which are locked, and decides for each result what
/// becomes of it. A job that comes twice is stale the second time.
pub(super) async fn plan<'a>(
    tx: &mut PgConnection,
    worker: &str,
    batch: &'a [Finished],
    breaker: &Breaker,
) -> Result<Vec<Result<Accepted<'a>, FinishError>>, StoreError> {
    // A statement of its own after the one that waited for the locks: it sees what was committed before.
    const JOBS: &str = "SELECT j.id, j.device_id, j.run_id, j.kind, j.token, j.cancel_requested,
            j.status = 'running' AND j.worker = $2 AS mine,
            d.status = 'failing' AS is_failing, d.last_error_code, d.last_error_phase, d.failures_in_row,
            d.circuit_open_until, head.id AS version_id, head.seq, head.significant_hash
        FROM jobs j JOIN devices d ON d.id = j.device_id LEFT JOIN LATERAL (
            SELECT c.id, c.seq, c.significant_hash FROM device_configurations c
            WHERE c.device_id = j.device_id ORDER BY c.seq DESC LIMIT 1) head ON true
        WHERE j.id = ANY ($1) ORDER BY j.device_id, j.id FOR NO KEY UPDATE OF j";
    let ids: Vec<i64> = batch.iter().map(|finished| finished.job.0).collect();
    let rows: Vec<Current> = sqlx::query_as(JOBS)
        .bind(ids)
        .bind(worker)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("read the jobs that finished"))?;
    let mut rows: HashMap<i64, Option<Current>> = rows.into_iter().map(|row| (row.job, Some(row))).collect();
    Ok(batch
        .iter()
        .map(|finished| {
            let row = rows.get_mut(&finished.job.0).ok_or(FinishError::Gone(finished.job))?;
            let mine = row.take_if(|row| row.mine && row.token == finished.token);
            accept(finished, mine.ok_or(FinishError::Stale(finished.job))?, breaker)
        })
        .collect())
}

/// A job as it is under the lock.
struct Current {
    job: i64,
    device: i64,
    run: Option<i64>,
    kind: JobKind,
    token: i64,
    mine: bool,
    cancel_requested: bool,
    before: Before,
    head: Option<Head>,
}

struct Head {
    version: i64,
    seq: i64,
    significant: Hash256,
}

fn accept<'a>(finished: &'a Finished, row: Current, breaker: &Breaker) -> Result<Accepted<'a>, FinishError> {
    let (mut version, head) = (None, row.head);
    let mut confirm = |facts| {
        version = head.as_ref().map(|head| (VersionId(head.version), head.seq));
        End::Confirm { facts }
    };
    let end = match &finished.result {
        FinishedResult::Changed { config, facts, .. }
            if head.as_ref().is_some_and(|head| head.significant == config.significant()) =>
        {
            confirm(facts)
        }
        FinishedResult::Changed { config, platform_digest, flags, rules_only, facts } => {
            config.parts().iter().try_for_each(|part| check_fits(finished.job, part))?;
            let seq = head.as_ref().map_or(1, |head| head.seq + 1);
            let replaces = head.as_ref().map(|head| head.version);
            End::Store {
                config,
                platform_digest: *platform_digest,
                flags,
                rules_only: *rules_only,
                facts,
                seq,
                replaces,
            }
        }
        FinishedResult::Unchanged { facts } => confirm(facts),
        FinishedResult::Ok => End::Answered,
        FinishedResult::Failed { failure, retry_in: Some(_) } if row.cancel_requested => {
            End::Cancel { failure: Some(failure) }
        }
        FinishedResult::Failed { failure, retry_in: Some(wait) } => {
            End::Retry { failure, wait: (*wait).min(LONGEST_WAIT) }
        }
        FinishedResult::Failed { failure, retry_in: None } => End::Fail { failure },
        FinishedResult::Cancelled if row.cancel_requested => End::Cancel { failure: None },
        FinishedResult::Cancelled => End::Requeue,
    };
    let logged_in = finished.credential_used.is_some();
    let health = judge(row.kind, &end, logged_in, &row.before, breaker, finished.finished_at);
    Ok(Accepted { finished, device: DeviceId(row.device), run: row.run.map(RunId), end, health, version })
}

/// Columns are signed and half as wide; a value that does not fit is refused rather than wrapped.
fn check_fits(job: JobId, part: &SealedPart) -> Result<(), FinishError> {
    let unstorable = |what: &str, value: usize| FinishError::Unstorable {
        job,
        reason: format!("part '{}' has {what} {value}, more than a column can hold", part.name),
    };
    if let Some(span) = part.volatile.iter().find(|span| i32::try_from(span.end).is_err()) {
        return Err(unstorable("a volatile span up to byte", span.end));
    }
    if i32::try_from(part.secrets).is_err() {
        return Err(unstorable("a number of secrets of", part.secrets as usize));
    }
    Ok(())
}

impl FromRow<'_, PgRow> for Current {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let head = match row.try_get::<Option<i64>, _>("version_id")? {
            Some(version) => {
                Some(Head { version, seq: row.try_get("seq")?, significant: hash(row, "significant_hash")? })
            }
            None => None,
        };
        Ok(Self {
            job: row.try_get("id")?,
            device: row.try_get("device_id")?,
            run: row.try_get("run_id")?,
            kind: word(row, "kind", JobKind::from_name)?,
            token: row.try_get("token")?,
            mine: row.try_get::<Option<bool>, _>("mine")?.unwrap_or(false),
            cancel_requested: row.try_get("cancel_requested")?,
            before: Before::from_row(row)?,
            head,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::{PartKind, Span};

    #[test]
    fn numbers_that_no_column_holds_are_refused_and_not_wrapped() {
        let part = |end: usize, secrets: u32| SealedPart {
            name: "running-config".into(),
            context: None,
            command: "show".into(),
            kind: PartKind::Config,
            content: Vec::new(),
            size: 0,
            digest: Hash256([0; 32]),
            volatile: vec![Span { start: 0, end }],
            secrets,
        };
        let check = |part| check_fits(JobId(7), &part);
        let largest = i32::MAX as usize;
        assert_eq!(check(part(largest, i32::MAX as u32)), Ok(()));
        for wrong in [part(largest + 1, 0), part(1, i32::MAX as u32 + 1)] {
            let error = check(wrong).unwrap_err();
            assert!(matches!(error, FinishError::Unstorable { job: JobId(7), .. }), "{error}");
        }
    }
}
