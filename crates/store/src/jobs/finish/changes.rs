//! What results say of their devices.

use super::health::DeviceStatus;
use super::plan::{Accepted, End};
use crate::StoreError;
use crate::changes::{self, Change};
use netraven_model::{ChangeKind, ErrorCode};
use sqlx::PgConnection;
use std::collections::HashMap;

/// Records what changed with the devices, before their rows do. `new_secrets` counts, by device, the secrets that it did not
/// have before.
pub(super) async fn record(
    tx: &mut PgConnection,
    accepted: &[&mut Accepted<'_>],
    new_secrets: &HashMap<i64, usize>,
) -> Result<(), StoreError> {
    let mut found = Vec::new();
    for job in accepted {
        found.extend(of_status(job));
        found.extend(of_version(job, new_secrets.get(&job.device.0).copied().unwrap_or(0)));
    }
    changes::record(tx, &found).await
}

fn change<'a>(job: &Accepted<'a>, kind: ChangeKind) -> Change<'a> {
    Change::new(job.device, job.finished.job, job.finished.finished_at, kind)
}

fn of_status<'a>(job: &'a Accepted<'_>) -> Vec<Change<'a>> {
    match (job.health.status, job.failure()) {
        (Some(DeviceStatus::Ok), _) => vec![change(job, ChangeKind::DeviceRecovered)],
        (Some(DeviceStatus::Failing), Some(failure)) => {
            let mut found = vec![change(job, ChangeKind::DeviceFailing).because(failure)];
            if failure.code == ErrorCode::HostKeyChanged {
                found.push(change(job, ChangeKind::HostKeyChanged).because(failure));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// The first version of a device changes nothing, and neither does one that was only read with other rules.
fn of_version<'a>(job: &'a Accepted<'_>, new_secrets: usize) -> Vec<Change<'a>> {
    let End::Store { rules_only: false, replaces: Some(_), .. } = job.end else { return Vec::new() };
    let with_version = |kind| Change { version: job.version, ..change(job, kind) };
    let mut found = vec![with_version(ChangeKind::ConfigurationChanged)];
    if new_secrets > 0 {
        let message = match new_secrets {
            1 => "1 secret is new in the configuration".to_owned(),
            count => format!("{count} secrets are new in the configuration"),
        };
        found.push(Change { message: Some(message), ..with_version(ChangeKind::SecretChanged) });
    }
    found
}
