use thiserror::Error;

/// Why a schedule cannot be as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {reason}")]
pub struct ScheduleError {
    /// Which of its fields: `cron`, `window`, `jitter`, ...
    pub what: &'static str,
    /// What is wrong and what was expected.
    pub reason: String,
}

impl ScheduleError {
    pub(super) fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into() }
    }
}
