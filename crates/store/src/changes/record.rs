use super::CHANNEL;
use crate::StoreError;
use crate::text::clean;
use chrono::{DateTime, Utc};
use netraven_model::{ChangeKind, DeviceId, Failure, JobId, VersionId};
use sqlx::PgConnection;

/// What a job says of its device. Whether that is news is decided when it is recorded.
pub(crate) struct Change<'a> {
    pub device: DeviceId,
    pub kind: ChangeKind,
    pub at: DateTime<Utc>,
    pub job: JobId,
    pub version: Option<(VersionId, i64)>,
    pub failure: Option<&'a Failure>,
    /// In place of the failure's.
    pub message: Option<String>,
}

impl<'a> Change<'a> {
    pub(crate) fn new(device: DeviceId, job: JobId, at: DateTime<Utc>, kind: ChangeKind) -> Self {
        Self { device, kind, at, job, version: None, failure: None, message: None }
    }

    pub(crate) fn because(self, failure: &'a Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }

    fn message(&self) -> Option<String> {
        let text = self.message.as_deref().or(self.failure.map(|failure| failure.message.as_str()));
        text.map(|text| clean(text).into_owned())
    }
}

/// Records those of the changes that are news to their devices, whose rows are locked and not yet changed: a device that is
/// failing already does not begin to fail. Rings the notifier's bell when the transaction commits.
pub(crate) async fn record(tx: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), StoreError> {
    const RECORD: &str = "INSERT INTO device_events
            (device_id, hostname, event, at, job_id, version_id, seq, error_code, message)
        SELECT d.id, d.hostname, w.event, w.at, w.job, w.version, w.seq, w.code, w.message
        FROM UNNEST($1::bigint[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
            $8::text[]) WITH ORDINALITY AS w (device, event, at, job, version, seq, code, message, number)
        JOIN devices d ON d.id = w.device
        WHERE CASE w.event
            WHEN 'device_failing' THEN d.status NOT IN ('failing', 'disabled')
            WHEN 'device_recovered' THEN d.status = 'failing'
            WHEN 'host_key_changed' THEN d.last_error_code IS DISTINCT FROM w.code
            ELSE true END
        ORDER BY w.number";
    if changes.is_empty() {
        return Ok(());
    }
    let failed = StoreError::query("record what changed with devices");
    let code = |change: &Change<'_>| change.failure.map(|failure| failure.code.as_str());
    let recorded = sqlx::query(RECORD)
        .bind(changes.iter().map(|change| change.device.0).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.kind.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.at).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.job.0).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.version.map(|(id, _)| id.0)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.version.map(|(_, seq)| seq)).collect::<Vec<_>>())
        .bind(changes.iter().map(code).collect::<Vec<_>>())
        .bind(changes.iter().map(Change::message).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    if recorded.rows_affected() > 0 {
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(tx).await.map_err(&failed)?;
    }
    Ok(())
}
