//! One backup job: tries the device's credentials in order until one works.

mod candidates;

use super::Context;
use super::login::reached_at;
use crate::logins::{Guard, PATIENCE};
use chrono::Utc;
use netraven_device::{Access, CollectRequest, Collected, LoginResult, Outcome, Previous};
use netraven_model::{Capture, CredentialId, ErrorCode, Event, Failure, JobEvent, JobKind, Phase, Target};
use netraven_platform::{AUTO, Platform, Platforms, Spans};
use netraven_seal::RawPart;
use netraven_store::jobs::{ClaimedJob, Finished, FinishedResult, LearnedHop, Recognised};
use netraven_store::logins::RefusedLogins;
use netraven_store::logs::Dialogue;
use netraven_store::versions::{self, Part};
use std::sync::Arc;
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
            let message = format!("the backup was expected to end within {longest:?}");
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
        let finished = Finished {
            job: claimed.job,
            device: claimed.device,
            token: claimed.token,
            attempt: claimed.attempt,
            started_at: now,
            finished_at: now,
            result: FinishedResult::Cancelled,
            host_key: None,
            recognised: None,
            ssh_profile: None,
            hops: Vec::new(),
            credential_used: None,
            credentials_refused: Vec::new(),
            events: Vec::new(),
            dialogue: None,
        };
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

    async fn run(&mut self) -> Result<(Collected, Arc<Platform>), Failure> {
        if self.claimed.kind != JobKind::Backup {
            let message =
                format!("this release carries out no job of the kind '{}'", self.claimed.kind.as_str());
            return Err(self.fail(Failure::new(ErrorCode::Unsupported, Phase::Connect, message)));
        }
        let mut platform = self.known_platform()?;
        self.open_hops().await?;
        self.try_all(&mut platform).await
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

    /// Collects with one credential, after finding out the platform if it is not known.
    async fn attempt(
        &mut self,
        access: Access,
        credential: CredentialId,
        known: &mut Option<Arc<Platform>>,
    ) -> Result<(Collected, Arc<Platform>), Failure> {
        let (platforms, gateway) = (self.platforms.clone(), &self.context.gateway);
        let platform = match known {
            Some(platform) => platform.clone(),
            None => {
                let questions = platforms.questions("", 0..0).map_err(|error| {
                    self.fail(Failure::new(ErrorCode::Internal, Phase::Connect, error.to_string()))
                })?;
                let outcome = gateway.recognise(&self.request(access.clone(), &questions), &platforms).await;
                let platform = self.take(outcome, credential)?;
                self.finished.recognised = Some(self.recognised(&platform));
                known.insert(platform).clone()
            }
        };
        let outcome = gateway.collect(&self.request(access, &platform)).await;
        let collected = self.take(outcome, credential)?;
        self.rules_only = self.only_rules_changed(&collected, &platform).await;
        Ok((collected, platform))
    }

    /// A device that was found at another port than its platform's usual one is looked for there again.
    fn recognised(&self, platform: &Platform) -> Recognised {
        let usual = platform.port_over(self.target.protocol);
        let port = usual.filter(|usual| *usual != self.target.port).map(|_| self.target.port);
        Recognised { platform: platform.name.clone(), port }
    }

    /// Whether the device is unchanged and only the definition reads it differently than when its newest version was
    /// taken. Where that cannot be said, it is a change.
    async fn only_rules_changed(&self, collected: &Collected, platform: &Platform) -> bool {
        let (Collected::Changed { config, .. }, Some(previous)) = (collected, &self.claimed.previous) else {
            return false;
        };
        if previous.platform_digest == platform.digest {
            return false;
        }
        let store = &self.context.stores.scheduler;
        let before = versions::parts(store, self.claimed.device, previous.version, previous.seq).await;
        let before = before.map_err(|error| error.to_string());
        let key = self.context.vault.fingerprint_key(self.claimed.target.uuid);
        let same = before.and_then(|parts| {
            let parts = parts.into_iter().map(|part| reread(part, platform)).collect();
            config.means_the_same(parts, &key).map_err(|error| error.to_string())
        });
        same.unwrap_or_else(|error| {
            tracing::warn!(device = %self.claimed.device, error, "the newest version could not be read with the new definition");
            false
        })
    }

    fn request(&self, access: Access, platform: &Arc<Platform>) -> CollectRequest {
        let claimed = self.claimed;
        let learned = self.finished.host_key.iter();
        let previous = claimed.previous.as_ref();
        CollectRequest {
            job: Some(claimed.job),
            access: Access {
                host_keys: claimed.host_keys.iter().chain(learned).cloned().collect(),
                profile: claimed.ssh_profile.or(self.finished.ssh_profile),
                via: self.via.clone(),
                tls: claimed.tls,
                site: claimed.site.clone(),
                target: self.target.clone(),
                ..access
            },
            platform: platform.clone(),
            fingerprint_key: self.context.vault.fingerprint_key(claimed.target.uuid),
            sealing: Some(
                self.context.vault.sealing(claimed.target.uuid, self.context.settings.site_fingerprints),
            ),
            previous: previous.map(|p| Previous { significant: p.significant, size: p.size }),
        }
    }

    /// Adds what one session brought to the job's result.
    fn take<T>(&mut self, outcome: Outcome<T>, credential: CredentialId) -> Result<T, Failure> {
        let finished = &mut self.finished;
        finished.events.extend(outcome.events);
        for event in self.guards.iter().flat_map(|guard| guard.take_events()) {
            finished.events.push(JobEvent::new(Some(finished.job), Some(finished.device), Utc::now(), event));
        }
        if outcome.result.as_ref().is_err_and(|failure| failure.code == ErrorCode::AuthFailed)
            && outcome.login == LoginResult::Refused
        {
            self.refused.at.insert(0, Utc::now());
        }
        self.dialogue.push_str(&outcome.dialogue);
        finished.host_key = outcome.learned.or(finished.host_key.take());
        finished.ssh_profile = outcome.profile.or(finished.ssh_profile);
        finished.hops.extend(outcome.hops.into_iter().filter_map(learned_hop));
        match outcome.login {
            LoginResult::Accepted => finished.credential_used = Some(credential),
            LoginResult::Refused => {
                finished.credential_used = None;
                finished.credentials_refused.push(credential);
            }
            LoginResult::NotTried => {}
        }
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

    fn finish(mut self, result: Result<(Collected, Arc<Platform>), Failure>) -> Finished {
        let result = match result {
            Ok((Collected::Unchanged { facts }, _)) => FinishedResult::Unchanged { facts },
            Ok((Collected::Changed { config, facts, much_smaller }, platform)) => FinishedResult::Changed {
                config,
                facts,
                platform_digest: platform.digest,
                flags: if much_smaller { vec!["much_smaller".to_owned()] } else { Vec::new() },
                rules_only: self.rules_only,
            },
            Err(failure) => {
                let transient = failure.code.is_transient();
                let retry_in = self.context.settings.retry.after(self.claimed.attempt).filter(|_| transient);
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

/// A stored part as if it had come from the device just now.
fn reread(part: Part, platform: &Platform) -> RawPart {
    let Spans { secrets, volatile } = platform.find_spans(&part.name, part.kind, &part.content);
    RawPart {
        secrets,
        volatile,
        name: part.name,
        context: part.context,
        command: part.command,
        kind: part.kind,
        capture: Capture::new(part.content),
    }
}

/// What a session learned of a jump host of the inventory.
fn learned_hop(hop: netraven_device::LearnedHop) -> Option<LearnedHop> {
    Some(LearnedHop { device: hop.target.device?, host_key: hop.host_key, ssh_profile: hop.profile })
}
