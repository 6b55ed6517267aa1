//! What other processes send: checked, bounded and redacted before anything of it is kept.

use super::state::Service;
use crate::http::error::ApiError;
use crate::joblog::Fate;
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::JobEvent;
use netraven_store::logs::Dialogue;
use serde::Deserialize;
use utoipa::ToSchema;

/// Events and dialogues in one batch.
const MOST: usize = 1_000;
/// Bytes of a text; what devices say is cut long before.
const LONGEST: usize = 256 << 10;
/// Clocks go wrong, but an event of tomorrow cannot be.
const AHEAD: TimeDelta = TimeDelta::hours(1);
/// Nobody's spool holds events for longer.
const BEHIND: TimeDelta = TimeDelta::days(366);

/// A batch of what happened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsBody {
    /// Events: `id` (a UUID), `job` and `device` (numbers or null), `timestamp` and `event` with the fields of that event.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    events: Vec<JobEvent>,
    /// Dialogues: `id`, `job`, `device`, `ended_at` and `text`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    dialogues: Vec<Dialogue>,
}

/// Keeps a batch, and answers how many rows it has.
///
/// # Errors
/// Something in it cannot be; it could not be kept and should be sent again.
pub(super) async fn keep(service: &Service, mut body: EventsBody) -> Result<usize, ApiError> {
    let rows = body.events.len() + body.dialogues.len();
    if !(1..=MOST).contains(&rows) {
        return Err(ApiError::field("events", &format!("expected 1 to {MOST} events and dialogues")));
    }
    let now = Utc::now();
    for (at, event) in body.events.iter_mut().enumerate() {
        check_time(event.timestamp, now).map_err(|reason| wrong("events", at, "timestamp", &reason))?;
        redact_event(service, event).map_err(|reason| wrong("events", at, "event", &reason))?;
    }
    for (at, dialogue) in body.dialogues.iter_mut().enumerate() {
        check_time(dialogue.ended_at, now).map_err(|reason| wrong("dialogues", at, "ended_at", &reason))?;
        redact(service, &mut dialogue.text).map_err(|reason| wrong("dialogues", at, "text", &reason))?;
    }
    match service.log.keep(body.events, body.dialogues).await {
        Fate::Kept => {
            service.metrics.accepted.inc_by(rows as u64);
            Ok(rows)
        }
        Fate::Refused => {
            Err(ApiError::field("events", "the database refuses one of them; send them one by one"))
        }
        Fate::Lost => Err(ApiError::overloaded("neither the database nor the spool takes events", 10)),
    }
}

fn wrong(list: &str, at: usize, field: &str, reason: &str) -> ApiError {
    ApiError::field(&format!("{list}[{at}].{field}"), reason)
}

fn check_time(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if at > now + AHEAD {
        return Err(format!("expected a time not more than {} minutes ahead", AHEAD.num_minutes()));
    }
    if at < now - BEHIND {
        return Err(format!("expected a time of the last {} days", BEHIND.num_days()));
    }
    Ok(())
}

/// Another process has redacted what it sends, with patterns of its own. Here those of this installation hold.
fn redact_event(service: &Service, event: &mut JobEvent) -> Result<(), String> {
    let mut outcome = Ok(());
    event.event.visit_texts(|text| {
        if outcome.is_ok() && !is_fingerprint(text) {
            outcome = redact(service, text);
        }
    });
    outcome
}

fn redact(service: &Service, text: &mut String) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("expected at most {LONGEST} bytes of text"));
    }
    let redacted = service.redactor.redact(text.as_bytes());
    if redacted != *text {
        service.metrics.redacted.inc();
        *text = redacted;
    }
    Ok(())
}

/// A fingerprint as OpenSSH shows it: chance puts any word into one.
fn is_fingerprint(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
    text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43 && hash.chars().all(base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_that_can_be_are_taken() {
        let now: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        for (at, fine) in [
            ("2026-03-01T00:59:00Z", true),
            ("2026-03-01T01:01:00Z", false),
            ("2025-03-01T00:00:00Z", true),
            ("2024-02-28T00:00:00Z", false),
            ("9999-12-31T00:00:00Z", false),
            ("0001-01-01T00:00:00Z", false),
        ] {
            assert_eq!(check_time(at.parse().unwrap(), now).is_ok(), fine, "{at}");
        }
    }

    #[test]
    fn fingerprints_are_known_by_their_form() {
        assert!(is_fingerprint(&format!("SHA256:{}", "pskA+/0".repeat(7).split_at(43).0)));
        for text in ["SHA256:", "SHA256:secret", &format!("SHA256:{} x", "a".repeat(41))] {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
