//! Commands for one device.

use super::answer::{Details, HostKeyBody, millis};
use super::request::{Call, ExecuteBody};
use super::target::{Destination, destination};
use super::track::Track;
use crate::gateway::auth::{Caller, Right};
use crate::gateway::error::ApiError;
use crate::gateway::state::Api;
use chrono::Utc;
use netraven_device::{Access, Answer, CollectRequest, ExecuteRequest, Gateway, LoginResult, Outcome};
use netraven_model::{ErrorCode, Event, Failure, HostKey, JobEvent, JobId, Phase};
use netraven_platform::{Platform, Platforms};
use netraven_seal::FingerprintKey;
use serde::Serialize;
use std::sync::Arc;
use tokio::time::{Duration, Instant, timeout_at};
use utoipa::ToSchema;

/// What became of commands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecuteAnswer {
    /// The answers one after the other; empty where something failed.
    result: String,
    /// Whether the device carried out every command.
    success: bool,
    /// What went wrong, as a sentence.
    error: Option<String>,
    /// The same as a word of a closed set.
    #[schema(value_type = Option<String>)]
    error_code: Option<ErrorCode>,
    /// Where it went wrong and what can be done.
    details: Option<Details>,
    /// Milliseconds for all of it.
    duration_ms: u64,
    /// The platform's name, found out or given.
    device_type: Option<String>,
    /// The host key of a first contact.
    host_key: Option<HostKeyBody>,
    /// Each command's answer.
    results: Vec<CommandAnswer>,
}

/// A device's answer to one command.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandAnswer {
    /// The command as sent.
    command: String,
    /// The answer; that of a refused command says why.
    result: String,
    /// Whether the device carried it out.
    success: bool,
    /// Milliseconds until the prompt came back.
    duration_ms: u64,
}

/// What a course of sessions brought.
pub(super) struct Done<T> {
    pub(super) result: Result<T, Failure>,
    pub(super) platform: Option<Arc<Platform>>,
    pub(super) learned: Option<HostKey>,
}

/// Has commands answered. Dropping the future closes the session.
///
/// # Errors
/// Requests that cannot be carried out. A device's failure is an answer.
pub(crate) async fn execute(
    api: &Api,
    caller: &Caller,
    body: ExecuteBody,
) -> Result<ExecuteAnswer, ApiError> {
    let (call, commands) = body.check(&api.limits)?;
    let _room = api.room.session().await?;
    let begin = Instant::now();
    let done = match destination(api, &call).await? {
        Ok(destination) => run(api, &call, commands, destination, begin + call.within).await,
        Err(failure) => Done { result: Err(failure), platform: None, learned: None },
    };
    let Done { result, platform, learned } = done;
    Ok(ExecuteAnswer::new(result, platform.as_deref(), learned, caller.may(Right::Raw), begin.elapsed()))
}

async fn run(
    api: &Api,
    call: &Call,
    commands: Vec<String>,
    mut destination: Destination,
    deadline: Instant,
) -> Done<Vec<Answer>> {
    let gateway = api.gateway();
    let mut track =
        Track::begin(api, call.job, destination.access.target.device, destination.platform_name());
    let mut learned = None;
    let platform = platform(&gateway, call, &mut destination, &mut track, &mut learned, deadline).await;
    let result = match &platform {
        Ok(platform) => {
            let request = ExecuteRequest {
                job: call.job,
                access: destination.access.clone(),
                platform: platform.clone(),
                commands,
                within: deadline.saturating_duration_since(Instant::now()),
            };
            track.take(gateway.execute(&request).await, &mut destination, &mut learned).await
        }
        Err(failure) => Err(failure.clone()),
    };
    let refused = |answers: &Vec<Answer>| answers.iter().any(|answer| !answer.accepted);
    track.end(match &result {
        Ok(answers) if refused(answers) => Some(ErrorCode::CommandRejected),
        Ok(_) => None,
        Err(failure) => Some(failure.code),
    });
    Done { result, platform: platform.ok(), learned }
}

/// The device's platform, which is found out where nobody named it.
pub(super) async fn platform(
    gateway: &Gateway,
    call: &Call,
    destination: &mut Destination,
    track: &mut Track<'_>,
    learned: &mut Option<HostKey>,
    deadline: Instant,
) -> Result<Arc<Platform>, Failure> {
    if let Some(platform) = &destination.platform {
        return Ok(platform.clone());
    }
    let platforms = destination.platforms.clone();
    let outcome = recognise(gateway, call.job, &destination.access, &platforms, deadline).await;
    let platform = track.take(outcome, destination, learned).await?;
    track.recognised(&platform.name);
    platform.name.clone_into(&mut destination.access.target.platform);
    Ok(platform)
}

