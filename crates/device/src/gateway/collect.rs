//! One backup of one device, from connect to outcome.
//!
//! ```text
//! connect, authenticate -> session: the platform's commands -> parts (memory only)
//!   -> facts taken, secret and volatile spans marked -> fingerprints in place of secrets
//!   -> significant hash: equal to the last one = unchanged, nothing is compressed or kept
//!   -> else compressed and handed out
//! ```

use super::Gateway;
use crate::course::Course;
use crate::outcome::{CollectOutcome, Collected};
use crate::request::CollectRequest;
use netraven_model::{ErrorCode, Event, Facts, Failure, Phase};
use netraven_platform::{Output, Part, Platform, Spans};
use netraven_seal::{Masked, RawPart, SealError, SealedPart, mask};

/// A configuration that lost more than half of its size is read a second time before it is believed.
const MUCH_SMALLER: u64 = 2;

pub(super) async fn collect(gateway: &Gateway, request: &CollectRequest) -> CollectOutcome {
    let mut course = Course::new(gateway, request.job, &request.access, gateway.settings.longest());
    let result = run(&mut course, request).await;
    course.end(result)
}

async fn run(course: &mut Course<'_>, request: &CollectRequest) -> Result<Collected, Failure> {
    let previous = request.previous;
    let (mut masked, mut facts) = read(course, request).await?;
    let before = previous.map_or(0, |previous| previous.size);
    let much_smaller = |masked: &Masked| masked.size().saturating_mul(MUCH_SMALLER) < before;
    let suspicious = much_smaller(&masked);
    if suspicious {
        (masked, facts) = read(course, request).await?;
    }
    if previous.is_some_and(|previous| previous.significant == masked.significant()) {
        return Ok(Collected::Unchanged { facts });
    }
    let much_smaller = suspicious && much_smaller(&masked);
    if much_smaller {
        course.event(Event::MuchSmaller { before, now: masked.size() });
    }
    let config = masked.seal(request.sealing.as_ref()).map_err(|error| sealing_failed(&error))?;
    let header =
        |part: &SealedPart| request.platform.section(&part.name, part.context.as_deref(), &part.command);
    let (config, platform_digest) = (Box::new(config.with_headers(header)), request.platform.digest);
    Ok(Collected::Changed { config, facts, much_smaller, platform_digest })
}

/// One session: its parts without secrets, and what they tell about the device.
async fn read(course: &mut Course<'_>, request: &CollectRequest) -> Result<(Masked, Facts), Failure> {
    let talk = course.gateway.talk(request.platform.clone(), request.access.target.protocol);
    let parts = talk.parts.clone();
    let (platform, _, outputs) = course.converse(&request.platform, |_| Ok(talk)).await?;
    let texts: Vec<_> = outputs
        .iter()
        .map(|output| (parts[output.part].name.as_str(), output.capture.expose_bytes()))
        .collect();
    let facts = platform.find_facts(&texts);
    let raw = outputs.into_iter().map(|output| raw_part(&platform, &parts[output.part], output)).collect();
    let masked = mask(raw, &request.fingerprint_key).map_err(|error| sealing_failed(&error))?;
    Ok((masked, facts))
}

fn raw_part(platform: &Platform, part: &Part, output: Output) -> RawPart {
    let Spans { secrets, volatile } =
        platform.find_spans(&part.name, part.kind, output.capture.expose_bytes());
    RawPart {
        name: part.name.clone(),
        context: output.context,
        command: output.command,
        kind: part.kind,
        secrets,
        volatile,
        capture: output.capture,
    }
}

fn sealing_failed(error: &SealError) -> Failure {
    Failure::new(ErrorCode::SealingFailed, Phase::Collect, error.to_string())
}
