use super::health::DeviceStatus;
use super::plan::{Accepted, End};
use crate::StoreError;
use crate::text::{clean, clean_option};
use netraven_model::{Facts, SshProfile};
use sqlx::PgConnection;

/// Jobs are over, or wait for their next attempt.
pub(super) async fn update_jobs(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE jobs j SET status = w.status, outcome = w.outcome, error_code = w.code,
            error = w.error, started_at = w.started, version_id = w.version, lease_until = NULL,
            completed_at = CASE WHEN w.status <> 'queued' THEN w.finished END,
            scheduled_for = CASE WHEN w.status = 'queued' THEN now() + make_interval(secs => w.wait)
                                 ELSE j.scheduled_for END
        FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::bigint[], $9::float8[])
            AS w (id, status, outcome, code, error, started, finished, version, wait)
        WHERE j.id = w.id";
    let wait = |job: &&mut Accepted<'_>| match job.end {
        End::Retry { wait, .. } => wait.as_secs_f64(),
        _ => 0.0,
    };
    let failures = Failures::of(accepted);
    sqlx::query(UPDATE)
        .bind(accepted.iter().map(|job| job.finished.job.0).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.status().as_str()).collect::<Vec<_>>())
        .bind(outcomes(accepted))
        .bind(failures.codes)
        .bind(failures.messages)
        .bind(accepted.iter().map(|job| job.finished.started_at).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.finished_at).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.version.map(|(id, _)| id.0)).collect::<Vec<_>>())
        .bind(accepted.iter().map(wait).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("record how jobs ended"))
}

/// Devices are free again, and what was learned of them stands on their rows.
pub(super) async fn update_devices(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE devices d SET session_job = NULL,
            status = CASE d.status WHEN 'disabled' THEN d.status ELSE coalesce(w.status, d.status) END,
            last_seen = CASE WHEN w.seen THEN greatest(d.last_seen, w.finished) ELSE d.last_seen END,
            last_error_code = CASE w.error_is WHEN 'keep' THEN d.last_error_code WHEN 'set' THEN w.code END,
            last_error = CASE w.error_is WHEN 'keep' THEN d.last_error WHEN 'set' THEN w.error END,
            last_error_phase = CASE w.error_is WHEN 'keep' THEN d.last_error_phase WHEN 'set' THEN w.phase END,
            failures_in_row = w.failures,
            circuit_open_until = w.open_until,
            serial_number = coalesce(w.serial, d.serial_number),
            model = coalesce(w.model, d.model),
            software_version = coalesce(w.software, d.software_version),
            device_type = CASE d.device_type WHEN 'auto' THEN coalesce(w.platform, 'auto') ELSE d.device_type END,
            port = CASE d.device_type WHEN 'auto' THEN coalesce(d.port, w.port) ELSE d.port END,
            ssh_profile = coalesce(d.ssh_profile, w.profile)
        FROM UNNEST($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::int[], $11::text[], $12::bool[], $13::text[], $14::text[], $15::int[],
            $16::timestamptz[])
            AS w (id, status, finished, code, error, serial, model, software, platform, port, profile, seen, error_is,
                phase, failures, open_until)
        WHERE d.id = w.id";
    let fact = |pick: fn(&Facts) -> &Option<String>| -> Vec<Option<String>> {
        accepted.iter().map(|job| job.facts().and_then(|facts| clean_option(pick(facts)))).collect()
    };
    let recognised = || accepted.iter().map(|job| job.finished.recognised.as_ref());
    let failures = Failures::of(accepted);
    sqlx::query(UPDATE)
        .bind(accepted.iter().map(|job| job.device.0).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.health.status.map(DeviceStatus::as_str)).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.finished_at).collect::<Vec<_>>())
        .bind(failures.codes)
        .bind(failures.messages)
        .bind(fact(|facts| &facts.serial_number))
        .bind(fact(|facts| &facts.model))
        .bind(fact(|facts| &facts.software_version))
        .bind(recognised().map(|found| found.map(|found| found.platform.as_str())).collect::<Vec<_>>())
        .bind(recognised().map(|found| found.and_then(|found| found.port).map(i32::from)).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.ssh_profile.map(SshProfile::as_str)).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.health.seen).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.health.error).collect::<Vec<_>>())
        .bind(
            accepted
                .iter()
                .map(|job| job.failure().map(|failure| failure.phase.as_str()))
                .collect::<Vec<_>>(),
        )
        .bind(accepted.iter().map(|job| job.health.failures_in_row).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.health.open_until).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("record the state of devices"))
}

