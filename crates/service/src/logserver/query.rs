//! What a caller asks of the log: the part of the address behind the question mark.

use super::state::Service;
use crate::http::error::ApiError;
use axum::http::{StatusCode, Uri};
use netraven_model::{EventLevel, JobId, RunId};
use netraven_store::logs::{Cursor, LogFilter, Place};
use netraven_store::{StoreError, devices};

/// Events in an answer where nothing is said.
const USUAL: u32 = 100;
/// Events in an answer at most.
const MOST: u32 = 1_000;
/// Characters of a text that is looked for.
const LONGEST: usize = 200;
/// Everything that may be asked for; the last three are for pages.
const KNOWN: [&str; 11] =
    ["job", "device", "run", "level", "event", "from", "to", "text", "limit", "before", "after"];

/// A question.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) filter: LogFilter,
    pub(super) place: Place,
    pub(super) limit: u32,
}

impl Asked {
    /// Reads the question for one page.
    ///
    /// # Errors
    /// The parameter that cannot be used, and what was expected.
    pub(super) async fn page(uri: &Uri, service: &Service) -> Result<Self, ApiError> {
        Self::read(uri, &KNOWN, service).await
    }

    /// Reads the question of somebody who follows: there are no pages.
    ///
    /// # Errors
    /// As [`Asked::page`].
    pub(super) async fn stream(uri: &Uri, service: &Service) -> Result<LogFilter, ApiError> {
        Ok(Self::read(uri, &KNOWN[..8], service).await?.filter)
    }

    async fn read(uri: &Uri, known: &[&str], service: &Service) -> Result<Self, ApiError> {
        let mut asked = Self { filter: LogFilter::default(), place: Place::Newest, limit: USUAL };
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let what = format!("expected parameters among {}", known.join(", "));
                return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, what));
            }
            if seen.iter().any(|seen| *seen == name) {
                return Err(ApiError::field(&name, "expected once"));
            }
            match &*name {
                "device" => {
                    let device = devices::find(&service.store, &value).await;
                    asked.filter.device = Some(device.map_err(|error| found_or(&error))?);
                }
                _ => asked.take(&name, &value)?,
            }
            seen.push(name.into_owned());
        }
        let filter = &asked.filter;
        if filter.from.zip(filter.to).is_some_and(|(from, to)| from >= to) {
            return Err(ApiError::field("to", "expected a time behind `from`"));
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let filter = &mut self.filter;
        match name {
            "job" => filter.job = Some(JobId(number(name, value)?)),
            "run" => filter.run = Some(RunId(number(name, value)?)),
            "level" => {
                let known = || EventLevel::ALL.map(EventLevel::as_str).join(", ");
                let level = EventLevel::from_name(value);
                filter.level = Some(
                    level.ok_or_else(|| ApiError::field(name, &format!("expected one of {}", known())))?,
                );
            }
            "from" | "to" => {
                let time = value.parse().map_err(|_| {
                    ApiError::field(name, "expected a time as in RFC 3339, for example 2026-03-01T10:00:00Z")
                })?;
                if name == "from" { filter.from = Some(time) } else { filter.to = Some(time) }
            }
            "event" => filter.event = Some(text(name, value)?),
            "text" => filter.text = Some(text(name, value)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                self.limit = limit
                    .ok_or_else(|| ApiError::field(name, &format!("expected a number from 1 to {MOST}")))?;
            }
            _ => {
                let cursor: Cursor = value.parse().map_err(|_| {
                    ApiError::field(name, "expected what an earlier answer named `older` or `newer`")
                })?;
                if self.place != Place::Newest {
                    return Err(ApiError::field(name, "expected either `before` or `after`"));
                }
                self.place = if name == "before" { Place::Before(cursor) } else { Place::After(cursor) };
            }
        }
        Ok(())
    }
}

/// A number of a row.
///
/// # Errors
/// It is none; `name` is what is wrong.
pub(super) fn number(name: &str, value: &str) -> Result<i64, ApiError> {
    value.parse().ok().filter(|number| *number > 0).ok_or_else(|| ApiError::field(name, "expected a number"))
}

fn text(name: &str, value: &str) -> Result<String, ApiError> {
    match value.chars().count() {
        1..=LONGEST => Ok(value.to_owned()),
        _ => Err(ApiError::field(name, &format!("expected 1 to {LONGEST} characters"))),
    }
}

/// What there is not is 404; everything else is the database's fault.
pub(super) fn found_or(error: &StoreError) -> ApiError {
    match error {
        StoreError::NotFound { .. } => ApiError::new(StatusCode::NOT_FOUND, error.to_string()),
        error => ApiError::database(error),
    }
}
