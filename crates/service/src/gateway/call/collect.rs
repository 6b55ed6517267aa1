//! A whole backup of one device.

use super::answer::{Details, HostKeyBody, millis};
use super::execute::{Done, platform, too_late};
use super::request::{Call, CollectBody, Keep};
use super::sealing::SealedBody;
use super::target::{Destination, destination};
use super::track::Track;
use crate::gateway::error::ApiError;
use crate::gateway::state::Api;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_device::{CollectRequest, Collected, Previous};
use netraven_model::{ErrorCode, Facts, Failure, PartKind, Phase, Span};
use netraven_seal::{SealedConfig, SealedPart, decompress};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, timeout_at};
use utoipa::ToSchema;

/// What became of a backup.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectAnswer {
    /// Whether the configuration was read to its end.
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
    /// SHA-256 of the platform's definition: which rules took the secrets out.
    platform_digest: Option<String>,
    /// The host key of a first contact.
    host_key: Option<HostKeyBody>,
    /// Whether it differs from `previous`; without a previous one it does.
    changed: Option<bool>,
    /// Keyed hash over everything that means something: equal is unchanged.
    significant_hash: Option<String>,
    /// Size of all parts in bytes.
    size: Option<u64>,
    /// `much_smaller`: less than half of the previous one, and so when read a second time.
    flags: Vec<String>,
    /// What the device tells about itself.
    #[schema(value_type = Option<Object>)]
    facts: Option<Facts>,
    /// The parts without secrets; none where nothing changed.
    parts: Vec<PartBody>,
    /// The values of the secrets; `null` where there are none or `sealing` was not given.
    sealed_secrets: Option<SealedBody>,
}

/// One part of a backup. In each secret's place stands a keyed fingerprint, `<secret:...>`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartBody {
    /// Name, e.g. `running-config`.
    name: String,
    /// VDOM, chassis member or the like.
    context: Option<String>,
    /// The command that brought it.
    command: String,
    /// `config`, `state` or `binary`.
    #[schema(value_type = String)]
    kind: PartKind,
    /// The text; `null` where it is none, then there is `base64`.
    text: Option<String>,
    /// The bytes of what is no text, in base64.
    base64: Option<String>,
    /// SHA-256 of the text.
    sha256: String,
    /// Number of secrets that were taken out.
    secrets: u32,
    /// Ranges of bytes that change without meaning.
    #[schema(value_type = Vec<Object>)]
    volatile: Vec<Span>,
}

/// Backs up one device. Dropping the future closes the session. `room` is for a session that has its room already.
///
/// # Errors
/// Requests that cannot be carried out. A device's failure is an answer.
pub(crate) async fn collect(
    api: &Api,
    body: CollectBody,
    room: Option<OwnedSemaphorePermit>,
) -> Result<CollectAnswer, ApiError> {
    let (call, keep) = body.check(&api.limits)?;
    let _room = match room {
        Some(room) => room,
        None => api.room.session().await?,
    };
    let (begin, previous) = (Instant::now(), keep.previous);
    let done = match destination(api, &call).await? {
        Ok(destination) => run(api, &call, keep, destination, begin + call.within).await,
        Err(failure) => Done { result: Err(failure), platform: None, learned: None },
    };
    Ok(answer(done, previous, begin.elapsed()))
}

async fn run(
    api: &Api,
    call: &Call,
    keep: Keep,
    mut destination: Destination,
    deadline: Instant,
) -> Done<Collected> {
    let gateway = api.gateway();
    let mut track =
        Track::begin(api, call.job, destination.access.target.device, destination.platform_name());
    let mut learned = None;
    let platform = platform(&gateway, call, &mut destination, &mut track, &mut learned, deadline).await;
    let result = match &platform {
        Ok(platform) => {
            let (job, access) = (call.job, destination.access.clone());
            let Keep { fingerprint_key, sealing, previous } = keep;
            let platform = platform.clone();
            let request = CollectRequest { job, access, platform, fingerprint_key, sealing, previous };
            match timeout_at(deadline, gateway.collect(&request)).await {
                Ok(outcome) => track.take(outcome, &mut destination, &mut learned).await,
                Err(_) => Err(track.fail(too_late(call.within, "the backup was expected to end"))),
            }
        }
        Err(failure) => Err(failure.clone()),
    };
    track.end(result.as_ref().err().map(|failure| failure.code));
    Done { result, platform: platform.ok(), learned }
}

fn answer(done: Done<Collected>, previous: Option<Previous>, took: Duration) -> CollectAnswer {
    let Done { result, platform, learned } = done;
    let mut answer = CollectAnswer {
        success: false,
        error: None,
        error_code: None,
        details: None,
        duration_ms: millis(took),
        device_type: platform.as_ref().map(|platform| platform.name.clone()),
        platform_digest: platform.map(|platform| platform.digest.to_string()),
        host_key: learned.map(HostKeyBody::from),
        changed: None,
        significant_hash: None,
        size: None,
        flags: Vec::new(),
        facts: None,
        parts: Vec::new(),
        sealed_secrets: None,
    };
    let filled = result.and_then(|collected| answer.fill(collected, previous));
    if let Err(failure) = filled {
        answer.error = Some(failure.message.clone());
        answer.error_code = Some(failure.code);
        answer.details = Some(Details::of(&failure));
    }
    answer
}

impl CollectAnswer {
    fn fill(&mut self, collected: Collected, previous: Option<Previous>) -> Result<(), Failure> {
        let facts = match collected {
            Collected::Unchanged { facts } => {
                self.changed = Some(false);
                self.significant_hash = previous.map(|previous| previous.significant.to_string());
                self.size = previous.map(|previous| previous.size);
                facts
            }
            Collected::Changed { config, facts, much_smaller, .. } => {
                self.parts = parts(&config)?;
                self.sealed_secrets = config.secrets().map(SealedBody::from);
                self.changed = Some(true);
                self.significant_hash = Some(config.significant().to_string());
                self.size = Some(config.size());
                self.flags = if much_smaller { vec!["much_smaller".to_owned()] } else { Vec::new() };
                facts
            }
        };
        (self.facts, self.success) = (Some(facts), true);
        Ok(())
    }
}

fn parts(config: &SealedConfig) -> Result<Vec<PartBody>, Failure> {
    config.parts().iter().map(part).collect()
}

fn part(part: &SealedPart) -> Result<PartBody, Failure> {
    let content = decompress(&part.content, part.size, part.digest)
        .map_err(|error| Failure::new(ErrorCode::Internal, Phase::Collect, error.to_string()))?;
    let (text, base64) = match String::from_utf8(content) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
    };
    Ok(PartBody {
        name: part.name.clone(),
        context: part.context.clone(),
        command: part.command.clone(),
        kind: part.kind,
        text,
        base64,
        sha256: part.digest.to_string(),
        secrets: part.secrets,
        volatile: part.volatile.clone(),
    })
}
