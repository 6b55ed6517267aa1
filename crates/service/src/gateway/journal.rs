//! Where the events and dialogues of the API's sessions go: to the job log where there is one, and into bounded
//! memory. This is the one place that knows.

use crate::joblog::JobLog;
use chrono::{DateTime, Utc};
use netraven_model::{DeviceId, JobEvent, JobId};
use netraven_store::logs::{self, Dialogue};
use netraven_store::{Store, StoreError};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Dialogues kept in memory; each has 32 KiB at most.
const REMEMBERED: usize = 512;
/// What one session left behind.
pub(crate) struct Entry {
    pub(crate) events: Vec<JobEvent>,
    pub(crate) dialogue: Option<Dialogue>,
}

/// The dialogue of a job's last session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) job: Option<JobId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) log: String,
}

/// Takes logs and finds them again.
pub(crate) struct Journal {
    recent: Mutex<VecDeque<Dialogue>>,
    log: Option<JobLog>,
    reader: Option<Store>,
}

impl Journal {
    /// One that gives logs to the job log, where there is one, and reads them again from `reader`.
    pub(crate) fn new(reader: Option<Store>, log: Option<JobLog>) -> Self {
        Self { recent: Mutex::default(), log, reader }
    }

    /// Takes what a session left behind; never waits.
    pub(crate) fn take(&self, entry: Entry) {
        if let Some(dialogue) = entry.dialogue.as_ref().filter(|dialogue| dialogue.job.is_some()) {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() == REMEMBERED {
                recent.pop_front();
            }
            recent.push_back(dialogue.clone());
        }
        if let Some(log) = &self.log {
            log.write(entry.events, entry.dialogue.into_iter().collect());
        }
    }

    /// Events and dialogues that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.counters().dropped)
    }

    /// Gives what waits for the database so long to reach it; the rest is spooled.
    pub(crate) async fn stop(&self, within: Duration) {
        if let Some(log) = &self.log {
            log.stop(within).await;
        }
    }

    /// The dialogue of a job's last session; `None` where there is none.
    pub(crate) async fn latest(&self, job: JobId) -> Result<Option<Remembered>, StoreError> {
        let in_memory = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.iter().rev().find(|dialogue| dialogue.job == Some(job)).map(|dialogue| Remembered {
                job: dialogue.job,
                device: dialogue.device,
                timestamp: dialogue.ended_at,
                log: dialogue.text.clone(),
            })
        };
        let Some(store) = &self.reader else { return Ok(in_memory) };
        let stored = logs::connection_log(store, job).await?.map(|found| Remembered {
            job: found.job,
            device: found.device,
            timestamp: found.timestamp,
            log: found.log,
        });
        Ok(in_memory.into_iter().chain(stored).max_by_key(|found| found.timestamp))
    }
}
