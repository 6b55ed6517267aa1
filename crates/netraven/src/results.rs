//! What became of the devices of a run.

use crate::commands::{reason, state};
use crate::error::Result;
use crate::output::Output;
use crate::output::format::{millis, size};
use crate::output::table::{Column, render};
use netraven_model::{Outcome, RunId};
use netraven_store::Store;
use netraven_store::jobs::{self, Progress, RunResultRow};
use serde_json::{Value, json};

/// Beyond this many devices, those without anything new are only counted.
const LONG: usize = 100;

/// Which devices a table tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// Those that are not unchanged.
    News,
    /// All of a short table, the news of a long one.
    NewsIfLong,
}

/// The results of a run, device by device and in numbers.
#[derive(Debug)]
pub struct Summary {
    run: RunId,
    progress: Progress,
    rows: Vec<RunResultRow>,
}

impl Summary {
    /// Reads it.
    pub async fn load(store: &Store, run: RunId) -> Result<Self> {
        let progress = jobs::run_progress(store, run).await?;
        let rows = jobs::run_results(store, run).await?;
        Ok(Self { run, progress, rows })
    }

    /// Whether a device failed.
    pub fn has_failures(&self) -> bool {
        self.progress.failed > 0
    }

    /// The first device with a new version.
    pub fn first_changed(&self) -> Option<&str> {
        let changed = self.rows.iter().find(|row| row.outcome == Some(Outcome::Changed));
        changed.map(|row| row.hostname.as_str())
    }

    /// A table of the devices, then the numbers, then what can be done about each kind of failure.
    pub fn render(&self, which: Which, output: Output) -> String {
        let news = which == Which::News || (which == Which::NewsIfLong && self.rows.len() > LONG);
        let told = |row: &&RunResultRow| !news || row.outcome != Some(Outcome::Unchanged);
        let shown: Vec<_> = self.rows.iter().filter(told).collect();
        let hidden = self.rows.len() - shown.len();
        let mut text = match shown.is_empty() {
            true => String::new(),
            false => table(&shown, output) + "\n",
        };
        if hidden > 0 {
            text +=
                &format!("{hidden} unchanged devices are not listed; `run show {}` lists them\n", self.run);
        }
        text += &format!("run {}: {}\n", self.run, totals(&self.progress));
        for (code, _) in &self.progress.failures {
            text += &format!("hint ({code}): {}\n", code.hint());
        }
        text
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "job": row.job, "device": row.hostname, "device_id": row.device, "platform": row.platform,
                    "status": row.status, "outcome": row.outcome, "version": row.seq, "size_bytes": row.bytes,
                    "duration_ms": row.duration_ms, "error_code": row.error_code, "error": row.message,
                })
            })
            .collect();
        let progress = &self.progress;
        let failures: Vec<Value> = progress
            .failures
            .iter()
            .map(|(code, jobs)| json!({"error_code": code, "devices": jobs}))
            .collect();
        json!({
            "run": self.run, "total": progress.total, "changed": progress.changed,
            "unchanged": progress.unchanged, "ok": progress.ok, "failed": progress.failed, "skipped": progress.skipped,
            "cancelled": progress.cancelled, "queued": progress.queued, "running": progress.running,
            "failures": failures, "results": rows,
        })
    }
}

/// `25 devices: 3 changed, 21 unchanged, 1 failed`; what is zero is left out.
pub fn totals(progress: &Progress) -> String {
    let numbers = [
        (progress.changed, "changed"),
        (progress.unchanged, "unchanged"),
        (progress.ok, "ok"),
        (progress.failed, "failed"),
        (progress.skipped, "skipped"),
        (progress.cancelled, "cancelled"),
        (progress.running, "running"),
        (progress.queued, "waiting"),
    ];
    let words: Vec<_> = numbers
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let devices = if progress.total == 1 { "device" } else { "devices" };
    let rest = if words.is_empty() { "nothing to do".to_owned() } else { words.join(", ") };
    format!("{} {devices}: {rest}", progress.total)
}

