//! What a result says about its device: whether it is well, and what the circuit breaker makes of it.

use super::plan::End;
use crate::rows::optional_word;
use chrono::{DateTime, Utc};
use netraven_model::{Breaker, ErrorCode, Failure, JobKind, Phase};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// The device's row before the result.
pub(super) struct Before {
    is_failing: bool,
    error: Option<(ErrorCode, Option<Phase>)>,
    failures_in_row: i32,
    open_until: Option<DateTime<Utc>>,
}

/// Whether a device is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceStatus {
    Ok,
    Failing,
}

impl DeviceStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
        }
    }
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    /// `None` leaves it as it is.
    pub status: Option<DeviceStatus>,
    /// Whether the session shows that the device lives.
    pub seen: bool,
    /// What becomes of the last error: `set`, `clear` or `keep`.
    pub error: &'static str,
    pub failures_in_row: i32,
    pub open_until: Option<DateTime<Utc>>,
}

/// A job of that kind ended so at `at`; `logged_in` where the device accepted a credential.
pub(super) fn judge(
    kind: JobKind,
    end: &End<'_>,
    logged_in: bool,
    before: &Before,
    breaker: &Breaker,
    at: DateTime<Utc>,
) -> Health {
    let same = Health {
        status: None,
        seen: kind != JobKind::Backup && logged_in,
        error: "keep",
        failures_in_row: before.failures_in_row,
        open_until: before.open_until,
    };
    match end {
        End::Store { .. } | End::Confirm { .. } => {
            Health { status: Some(DeviceStatus::Ok), seen: true, ..recovered(same) }
        }
        End::Answered => {
            let healed = before.error.is_none_or(|(code, phase)| kind.heals(code, phase));
            let answered = Health { seen: true, ..same };
            if !healed {
                return answered;
            }
            // A device that was never backed up is not well because it answers.
            Health { status: before.is_failing.then_some(DeviceStatus::Ok), ..recovered(answered) }
        }
        // Not said before the last attempt.
        End::Retry { failure, .. } | End::Cancel { failure: Some(failure) }
            if kind.blames_device(failure) =>
        {
            Health { error: "set", ..same }
        }
        End::Fail { failure } if kind.blames_device(failure) => Health {
            status: Some(DeviceStatus::Failing),
            error: "set",
            ..counted(same, kind, failure, breaker, at)
        },
        End::Fail { .. } | End::Retry { .. } | End::Cancel { .. } | End::Requeue => same,
    }
}

fn recovered(health: Health) -> Health {
    Health { error: "clear", failures_in_row: 0, open_until: None, ..health }
}

fn counted(health: Health, kind: JobKind, failure: &Failure, breaker: &Breaker, at: DateTime<Utc>) -> Health {
    if !kind.counts_as_failure(failure) {
        return health;
    }
    let failures = health.failures_in_row.saturating_add(1);
    Health {
        failures_in_row: failures,
        open_until: breaker.open_until(failures.unsigned_abs(), at),
        ..health
    }
}

impl FromRow<'_, PgRow> for Before {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let code = optional_word(row, "last_error_code", ErrorCode::from_name)?;
        let phase = optional_word(row, "last_error_phase", Phase::from_name)?;
        Ok(Self {
            is_failing: row.try_get("is_failing")?,
            error: code.map(|code| (code, phase)),
            failures_in_row: row.try_get("failures_in_row")?,
            open_until: row.try_get("circuit_open_until")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn before(error: Option<(ErrorCode, Phase)>, failures_in_row: i32) -> Before {
        let error = error.map(|(code, phase)| (code, Some(phase)));
        Before { is_failing: error.is_some(), error, failures_in_row, open_until: error.map(|_| at()) }
    }

    fn after(kind: JobKind, end: &End<'_>, before: &Before) -> Health {
        judge(kind, end, false, before, &Breaker::default(), at())
    }

    #[test]
    fn failures_in_a_row_open_the_circuit_and_those_that_do_not_count_leave_it() {
        let down = Failure::new(ErrorCode::Unreachable, Phase::Connect, "x");
        for (failures, minutes) in [(0, None), (1, None), (2, Some(15)), (3, Some(30)), (i32::MAX, Some(360))]
        {
            let health = after(JobKind::Backup, &End::Fail { failure: &down }, &before(None, failures));
            assert_eq!(health.failures_in_row, failures.saturating_add(1));
            assert_eq!(health.open_until.map(|until| (until - at()).num_minutes()), minutes);
            assert_eq!((health.status, health.error), (Some(DeviceStatus::Failing), "set"));
        }
        let guarded = Failure::new(ErrorCode::LockoutGuard, Phase::Authenticate, "x");
        let health = after(JobKind::Backup, &End::Fail { failure: &guarded }, &before(None, 2));
        assert_eq!((health.failures_in_row, health.open_until), (2, None));
        let wait = Duration::from_secs(1);
        let health = after(JobKind::Backup, &End::Retry { failure: &down, wait }, &before(None, 2));
        assert_eq!((health.status, health.error, health.failures_in_row), (None, "set", 2));
    }

    #[test]
    fn a_refused_command_says_nothing_about_the_device_and_a_refused_login_does() {
        let rejected = Failure::new(ErrorCode::CommandRejected, Phase::Collect, "x");
        let none = before(None, 1);
        let health = judge(
            JobKind::Command,
            &End::Fail { failure: &rejected },
            true,
            &none,
            &Breaker::default(),
            at(),
        );
        assert_eq!(
            (health.status, health.error, health.failures_in_row, health.seen),
            (None, "keep", 1, true)
        );
        let refused = Failure::new(ErrorCode::AuthFailed, Phase::Authenticate, "x");
        let health = after(JobKind::Command, &End::Fail { failure: &refused }, &none);
        assert_eq!(
            (health.status, health.failures_in_row, health.seen),
            (Some(DeviceStatus::Failing), 2, false)
        );
        let health = after(JobKind::Backup, &End::Fail { failure: &rejected }, &none);
        assert_eq!((health.status, health.failures_in_row), (Some(DeviceStatus::Failing), 2));
    }

    #[test]
    fn an_answer_heals_what_was_a_matter_of_reaching_the_device() {
        let healed = |kind, code, phase| {
            let health = after(kind, &End::Answered, &before(Some((code, phase)), 4));
            assert!(health.seen);
            match health.status {
                Some(status) => {
                    assert_eq!((status, health.error, health.failures_in_row), (DeviceStatus::Ok, "clear", 0))
                }
                None => assert_eq!((health.error, health.failures_in_row), ("keep", 4)),
            }
            assert_eq!(health.open_until.is_none(), health.status.is_some());
            health.status.is_some()
        };
        assert!(healed(JobKind::Reachability, ErrorCode::Unreachable, Phase::Connect));
        assert!(!healed(JobKind::Reachability, ErrorCode::AuthFailed, Phase::Authenticate));
        assert!(healed(JobKind::CredentialCheck, ErrorCode::AuthFailed, Phase::Authenticate));
        assert!(!healed(JobKind::CredentialCheck, ErrorCode::Truncated, Phase::Collect));
        let health = after(JobKind::Reachability, &End::Answered, &before(None, 0));
        assert_eq!((health.status, health.seen), (None, true), "a new device stays new");
    }
}
