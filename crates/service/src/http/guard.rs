//! What every request goes through: an id and a line in the log, who calls, how often.

use super::auth::{Caller, Right};
use super::error::ApiError;
use super::front::Front;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::{Instrument, field, info_span};
use uuid::Uuid;

const REQUEST_ID: &str = "x-request-id";

/// Gives a request its id, counts it, and logs it once. Path and headers are not logged as they came: only the route and the
/// id, which is checked.
pub(super) async fn observe(State(front): State<Front>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let given =
        request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
    let id = given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known_method(request.method().as_str());
    let span = info_span!("request", request_id = %id, method, route, caller = field::Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    front.metrics.request(&route, method, status, took);
    span.in_scope(|| tracing::info!(status, millis = took.as_millis() as u64, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Lets in who has a valid key or token, as often as a caller may ask.
pub(crate) async fn let_in(
    State(front): State<Front>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let caller = identify(&front, &request)?;
    front.rates.take(&caller.name, Instant::now()).map_err(ApiError::too_often)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Lets in who may send jobs. How many there are at a time is bounded by the room for sessions; each brings more requests than
/// a rate for people would allow.
pub(crate) async fn let_scheduler_in(
    State(front): State<Front>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !identify(&front, &request)?.may(Right::Jobs) {
        let detail = "the key has not the right `jobs`; `netraven gateway key add NAME --right jobs` makes one that has";
        return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(next.run(request).await)
}

/// Who sent a request.
fn identify(front: &Front, request: &Request) -> Result<Caller, ApiError> {
    let caller = front.callers.identify(request.headers()).map_err(|refusal| {
        tracing::warn!(reason = refusal.as_str(), "a caller is not let in");
        ApiError::not_let_in()
    })?;
    tracing::Span::current().record("caller", &*caller.name);
    Ok(caller)
}

/// Gives the library's own refusals the shape of all others.
pub(super) async fn same_shape(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let plain =
        response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if (status.is_client_error() || status.is_server_error()) && plain {
        let reason = status.canonical_reason().unwrap_or("the request cannot be carried out");
        let mut shaped = ApiError::new(status, reason).into_response();
        let id = response.headers().get(REQUEST_ID).cloned();
        if let Some(id) = id {
            shaped.headers_mut().insert(REQUEST_ID, id);
        }
        return shaped;
    }
    response
}

/// Methods that are counted by name; others would let a caller make any number of series.
fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

/// Ids of callers stand in the log, so they are short and plain.
fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}
