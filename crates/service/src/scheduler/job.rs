//! One job: tries the device's credentials in order until one works, and does what the job's kind demands.

mod candidates;
mod kinds;

use super::Context;
use super::login::reached_at;
use crate::logins::{Guard, PATIENCE};
use chrono::{DateTime, Utc};
use kinds::Done;
use netraven_device::{Access, CollectRequest, Collected, LoginResult, Outcome, Previous};
use netraven_model::{Backoff, CredentialId, ErrorCode, Event, Failure, JobEvent, Phase, Target, chance};
use netraven_platform::{AUTO, Platform, Platforms};
use netraven_store::jobs::{ClaimedJob, Finished, FinishedResult, LearnedHop, Recognised};
use netraven_store::logins::RefusedLogins;
use netraven_store::logs::Dialogue;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Runs a claimed job to its result. Dropping the future closes the session.
pub(crate) async fn run_job(context: Arc<Context>, claimed: Arc<ClaimedJob>) -> Finished {
    let mut course = Course::new(&context, &claimed);
    course.event(Event::Started { attempt: claimed.attempt });
    // Every wait inside has its own deadline; this one is for what nobody thought of.
    let longest = (context.settings.device.longest() + PATIENCE) * (claimed.credentials.len().max(1) as u32);
    let result = match timeout(longest, course.run()).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the job was expected to end within {longest:?}");
            Err(course.fail(Failure::new(ErrorCode::Timeout, Phase::Collect, message)))
        }
    };
    course.finish(result)
}

struct Course<'a> {
    context: &'a Context,
    /// The definitions that the job began with.
    platforms: Arc<Platforms>,
    claimed: &'a ClaimedJob,
    /// Where the device is, with its port.
    target: Target,
    finished: Finished,
    dialogue: String,
    rules_only: bool,
    /// The jump hosts on the way, each with its login.
    via: Vec<Access>,
    /// Who allows the logins on the way and the one under way, and tells of suspensions.
    guards: Vec<Guard>,
    /// Logins that the device refused of late, this job's included.
    refused: RefusedLogins,
    /// Why credentials that share a tag with the device were not shown to it.
    left_out: Vec<String>,
}

impl<'a> Course<'a> {
    fn new(context: &'a Context, claimed: &'a ClaimedJob) -> Self {
        let now = Utc::now();
        let finished = Finished::new(claimed, now, now, FinishedResult::Cancelled);
        let platforms = context.definitions.current();
        Self {
            context,
            target: reached_at(&claimed.target, claimed.port, &platforms),
            platforms,
            claimed,
            finished,
            dialogue: String::new(),
            rules_only: false,
            via: Vec::new(),
            guards: Vec::new(),
            refused: claimed.refused.clone(),
            left_out: claimed.left_out.iter().map(ToString::to_string).collect(),
        }
    }

    /// The device's platform; `None` where it is to be found out.
    fn known_platform(&mut self) -> Result<Option<Arc<Platform>>, Failure> {
        let name = &self.claimed.target.platform;
        if name == AUTO {
            return Ok(None);
        }
        self.platforms.get(name).map(Some).ok_or_else(|| {
            let message = format!("the device's platform '{name}' has no definition");
            self.fail(Failure::new(ErrorCode::UnknownPlatform, Phase::Connect, message))
        })
    }

    /// A device that was found at another port than its platform's usual one is looked for there again.
    fn recognised(&self, platform: &Platform) -> Recognised {
        let usual = platform.port_over(self.target.protocol);
        let port = usual.filter(|usual| *usual != self.target.port).map(|_| self.target.port);
        Recognised { platform: platform.name.clone(), port }
    }

    /// The access to the device with what is known of it and of the way there.
    fn access(&self, access: Access) -> Access {
        let claimed = self.claimed;
        let learned = self.finished.host_key.iter();
        Access {
            host_keys: claimed.host_keys.iter().chain(learned).cloned().collect(),
            profile: claimed.ssh_profile.or(self.finished.ssh_profile),
            via: self.via.clone(),
            tls: claimed.tls,
            site: claimed.site.clone(),
            target: self.target.clone(),
            ..access
        }
    }

