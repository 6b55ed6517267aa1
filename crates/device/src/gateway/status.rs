//! What the gateway does and has done, in numbers.

use netraven_model::ErrorCode;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The numbers of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Requests that hold, or open, a session.
    pub active: usize,
    /// Requests that wait for a device, a site, a jump host or room.
    pub waiting: usize,
    /// Sessions kept open for the next request.
    pub idle: usize,
    /// Since the process started, by platform.
    pub platforms: BTreeMap<String, Counts>,
}

/// Since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions begun, the reused ones not counted.
    pub sessions: u64,
    /// Requests that found a session open already.
    pub reused: u64,
    /// Commands that devices carried out.
    pub commands: u64,
    /// Commands that devices refused.
    pub refused: u64,
    /// Requests that failed, by reason.
    pub failures: BTreeMap<ErrorCode, u64>,
}

impl Status {
    /// Commands carried out, of all platforms.
    pub fn successful_commands(&self) -> u64 {
        self.platforms.values().map(|counts| counts.commands).sum()
    }

    /// Commands refused and requests failed, of all platforms.
    pub fn failed_commands(&self) -> u64 {
        let failed = |counts: &Counts| counts.refused + counts.failures.values().sum::<u64>();
        self.platforms.values().map(failed).sum()
    }
}

/// Keeps the numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Status>);

/// One more, as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    tally: &'a Tally,
    which: fn(&mut Status) -> &mut usize,
}

impl Tally {
    pub(crate) fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Changes the numbers of one platform.
    pub(crate) fn of(&self, platform: &str, change: impl FnOnce(&mut Counts)) {
        change(self.lock().platforms.entry(platform.to_owned()).or_default());
    }

    pub(crate) fn waiting(&self) -> Counted<'_> {
        self.count(|status| &mut status.waiting)
    }

    pub(crate) fn active(&self) -> Counted<'_> {
        self.count(|status| &mut status.active)
    }

    fn count(&self, which: fn(&mut Status) -> &mut usize) -> Counted<'_> {
        *which(&mut self.lock()) += 1;
        Counted { tally: self, which }
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        // Numbers that a panic left are still numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut status = self.tally.lock();
        let number = (self.which)(&mut status);
        *number = number.saturating_sub(1);
    }
}
