//! One gateway elsewhere: how it is reached, what it carries out for this process, and whether it is left alone.

use super::settings::GatewaySettings;
use super::trouble::Trouble;
use crate::web;
use crate::wire::{GatewayState, PROTOCOL};
use netraven_model::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a connection to a gateway may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a gateway may take for an answer that no device is needed for.
pub(super) const SHORT: Duration = Duration::from_secs(15);
/// An answer that is no outcome has not more bytes.
const SMALL: usize = 64 * 1024;
/// The first pause after trouble; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Jobs that a gateway is sent as long as it has not told how many it can carry out.
const UNKNOWN_CAPACITY: usize = 100;
/// The gateway's own sentence is quoted up to so many characters.
const QUOTED: usize = 300;

/// One gateway elsewhere.
pub(super) struct Remote {
    pub(super) name: String,
    pub(super) settings: GatewaySettings,
    /// Why there is no client, where the settings do not allow one.
    client: Result<Client, String>,
    condition: Mutex<Condition>,
}

/// How it is doing.
#[derive(Debug, Default)]
struct Condition {
    /// Jobs that this process has given it.
    in_flight: usize,
    /// What it said of itself last.
    state: Option<GatewayState>,
    /// Sessions of others, by that.
    others: usize,
    /// Pauses in a row.
    pauses: u32,
    /// Why it is left alone, and until when.
    trouble: Option<(Trouble, Instant)>,
}

/// What a choice needs to know of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fitness {
    /// It takes another job; the number says how full it is.
    Free(f64),
    /// It has as many as it may have.
    Full,
    /// It is left alone.
    Resting(Trouble),
}

impl Remote {
    pub(super) fn new(name: &str, settings: GatewaySettings) -> Self {
        let client = client(settings.ca_file.as_deref());
        Self { name: name.to_owned(), settings, client, condition: Mutex::default() }
    }

    pub(super) fn fitness(&self, now: Instant) -> Fitness {
        let condition = self.lock();
        if let Some((trouble, _)) = condition.trouble.as_ref().filter(|(_, until)| now < *until) {
            return Fitness::Resting(trouble.clone());
        }
        let told = condition.state.as_ref().map(|state| state.capacity);
        let most = self.settings.max_sessions.or(told).unwrap_or(UNKNOWN_CAPACITY).max(1);
        if condition.in_flight >= most {
            return Fitness::Full;
        }
        Fitness::Free((condition.in_flight + condition.others) as f64 / most as f64)
    }

    /// Counts a job that it is given.
    pub(super) fn begin(&self) {
        self.lock().in_flight += 1;
    }

    /// Counts a job that is over.
    pub(super) fn end(&self) {
        let mut condition = self.lock();
        condition.in_flight = condition.in_flight.saturating_sub(1);
    }

    /// It brought an outcome, or told how it is: it is left alone no longer.
    pub(super) fn well(&self, state: Option<GatewayState>) {
        let mut condition = self.lock();
        if condition.trouble.take().is_some() {
            tracing::info!(gateway = self.name, "the gateway takes jobs again");
        }
        condition.pauses = 0;
        if let Some(state) = state {
            condition.others = state.active.saturating_sub(condition.in_flight);
            condition.state = Some(state);
        }
    }

    /// It is left alone for a pause, which grows as long as nothing better comes.
    pub(super) fn troubled(&self, trouble: &Trouble) {
        let mut condition = self.lock();
        let now = Instant::now();
        // Jobs that were sent at the same time meet the same trouble: that is one pause.
        if condition.trouble.as_ref().is_some_and(|(_, until)| now < *until) {
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << condition.pauses.min(10)).min(LONGEST_PAUSE);
        condition.pauses += 1;
        condition.trouble = Some((trouble.clone(), now + pause));
        tracing::warn!(
            gateway = self.name,
            reason = trouble.reason(),
            seconds = pause.as_secs(),
            "the gateway is left alone"
        );
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It cannot be used, and why.
    pub(super) async fn ask_state(&self) -> Result<GatewayState, Trouble> {
        let sent = self.request(Method::GET, "jobs").await?.timeout(SHORT).send().await;
        let answer = accepted(sent.map_err(|error| Trouble::of_request(&error))?).await?;
        let body = web::body(answer, SMALL).await?;
        let state: GatewayState = serde_json::from_slice(&body).map_err(|_| {
            Trouble::Unfit("it answers with something that is no state of a gateway".to_owned())
        })?;
        if state.protocol == PROTOCOL {
            return Ok(state);
        }
        let (theirs, version, own) = (state.protocol, &state.version, env!("CARGO_PKG_VERSION"));
        Err(Trouble::Unfit(format!(
            "it speaks protocol {theirs} (NetRaven {version}), this scheduler protocol {PROTOCOL} (NetRaven {own})"
        )))
    }

    /// A request with its key.
    pub(super) async fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Trouble> {
        let client = self.client.as_ref().map_err(|reason| Trouble::Unfit(reason.clone()))?;
        let key = self.settings.key().await.map_err(Trouble::Unfit)?;
        let url = format!("{}/{path}", self.settings.url.trim_end_matches('/'));
        Ok(client.request(method, url).header("x-api-key", header(&key)?))
    }

    /// A request with a JSON body, which is overwritten when it was sent: it may hold logins.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<RequestBuilder, Trouble> {
        let body = axum::body::Bytes::from_owner(Zeroizing::new(body));
        let request = self.request(Method::POST, path).await?;
        Ok(request.header(CONTENT_TYPE, "application/json").body(body))
    }

    /// A panic while the lock was held leaves numbers that are still numbers.
    fn lock(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn client(ca_file: Option<&Path>) -> Result<Client, String> {
    web::client(ca_file, CONNECT).map_err(|error| error.to_string())
}

fn header(key: &Secret) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_bytes(key.expose_bytes())
        .map_err(|_| Trouble::Unfit("its key cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The answer, where it is what was asked for.
pub(super) async fn accepted(answer: Response) -> Result<Response, Trouble> {
    #[derive(Deserialize)]
    struct Detail {
        detail: String,
    }
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // Without the sentence the number must do.
    let body = web::body(answer, SMALL).await.unwrap_or_default();
    let detail = serde_json::from_slice::<Detail>(&body).map(|body| body.detail).unwrap_or_default();
    let quoted: String = detail.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    Err(Trouble::of_status(status, &quoted))
}