/// Keys of first contacts.
pub(super) async fn learn_host_keys(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO host_keys (device_id, algorithm, key, fingerprint, first_seen)
        SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
        ON CONFLICT DO NOTHING";
    let learned: Vec<_> =
        accepted.iter().filter_map(|job| Some((job, job.finished.host_key.as_ref()?))).collect();
    if learned.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(learned.iter().map(|(job, _)| job.device.0).collect::<Vec<_>>())
        .bind(learned.iter().map(|(_, key)| clean(&key.algorithm)).collect::<Vec<_>>())
        .bind(learned.iter().map(|(_, key)| clean(&key.key)).collect::<Vec<_>>())
        .bind(learned.iter().map(|(_, key)| clean(&key.fingerprint)).collect::<Vec<_>>())
        .bind(learned.iter().map(|(job, _)| job.finished.finished_at).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("store host keys"))
}

/// One row for each attempt.
pub(super) async fn add_attempts(
    tx: &mut PgConnection,
    worker: &str,
    accepted: &[&mut Accepted<'_>],
) -> Result<(), StoreError> {
    // An attempt that was given back and made again has the same number; the later one is what happened.
    const INSERT: &str = "INSERT INTO job_attempts
            (job_id, attempt, worker, started_at, completed_at, outcome, error_code, error, credential_id,
             credentials_refused)
        SELECT w.job, w.attempt, $1, w.started, w.finished, w.outcome, w.code, w.error, w.credential,
            string_to_array(w.refused, ',')::bigint[]
        FROM UNNEST($2::bigint[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
            $8::text[], $9::bigint[], $10::text[])
            AS w (job, attempt, started, finished, outcome, code, error, credential, refused)
        ON CONFLICT (job_id, attempt) DO UPDATE SET worker = EXCLUDED.worker, started_at = EXCLUDED.started_at,
            completed_at = EXCLUDED.completed_at, outcome = EXCLUDED.outcome, error_code = EXCLUDED.error_code,
            error = EXCLUDED.error, credential_id = EXCLUDED.credential_id,
            credentials_refused = EXCLUDED.credentials_refused";
    let outcome = |job: &&mut Accepted<'_>| match job.end {
        End::Retry { .. } => Some("failed"),
        _ => job.outcome().map(|outcome| outcome.as_str()),
    };
    // A list of lists is no array that UNNEST takes apart by rows, so each row's list travels as text.
    let refused = |job: &&mut Accepted<'_>| {
        let ids = job.finished.credentials_refused.iter().map(|id| id.0.to_string());
        ids.collect::<Vec<_>>().join(",")
    };
    let failures = Failures::of(accepted);
    sqlx::query(INSERT)
        .bind(worker)
        .bind(accepted.iter().map(|job| job.finished.job.0).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.attempt.cast_signed()).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.started_at).collect::<Vec<_>>())
        .bind(accepted.iter().map(|job| job.finished.finished_at).collect::<Vec<_>>())
        .bind(accepted.iter().map(outcome).collect::<Vec<_>>())
        .bind(failures.codes)
        .bind(failures.messages)
        .bind(accepted.iter().map(|job| job.finished.credential_used.map(|id| id.0)).collect::<Vec<_>>())
        .bind(accepted.iter().map(refused).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("record attempts"))
}

/// Codes and messages of the failures, one element for each job.
struct Failures {
    codes: Vec<Option<&'static str>>,
    messages: Vec<Option<String>>,
}

impl Failures {
    fn of(accepted: &[&mut Accepted<'_>]) -> Self {
        Self {
            codes: accepted.iter().map(|job| job.failure().map(|failure| failure.code.as_str())).collect(),
            messages: accepted
                .iter()
                .map(|job| job.failure().map(|failure| clean(&failure.message).into_owned()))
                .collect(),
        }
    }
}

fn outcomes(accepted: &[&mut Accepted<'_>]) -> Vec<Option<&'static str>> {
    accepted.iter().map(|job| job.outcome().map(|outcome| outcome.as_str())).collect()
}
