use super::plan::{Accepted, End};
use crate::StoreError;
use crate::text::{clean, clean_json};
use chrono::{DateTime, Utc};
use netraven_model::VersionId;
use netraven_seal::SealedPart;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::HashMap;

/// The remark on a version that differs from the one before by the rules it was read with.
const RULES_CHANGED: &str = "rules_changed";

/// Stores the new versions with their parts, and notes their rows in the results.
pub(super) async fn store(
    tx: &mut PgConnection,
    accepted: &mut [&mut Accepted<'_>],
) -> Result<(), StoreError> {
    if !accepted.iter().any(|job| matches!(job.end, End::Store { .. })) {
        return Ok(());
    }
    forget_readable(tx, accepted).await?;
    let stored = insert_versions(tx, accepted).await?;
    for job in accepted.iter_mut() {
        if let (End::Store { seq, .. }, Some(version)) = (&job.end, stored.get(&job.device.0)) {
            job.version = Some((VersionId(*version), *seq));
        }
    }
    let parts = Parts::of(accepted);
    insert_blobs(tx, &parts).await?;
    insert_parts(tx, &parts).await
}

/// Moves the end of the intervals of the versions that were seen again.
pub(super) async fn confirm(tx: &mut PgConnection, accepted: &[&mut Accepted<'_>]) -> Result<(), StoreError> {
    const CONFIRM: &str = "UPDATE device_configurations c SET last_seen = greatest(c.last_seen, w.seen)
        FROM UNNEST($1::bigint[], $2::bigint[], $3::timestamptz[]) AS w (device, version, seen)
        WHERE c.device_id = w.device AND c.id = w.version";
    let (mut devices, mut versions, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for job in accepted {
        if let (End::Confirm { .. }, Some((version, _))) = (&job.end, job.version) {
            devices.push(job.device.0);
            versions.push(version.0);
            seen.push(job.finished.finished_at);
        }
    }
    if devices.is_empty() {
        return Ok(());
    }
    sqlx::query(CONFIRM)
        .bind(devices)
        .bind(versions)
        .bind(seen)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("note that versions were seen again"))
}

/// Only the newest version keeps its readable text, which is there for text search.
async fn forget_readable(tx: &mut PgConnection, accepted: &[&mut Accepted<'_>]) -> Result<(), StoreError> {
    const FORGET: &str = "UPDATE device_configurations c SET config_data = NULL
        FROM UNNEST($1::bigint[], $2::bigint[]) AS w (device, version)
        WHERE c.device_id = w.device AND c.id = w.version";
    let replaced = accepted.iter().filter_map(|job| match job.end {
        End::Store { replaces: Some(version), .. } => Some((job.device.0, version)),
        _ => None,
    });
    let (devices, versions): (Vec<i64>, Vec<i64>) = replaced.unzip();
    sqlx::query(FORGET)
        .bind(devices)
        .bind(versions)
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("replace the newest versions"))
}

/// Rows of the new versions, by device.
async fn insert_versions(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
) -> Result<HashMap<i64, i64>, StoreError> {
    const INSERT: &str =
        "INSERT INTO device_configurations (device_id, seq, config_data, retrieved_at, last_seen,
            significant_hash, platform_digest, size_bytes, flags, metadata)
        SELECT device, seq, readable, seen, seen, significant, platform, size,
            ARRAY (SELECT jsonb_array_elements_text(flags)), metadata
        FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bytea[], $6::bytea[],
            $7::bigint[], $8::jsonb[], $9::jsonb[])
            AS w (device, seq, readable, seen, significant, platform, size, flags, metadata)
        RETURNING device_id, id";
    let mut devices = Vec::new();
    let mut seqs = Vec::new();
    let mut readable: Vec<&str> = Vec::new();
    let mut seen: Vec<DateTime<Utc>> = Vec::new();
    let mut significant = Vec::new();
    let mut platforms = Vec::new();
    let mut sizes = Vec::new();
    let mut all_flags: Vec<Value> = Vec::new();
    let mut metadata = Vec::new();
    for job in accepted {
        let End::Store { config, platform_digest, flags, rules_only, seq, .. } = &job.end else { continue };
        devices.push(job.device.0);
        seqs.push(*seq);
        readable.push(config.readable());
        seen.push(job.finished.finished_at);
        significant.push(config.significant().0.to_vec());
        platforms.push(platform_digest.0.to_vec());
        sizes.push(config.size().cast_signed());
        let rules = rules_only.then(|| RULES_CHANGED.to_owned());
        all_flags.push(flags.iter().map(|flag| clean(flag).into_owned()).chain(rules).collect());
        metadata.push(describe(job));
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as(INSERT)
        .bind(devices)
        .bind(seqs)
        .bind(readable)
        .bind(seen)
        .bind(significant)
        .bind(platforms)
        .bind(sizes)
        .bind(all_flags)
        .bind(metadata)
        .fetch_all(tx)
        .await
        .map_err(StoreError::query("store new versions"))?;
    Ok(rows.into_iter().collect())
}

/// What is known about a version besides its content: the job and run it came from, and the facts of that day.
fn describe(job: &Accepted<'_>) -> Value {
    let facts = job.facts().and_then(|facts| serde_json::to_value(facts).ok());
    let mut fields = match facts {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    fields.retain(|_, value| !value.is_null());
    fields.insert("job".to_owned(), job.finished.job.0.into());
    if let Some(run) = job.run {
        fields.insert("run".to_owned(), run.0.into());
    }
    clean_json(Value::Object(fields))
}

/// All parts of all new versions, one array per column.
#[derive(Default)]
struct Parts<'a> {
    devices: Vec<i64>,
    versions: Vec<i64>,
    positions: Vec<i32>,
    parts: Vec<&'a SealedPart>,
}

impl<'a> Parts<'a> {
    fn of(accepted: &[&mut Accepted<'a>]) -> Self {
        let mut all = Self::default();
        for job in accepted {
            let (End::Store { config, .. }, Some((version, _))) = (&job.end, job.version) else { continue };
            for (position, part) in (0..).zip(config.parts()) {
                all.devices.push(job.device.0);
                all.versions.push(version.0);
                all.positions.push(position);
                all.parts.push(part);
            }
        }
        all
    }

    fn digests(&self) -> Vec<&[u8]> {
        self.parts.iter().map(|part| &part.digest.0[..]).collect()
    }

    fn sizes(&self) -> Vec<i64> {
        self.parts.iter().map(|part| part.size.cast_signed()).collect()
    }
}

/// A part that some version of the device has already is there once.
async fn insert_blobs(tx: &mut PgConnection, all: &Parts<'_>) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO configuration_blobs (device_id, digest, encoding, content, size_bytes)
        SELECT device, digest, 'zstd', content, size
        FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[]) AS w (device, digest, content, size)
        ON CONFLICT DO NOTHING";
    sqlx::query(INSERT)
        .bind(&all.devices)
        .bind(all.digests())
        .bind(all.parts.iter().map(|part| &part.content[..]).collect::<Vec<_>>())
        .bind(all.sizes())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("store the content of versions"))
}

