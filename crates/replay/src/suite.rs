use crate::{Finding, check};
use netraven_lab::SessionFile;
use netraven_platform::Platform;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A session with the definition it is to be played with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The definition.
    pub platform: Arc<Platform>,
    /// The session.
    pub session: Arc<SessionFile>,
}

/// Checks many sessions, as many at a time as the machine has processors. The findings stand in the order of the cases.
pub fn check_all(cases: &[Case]) -> Vec<Vec<Finding>> {
    let findings: Vec<Mutex<Vec<Finding>>> = cases.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((case, place)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            cases.get(at).zip(findings.get(at))
        } {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = check(&case.platform, &case.session);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(cases.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    findings.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}
