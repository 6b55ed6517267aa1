//! One job of a scheduler, from its request to the last line of the answer.

use super::guard::{Call, Known, Lines};
use crate::gateway::error::ApiError;
use crate::gateway::metrics::Ended;
use crate::gateway::state::Api;
use crate::wire::{CollectTask, Done, JobRequest, Line, OutcomeBody, PROTOCOL, PlatformRef, Task};
use axum::body::Body;
use axum::http::StatusCode;
use futures_util::stream;
use netraven_device::{Access, CollectRequest, ExecuteRequest, Gateway, LoginResult, Outcome, ReachRequest};
use netraven_model::{ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_platform::{AUTO, Platform, Platforms};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

/// How often a line comes where nothing happens, so that a gateway that is gone is told from a device that is slow.
const ALIVE: Duration = Duration::from_secs(5);

/// Checks a request and answers with the stream of its lines. Whoever stops reading ends the session.
///
/// # Errors
/// A request of another protocol, or one that there is no room for.
pub(crate) async fn stream(api: Arc<Api>, request: JobRequest) -> Result<Body, ApiError> {
    if request.protocol != PROTOCOL {
        let (theirs, own) = (request.protocol, env!("CARGO_PKG_VERSION"));
        let detail = format!("protocol: expected {PROTOCOL}, which NetRaven {own} speaks, found {theirs}");
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let room = api.room.session().await?;
    let (lines, waiting) = mpsc::unbounded_channel();
    // Dropping the set, as happens when the caller goes away, ends the session.
    let mut work = JoinSet::new();
    work.spawn(run(api, request, lines, room).in_current_span());
    let stream = stream::unfold((waiting, work), |(mut waiting, work)| async {
        let line = match timeout(ALIVE, waiting.recv()).await {
            Ok(line) => line?,
            Err(_) => Line::Alive,
        };
        Some((Ok::<_, Infallible>(text(&line)), (waiting, work)))
    });
    Ok(Body::from_stream(stream))
}

fn text(line: &Line) -> Vec<u8> {
    // Without a last line the scheduler takes the job for lost, which it is.
    let mut text = serde_json::to_vec(line).unwrap_or_else(|error| {
        tracing::error!(%error, "an outcome cannot be written as JSON");
        Vec::new()
    });
    text.push(b'\n');
    text
}

async fn run(api: Arc<Api>, request: JobRequest, lines: Lines, _room: OwnedSemaphorePermit) {
    let known: Known<'_> = api.calls.begin(lines.clone());
    let mut counted = Counted::begin(&api, request.access.platform());
    let outcome = carry_out(&api, request, &known.call).await;
    counted.ended(&outcome);
    // Nobody listening any more is fine: then this task is ending, too.
    drop(lines.send(Line::Outcome(Box::new(outcome))));
}

async fn carry_out(api: &Api, request: JobRequest, call: &Arc<Call>) -> OutcomeBody {
    let JobRequest { job, within, access, task, .. } = request;
    let access = match access.into_access(&|number| call.guard(number)) {
        Ok(access) => access,
        Err(field) => {
            let message = format!("the request's field {field} cannot be used by the gateway");
            return failed(job, None, Failure::new(ErrorCode::GatewayRefused, Phase::Connect, message));
        }
    };
    let (gateway, device) = (api.gateway(), access.target.device);
    let longest = gateway.settings().longest() + 2 * crate::logins::PATIENCE;
    let deadline = Instant::now() + Duration::from_millis(within).min(longest);
    let platforms = api.definitions.current();
    let done = timeout_at(deadline, perform(&gateway, &platforms, job, access, task, deadline)).await;
    done.unwrap_or_else(|_| {
        let message = format!("the job was expected to end within {within} ms");
        failed(job, device, Failure::new(ErrorCode::Timeout, Phase::Collect, message))
    })
}

async fn perform(
    gateway: &Gateway,
    platforms: &Platforms,
    job: Option<JobId>,
    access: Access,
    task: Task,
    deadline: Instant,
) -> OutcomeBody {
    let device = access.target.device;
    match task {
        Task::Recognise => {
            let outcome = crate::gateway::recognise(gateway, job, &access, platforms, deadline).await;
            OutcomeBody::new(outcome, |platform| Done::Recognised { platform: platform.name.clone() })
        }
        Task::Collect(task) => match definition(platforms, &task.platform) {
            Err(failure) => failed(job, device, failure),
            Ok(platform) => {
                let CollectTask { fingerprint_key, sealing, previous, .. } = *task;
                let (sealing, previous) = (sealing.map(Into::into), previous.map(Into::into));
                let request = CollectRequest { job, access, platform, fingerprint_key, sealing, previous };
                OutcomeBody::new(gateway.collect(&request).await, Done::collected)
            }
        },
        Task::Reach { platform } => {
            // A device whose definition is missing can be reached all the same.
            let platform = platform.and_then(|wanted| platforms.get(&wanted.name));
            let request = ReachRequest { job, access, platform };
            OutcomeBody::new(gateway.reach(&request).await, |()| Done::Reached)
        }
        Task::Execute { platform, commands } => match definition(platforms, &platform) {
            Err(failure) => failed(job, device, failure),
            Ok(platform) => {
                let within = deadline.saturating_duration_since(Instant::now());
                let request = ExecuteRequest { job, access, platform, commands, within };
                OutcomeBody::new(gateway.execute(&request).await, Done::answered)
            }
        },
    }
}

/// This gateway's own definition of a platform; where it is another one than the scheduler's, the outcome says which.
fn definition(platforms: &Platforms, wanted: &PlatformRef) -> Result<Arc<Platform>, Failure> {
    // What is spoken with a device of unknown family is in no list.
    let found = match wanted.name.as_str() {
        AUTO => platforms.questions("", 0..0).ok(),
        name => platforms.get(name),
    };
    let Some(platform) = found else {
        let message = format!("the gateway has no definition of the device's platform '{}'", wanted.name);
        return Err(Failure::new(ErrorCode::UnknownPlatform, Phase::Connect, message));
    };
    if platform.digest != wanted.digest {
        tracing::warn!(platform = wanted.name, "the scheduler has another definition of this platform");
    }
    Ok(platform)
}

/// A failure before any session.
fn failed(job: Option<JobId>, device: Option<netraven_model::DeviceId>, failure: Failure) -> OutcomeBody {
    let event = Event::Failed { failure: failure.clone() };
    let outcome = Outcome {
        result: Err(failure),
        learned: None,
        profile: None,
        hops: Vec::new(),
        login: LoginResult::NotTried,
        events: vec![JobEvent::new(job, device, chrono::Utc::now(), event)],
        dialogue: String::new(),
    };
    OutcomeBody::new(outcome, |never: Infallible| match never {})
}

/// Counts one job as long as it is under way, and how it ended.
struct Counted<'a> {
    api: &'a Api,
    platform: String,
    ended: Ended,
}

impl<'a> Counted<'a> {
    fn begin(api: &'a Api, platform: &str) -> Self {
        api.metrics.active.inc();
        // Labels come from the definitions, so that callers cannot make their number grow.
        let known = api.definitions.current().get(platform).is_some();
        let platform = if known { platform } else { crate::gateway::metrics::NO_PLATFORM };
        Self { api, platform: platform.to_owned(), ended: Ended::Cancelled }
    }

    fn ended(&mut self, outcome: &OutcomeBody) {
        self.ended = outcome.code().map_or(Ended::Successful, Ended::Failed);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.api.metrics.active.dec();
        self.api.metrics.session(&self.platform, self.ended);
    }
}
