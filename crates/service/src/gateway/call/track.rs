//! Follows one call of a device: counts it, and notes in the journal what happened, also where the caller goes away.

use super::target::Destination;
use crate::gateway::journal::Entry;
use crate::gateway::metrics::Ended;
use crate::gateway::state::Api;
use chrono::Utc;
use netraven_device::Outcome;
use netraven_model::{DeviceId, ErrorCode, Event, Failure, HostKey, JobEvent, JobId};
use netraven_store::logs::Dialogue;

/// One call under way.
pub(super) struct Track<'a> {
    api: &'a Api,
    job: Option<JobId>,
    device: Option<DeviceId>,
    platform: String,
    events: Vec<JobEvent>,
    dialogue: String,
    ended: Ended,
}

impl<'a> Track<'a> {
    pub(super) fn begin(api: &'a Api, job: Option<JobId>, device: Option<DeviceId>, platform: &str) -> Self {
        api.metrics.active.inc();
        let (platform, ended) = (platform.to_owned(), Ended::Cancelled);
        Self { api, job, device, platform, events: Vec::new(), dialogue: String::new(), ended }
    }

    /// What became of one course of sessions. What it taught is kept, and the key of a first contact put into `learned`.
    pub(super) async fn take<T>(
        &mut self,
        outcome: Outcome<T>,
        destination: &mut Destination,
        learned: &mut Option<HostKey>,
    ) -> Result<T, Failure> {
        self.events.extend(outcome.events);
        self.dialogue.push_str(&outcome.dialogue);
        destination.learn(self.api, outcome.learned.as_ref(), outcome.profile).await;
        *learned = outcome.learned.or(learned.take());
        outcome.result
    }

    /// The platform is known now.
    pub(super) fn recognised(&mut self, platform: &str) {
        platform.clone_into(&mut self.platform);
    }

    /// Notes a failure that no session noted.
    pub(super) fn fail(&mut self, failure: Failure) -> Failure {
        self.event(Event::Failed { failure: failure.clone() });
        failure
    }

    /// The call is over; `code` says why it failed.
    pub(super) fn end(mut self, code: Option<ErrorCode>) {
        self.ended = code.map_or(Ended::Successful, Ended::Failed);
    }

    fn event(&mut self, event: Event) {
        self.events.push(JobEvent::new(self.job, self.device, Utc::now(), event));
    }
}

impl Drop for Track<'_> {
    fn drop(&mut self) {
        if self.ended == Ended::Cancelled {
            self.event(Event::Cancelled);
        }
        self.api.metrics.active.dec();
        self.api.metrics.session(&self.platform, self.ended);
        let (job, device) = (self.job, self.device);
        let text = std::mem::take(&mut self.dialogue);
        let dialogue = (!text.is_empty()).then(|| Dialogue::new(job, device, Utc::now(), text));
        self.api.journal.take(Entry { events: std::mem::take(&mut self.events), dialogue });
    }
}