    fn collect_request(&self, access: Access, platform: &Arc<Platform>) -> CollectRequest {
        let (claimed, vault) = (self.claimed, &self.context.vault);
        let uuid = claimed.target.uuid;
        let previous = claimed.previous.as_ref();
        CollectRequest {
            job: Some(claimed.job),
            access: self.access(access),
            platform: platform.clone(),
            fingerprint_key: vault.fingerprint_key(uuid),
            sealing: Some(vault.sealing(uuid, self.context.settings.site_fingerprints)),
            previous: previous.map(|p| Previous { significant: p.significant, size: p.size }),
        }
    }

    /// Adds what one session with a credential brought to the job's result.
    fn take<T>(&mut self, outcome: Outcome<T>, credential: CredentialId) -> Result<T, Failure> {
        let login = outcome.login;
        let result = self.take_unnamed(outcome);
        if result.as_ref().is_err_and(|failure| failure.code == ErrorCode::AuthFailed)
            && login == LoginResult::Refused
        {
            self.refused.at.insert(0, Utc::now());
        }
        let finished = &mut self.finished;
        match login {
            LoginResult::Accepted => finished.credential_used = Some(credential),
            LoginResult::Refused => {
                finished.credential_used = None;
                finished.credentials_refused.push(credential);
            }
            LoginResult::NotTried => {}
        }
        result
    }

    /// The same where the device was shown no credential.
    fn take_unnamed<T>(&mut self, outcome: Outcome<T>) -> Result<T, Failure> {
        let finished = &mut self.finished;
        finished.events.extend(outcome.events);
        for event in self.guards.iter().flat_map(|guard| guard.take_events()) {
            finished.events.push(JobEvent::new(Some(finished.job), Some(finished.device), Utc::now(), event));
        }
        self.dialogue.push_str(&outcome.dialogue);
        finished.host_key = outcome.learned.or(finished.host_key.take());
        finished.ssh_profile = outcome.profile.or(finished.ssh_profile);
        finished.hops.extend(outcome.hops.into_iter().filter_map(learned_hop));
        outcome.result
    }

    fn event(&mut self, event: Event) {
        let (job, device) = (self.claimed.job, Some(self.claimed.device));
        self.finished.events.push(JobEvent::new(Some(job), device, Utc::now(), event));
    }

    /// Notes a failure that no session noted.
    fn fail(&mut self, failure: Failure) -> Failure {
        self.event(Event::Failed { failure: failure.clone() });
        failure
    }

    fn finish(mut self, result: Result<Done, Failure>) -> Finished {
        let result = match result {
            Ok(Done::Ok) => FinishedResult::Ok,
            Ok(Done::BackedUp(Collected::Unchanged { facts })) => FinishedResult::Unchanged { facts },
            Ok(Done::BackedUp(Collected::Changed { config, facts, much_smaller, platform_digest })) => {
                FinishedResult::Changed {
                    config,
                    facts,
                    platform_digest,
                    flags: if much_smaller { vec!["much_smaller".to_owned()] } else { Vec::new() },
                    rules_only: self.rules_only,
                }
            }
            Err(failure) => {
                let retry_in = retry_in(&self.context.settings.retry, self.claimed, &failure, Utc::now());
                if let Some(wait) = retry_in {
                    self.event(Event::RetryPlanned { in_seconds: wait.as_secs() });
                }
                FinishedResult::Failed { failure, retry_in }
            }
        };
        let (job, device, ended_at) = (self.claimed.job, self.claimed.device, Utc::now());
        let dialogue = (!self.dialogue.is_empty())
            .then(|| Dialogue::new(Some(job), Some(device), ended_at, self.dialogue));
        Finished { result, finished_at: ended_at, dialogue, ..self.finished }
    }
}

/// When to try again after a failure at `now`; `None` for never. Only what may pass by itself is tried again, and not
/// when the job's window is closed by then.
pub(super) fn retry_in(
    retry: &Backoff,
    claimed: &ClaimedJob,
    failure: &Failure,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let wait = retry.spread(claimed.attempt, chance()).filter(|_| failure.code.is_transient())?;
    match claimed.not_after {
        Some(end) if now + wait >= end => None,
        _ => Some(wait),
    }
}

/// What a session learned of a jump host of the inventory.
fn learned_hop(hop: netraven_device::LearnedHop) -> Option<LearnedHop> {
    Some(LearnedHop { device: hop.target.device?, host_key: hop.host_key, ssh_profile: hop.profile })
}