/// Finds out of which family a device is, until the deadline.
pub async fn recognise(
    gateway: &Gateway,
    job: Option<JobId>,
    access: &Access,
    platforms: &Platforms,
    deadline: Instant,
) -> Outcome<Arc<Platform>> {
    let questions = match platforms.questions("", 0..0) {
        Ok(questions) => questions,
        Err(error) => {
            return failed(access, job, Failure::new(ErrorCode::Internal, Phase::Connect, error.to_string()));
        }
    };
    // Recognition seals nothing, so that any key will do.
    let fingerprint_key = FingerprintKey::from_bytes([0; 32]);
    let request = CollectRequest {
        job,
        access: access.clone(),
        platform: questions,
        fingerprint_key,
        sealing: None,
        previous: None,
    };
    let within = deadline.saturating_duration_since(Instant::now());
    match timeout_at(deadline, gateway.recognise(&request, platforms)).await {
        Ok(outcome) => outcome,
        Err(_) => failed(access, job, too_late(within, "the platform was expected to be found out")),
    }
}

/// An outcome without any session.
fn failed<T>(access: &Access, job: Option<JobId>, failure: Failure) -> Outcome<T> {
    let (learned, login) = (None, LoginResult::NotTried);
    let event = Event::Failed { failure: failure.clone() };
    let events = vec![JobEvent::new(job, access.target.device, Utc::now(), event)];
    Outcome {
        result: Err(failure),
        learned,
        profile: None,
        hops: Vec::new(),
        login,
        events,
        dialogue: String::new(),
    }
}

/// A request that took longer than it may.
pub(super) fn too_late(within: Duration, what: &str) -> Failure {
    Failure::new(ErrorCode::Timeout, Phase::Collect, format!("{what} within {within:?}"))
}

impl ExecuteAnswer {
    /// What is answered to somebody who may see secrets (`raw`) or may not. A host key that was learned is told.
    pub fn new(
        result: Result<Vec<Answer>, Failure>,
        platform: Option<&Platform>,
        learned: Option<HostKey>,
        raw: bool,
        took: Duration,
    ) -> Self {
        let (results, failure) = match (result, platform) {
            (Ok(answers), Some(platform)) => {
                let results: Vec<_> =
                    answers.iter().map(|answer| command_answer(answer, platform, raw)).collect();
                let failure = answers
                    .iter()
                    .find(|answer| !answer.accepted)
                    .map(|answer| refused(&answer.command, answer, platform));
                (results, failure)
            }
            (Ok(_), None) => (Vec::new(), None),
            (Err(failure), _) => (Vec::new(), Some(failure)),
        };
        let success = failure.is_none();
        let joined: Vec<&str> = results.iter().map(|answer| answer.result.as_str()).collect();
        Self {
            result: if success { joined.join("\n") } else { String::new() },
            success,
            error: failure.as_ref().map(|failure| failure.message.clone()),
            error_code: failure.as_ref().map(|failure| failure.code),
            details: failure.as_ref().map(Details::of),
            duration_ms: millis(took),
            device_type: platform.map(|platform| platform.name.clone()),
            host_key: learned.map(HostKeyBody::from),
            results,
        }
    }

    /// The answers one after the other; empty where something failed.
    pub fn result(&self) -> &str {
        &self.result
    }

    /// Why it failed: the reason and the sentence.
    pub fn failure(&self) -> Option<(ErrorCode, &str)> {
        Some((self.error_code?, self.error.as_deref()?))
    }
}

fn command_answer(answer: &Answer, platform: &Platform, raw: bool) -> CommandAnswer {
    let text = answer.text.expose_bytes();
    CommandAnswer {
        command: answer.command.clone(),
        result: if raw { String::from_utf8_lossy(text).into_owned() } else { platform.hide_secrets(text) },
        success: answer.accepted,
        duration_ms: millis(answer.duration),
    }
}

/// The device's own words say why; they are few, and pass the secret finder. `command` is what may be shown of it.
pub(crate) fn refused(command: &str, answer: &Answer, platform: &Platform) -> Failure {
    const QUOTED: usize = 300;
    let words: String = platform.redact(answer.text.expose_bytes()).trim().chars().take(QUOTED).collect();
    let message = format!("the device refused `{command}`: {words}");
    Failure::new(ErrorCode::CommandRejected, Phase::Collect, message)
}