async fn insert_parts(tx: &mut PgConnection, all: &Parts<'_>) -> Result<(), StoreError> {
    // UNNEST takes nested arrays apart completely, so the spans of all parts come in one array and each part says
    // which slice of it is its own.
    const INSERT: &str = "INSERT INTO configuration_parts (device_id, version_id, position, name, context, command,
            kind, digest, size_bytes, volatile_spans, secrets)
        SELECT device, version, position, name, context, command, kind, digest, size, ($10::int[])[first:last], secrets
        FROM UNNEST($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::bytea[], $9::bigint[], $11::int[], $12::int[], $13::int[])
            AS w (device, version, position, name, context, command, kind, digest, size, first, last, secrets)";
    let mut spans: Vec<i32> = Vec::new();
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for part in &all.parts {
        firsts.push(position(spans.len()) + 1);
        spans.extend(part.volatile.iter().flat_map(|span| [position(span.start), position(span.end)]));
        lasts.push(position(spans.len()));
    }
    sqlx::query(INSERT)
        .bind(&all.devices)
        .bind(&all.versions)
        .bind(&all.positions)
        .bind(all.parts.iter().map(|part| clean(&part.name)).collect::<Vec<_>>())
        .bind(all.parts.iter().map(|part| part.context.as_deref().map(clean)).collect::<Vec<_>>())
        .bind(all.parts.iter().map(|part| clean(&part.command)).collect::<Vec<_>>())
        .bind(all.parts.iter().map(|part| part.kind.as_str()).collect::<Vec<_>>())
        .bind(all.digests())
        .bind(all.sizes())
        .bind(spans)
        .bind(firsts)
        .bind(lasts)
        .bind(all.parts.iter().map(|part| part.secrets.cast_signed()).collect::<Vec<_>>())
        .execute(tx)
        .await
        .map(drop)
        .map_err(StoreError::query("store the parts of versions"))
}

/// The plan has refused every span that does not fit; a batch with more spans than that would not fit a statement.
fn position(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
