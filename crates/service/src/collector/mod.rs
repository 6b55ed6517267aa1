//! Who speaks to a job's device: this process, or one of the gateways elsewhere.
//!
//! ```text
//! way: by the device's site, then by load -> here: netraven_device::Gateway
//!                                         -> there: POST /jobs, lines until the outcome, questions about logins in between
//! ```
//!
//! A gateway that does not take jobs is left alone for a growing pause, and its jobs go to another one. Requests and outcomes are
//! the same either way.

mod call;
mod choose;
mod remote;
mod settings;
mod trouble;

pub use settings::{DispatchSettings, GatewaySettings, Gateways};

use crate::wire::{Done, GatewayState, JobRequest, bounded};
use choose::Way;
use chrono::Utc;
use netraven_device::{
    Access, Answer, CollectOutcome, CollectRequest, ExecuteRequest, Gateway, LoginResult, Outcome,
    ReachRequest,
};
use netraven_model::{ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_platform::{Platform, Platforms};
use netraven_seal::SealError;
use remote::Remote;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use trouble::Trouble;

/// How often gateways are asked how they are.
const PROBE: Duration = Duration::from_secs(10);

/// Carries out what jobs ask for, here or elsewhere. Its methods are those of [`Gateway`], and so are the requests.
#[derive(Debug)]
pub struct Collector {
    gateways: choose::Gateways,
    /// What holds the sessions of this process.
    local: Arc<Gateway>,
    /// Asks the gateways how they are, as long as this lives.
    _probes: JoinSet<()>,
}

/// What became of a request.
enum Sent<'a> {
    /// Nothing yet: it is to be carried out here.
    Here(&'a Gateway),
    There(Box<Outcome<Done>>),
}

impl Collector {
    /// One that may use these gateways, and this process where the settings want it.
    pub fn new(local: Arc<Gateway>, settings: DispatchSettings) -> Self {
        let here = settings.local.unwrap_or(settings.gateways.is_empty());
        let remotes: Vec<_> = settings
            .gateways
            .into_iter()
            .map(|(name, settings)| Arc::new(Remote::new(&name, settings)))
            .collect();
        let mut probes = JoinSet::new();
        for remote in &remotes {
            probes.spawn(keep_asking(remote.clone()));
        }
        Self { gateways: choose::Gateways::new(here.then(|| local.clone()), remotes), local, _probes: probes }
    }

    /// What holds the sessions of this process.
    pub fn local(&self) -> &Arc<Gateway> {
        &self.local
    }

    /// Backs up one device. Dropping the future closes the session.
    pub async fn collect(&self, request: &CollectRequest) -> CollectOutcome {
        let body = || JobRequest::collect(request, self.longest());
        let most = bounded(self.local.settings().max_output);
        match self.send(&request.access, request.job, body).await {
            Sent::Here(gateway) => gateway.collect(request).await,
            Sent::There(outcome) => read(*outcome, &request.access, request.job, |done| {
                let collected = done.into_collected(request, most).ok_or_else(something_else)?;
                collected.map_err(|error| unbelievable(&error))
            }),
        }
    }

    /// Has commands answered by one device. Dropping the future closes the session.
    pub async fn execute(&self, request: &ExecuteRequest) -> Outcome<Vec<Answer>> {
        match self.send(&request.access, request.job, || JobRequest::execute(request)).await {
            Sent::Here(gateway) => gateway.execute(request).await,
            Sent::There(outcome) => read(*outcome, &request.access, request.job, |done| {
                done.into_answers(request.commands.len()).ok_or_else(something_else)
            }),
        }
    }

    /// Asks a device some harmless commands to find out of which family it is. Dropping the future closes the session.
    pub async fn recognise(&self, request: &CollectRequest, platforms: &Platforms) -> Outcome<Arc<Platform>> {
        let body = || JobRequest::recognise(request, self.longest());
        match self.send(&request.access, request.job, body).await {
            Sent::Here(gateway) => gateway.recognise(request, platforms).await,
            Sent::There(outcome) => read(*outcome, &request.access, request.job, |done| match done {
                Done::Recognised { platform } => platforms.get(&platform).ok_or_else(|| {
                    let message = format!(
                        "the gateway recognised the platform '{platform}', which has no definition here"
                    );
                    Failure::new(ErrorCode::UnknownPlatform, Phase::Collect, message)
                }),
                _ => Err(something_else()),
            }),
        }
    }

    /// Sees whether a device answers as its protocol demands. Nobody logs in to it.
    pub async fn reach(&self, request: &ReachRequest) -> Outcome<()> {
        let body = || JobRequest::reach(request, self.longest());
        match self.send(&request.access, request.job, body).await {
            Sent::Here(gateway) => gateway.reach(request).await,
            Sent::There(outcome) => read(*outcome, &request.access, request.job, |done| match done {
                Done::Reached => Ok(()),
                _ => Err(something_else()),
            }),
        }
    }

    /// Logs out of the idle sessions of this process.
    pub async fn drain(&self) {
        self.local.drain().await;
    }

    /// A gateway's own bounds end a session before this does.
    fn longest(&self) -> Duration {
        self.local.settings().longest() + crate::logins::PATIENCE
    }

    /// Has a request carried out by one gateway after the other, until one takes it.
    async fn send(&self, access: &Access, job: Option<JobId>, body: impl Fn() -> JobRequest) -> Sent<'_> {
        let site = access.site.as_deref();
        let mut tried = Vec::new();
        loop {
            let ticket = match self.gateways.way(site, &tried).await {
                Ok(Way::Here(gateway)) => return Sent::Here(gateway),
                Ok(Way::There(ticket)) => ticket,
                Err(failure) => return Sent::There(Box::new(failed(access, job, failure))),
            };
            let (remote, max_output) = (&ticket.remote, self.local.settings().max_output);
            match call::carry_out(remote, &body(), access, max_output).await {
                Ok(outcome) => {
                    remote.well(None);
                    return Sent::There(Box::new(outcome.into_outcome(job, access.target.device)));
                }
                Err(trouble) => {
                    if trouble.is_the_gateways() {
                        remote.troubled(&trouble);
                    }
                    match trouble {
                        Trouble::Away(_) | Trouble::Unfit(_) => tried.push((remote.name.clone(), trouble)),
                        _ => {
                            return Sent::There(Box::new(failed(access, job, trouble.failure(&remote.name))));
                        }
                    }
                }
            }
        }
    }
}