const COLUMNS: [Column; 7] = [
    Column::Left("DEVICE"),
    Column::Left("PLATFORM"),
    Column::Left("OUTCOME"),
    Column::Right("VERSION"),
    Column::Right("SIZE"),
    Column::Right("TIME"),
    Column::Left("REASON"),
];

/// Without a failure there is no column for reasons.
fn table(rows: &[&RunResultRow], output: Output) -> String {
    let with_reason = rows.iter().any(|row| row.error_code.is_some() || row.message.is_some());
    let width = COLUMNS.len() - usize::from(!with_reason);
    let cells = rows.iter().map(|row| cells(row).into_iter().take(width).collect());
    render(&COLUMNS[..width], cells, output.width)
}

fn cells(row: &RunResultRow) -> Vec<String> {
    let number = |value: Option<i64>| value.map(|value| value.max(0).unsigned_abs());
    let dash = || "-".to_owned();
    vec![
        row.hostname.clone(),
        row.platform.clone(),
        state(row.status, row.outcome),
        row.seq.map_or_else(dash, |seq| seq.to_string()),
        number(row.bytes).map_or_else(dash, size),
        number(row.duration_ms).map_or_else(dash, millis),
        reason(row.error_code, row.message.as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::{DeviceId, ErrorCode, JobId, JobStatus};

    const PLAIN: Output = Output { json: false, colour: false, width: None };

    fn row(id: i64, outcome: Option<Outcome>) -> RunResultRow {
        let failed = outcome == Some(Outcome::Failed);
        RunResultRow {
            job: JobId(id),
            device: DeviceId(id),
            hostname: format!("sw-{id:03}"),
            platform: "cisco_ios".into(),
            status: if outcome.is_some() { JobStatus::Done } else { JobStatus::Cancelled },
            outcome,
            error_code: failed.then_some(ErrorCode::Refused),
            message: failed.then(|| "192.0.2.1:22 refused the connection".into()),
            seq: (!failed).then_some(3),
            bytes: (!failed).then_some(4_321),
            duration_ms: outcome.map(|_| 1_234),
        }
    }

    fn summary(rows: Vec<RunResultRow>) -> Summary {
        let count = |outcome| rows.iter().filter(|row| row.outcome == Some(outcome)).count() as i64;
        let failed = count(Outcome::Failed);
        let progress = Progress {
            changed: count(Outcome::Changed),
            unchanged: count(Outcome::Unchanged),
            failed,
            cancelled: rows.iter().filter(|row| row.outcome.is_none()).count() as i64,
            failures: if failed > 0 { vec![(ErrorCode::Refused, failed)] } else { Vec::new() },
            total: rows.len() as i64,
            ..Progress::default()
        };
        Summary { run: RunId(7), progress, rows }
    }

    #[test]
    fn devices_numbers_and_hints_are_shown() {
        let rows = vec![
            row(1, Some(Outcome::Changed)),
            row(2, Some(Outcome::Unchanged)),
            row(3, Some(Outcome::Failed)),
            row(4, None),
        ];
        insta::assert_snapshot!(summary(rows).render(Which::NewsIfLong, PLAIN));
    }

    #[test]
    fn a_long_table_leaves_out_what_is_unchanged_unless_all_is_wanted() {
        let mut rows: Vec<_> = (1..=200).map(|id| row(id, Some(Outcome::Unchanged))).collect();
        rows[9] = row(10, Some(Outcome::Changed));
        let summary = summary(rows);
        let text = summary.render(Which::NewsIfLong, PLAIN);
        assert_eq!(text.matches("sw-").count(), 1, "{text}");
        assert!(text.contains("199 unchanged devices are not listed; `run show 7` lists them"), "{text}");
        assert_eq!(summary.render(Which::All, PLAIN).matches("sw-").count(), 200);
    }

    #[test]
    fn a_run_without_devices_says_so() {
        assert_eq!(summary(Vec::new()).render(Which::NewsIfLong, PLAIN), "run 7: 0 devices: nothing to do\n");
    }
}