/// Asks a gateway how it is, again and again: what it can carry out is known before it is needed, and one that is back is used.
async fn keep_asking(remote: Arc<Remote>) {
    let mut ticks = interval(PROBE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match remote.ask_state().await {
            Ok(state) => remote.well(Some(state)),
            // A slow answer says nothing about jobs that are under way there.
            Err(trouble) => remote.troubled(&trouble),
        }
    }
}

/// What a gateway says of itself, for people.
///
/// # Errors
/// Why it cannot be used, as a sentence.
pub async fn ask_gateway(name: &str, settings: &GatewaySettings) -> Result<GatewayState, String> {
    let state = Remote::new(name, settings.clone()).ask_state().await;
    state.map_err(|trouble| trouble.reason().to_owned())
}

/// An outcome from elsewhere in the form of one from here. What it teaches is taken for what was asked about, and nothing else.
fn read<T>(
    outcome: Outcome<Done>,
    access: &Access,
    job: Option<JobId>,
    done: impl FnOnce(Done) -> Result<T, Failure>,
) -> Outcome<T> {
    let Outcome { result, learned, profile, mut hops, login, mut events, dialogue } = outcome;
    hops.retain(|hop| access.via.iter().any(|asked| asked.target == hop.target));
    let result = result.and_then(|brought| {
        done(brought).inspect_err(|failure| events.push(failure_event(access, job, failure)))
    });
    Outcome { result, learned, profile, hops, login, events, dialogue }
}

/// The outcome of a request that no gateway carried out.
fn failed<T>(access: &Access, job: Option<JobId>, failure: Failure) -> Outcome<T> {
    Outcome {
        events: vec![failure_event(access, job, &failure)],
        result: Err(failure),
        learned: None,
        profile: None,
        hops: Vec::new(),
        login: LoginResult::NotTried,
        dialogue: String::new(),
    }
}

fn failure_event(access: &Access, job: Option<JobId>, failure: &Failure) -> JobEvent {
    let event = Event::Failed { failure: failure.clone() };
    JobEvent::new(job, access.target.device, Utc::now(), event)
}

fn something_else() -> Failure {
    let message = "the gateway's outcome is of something else than what was asked for";
    Failure::new(ErrorCode::GatewayRefused, Phase::Collect, message)
}

fn unbelievable(error: &SealError) -> Failure {
    Failure::new(ErrorCode::GatewayRefused, Phase::Collect, error.to_string())
}
