use crate::gateway::body::Input;
use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::jobs;
use crate::gateway::state::Api;
use crate::wire::{GatewayState, JobRequest, Verdict};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What a scheduler must know of this gateway.
#[utoipa::path(
    get,
    path = "/jobs",
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = Object, description = "Protocol, version, load and capacity"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token, or one without the right `jobs`")
    )
)]
pub(super) async fn state(State(api): State<Arc<Api>>) -> Json<GatewayState> {
    Json(jobs::state(&api))
}

/// Carries out one job of a scheduler, which brings everything that it takes. A caller that goes away ends the session.
#[utoipa::path(
    post,
    path = "/jobs",
    request_body = Object,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = Object, content_type = "application/x-ndjson", description = "Lines until the outcome"),
        (status = 400, body = ErrorBody, description = "The body is no JSON"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token, or one without the right `jobs`"),
        (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body is too large"),
        (status = 415, body = ErrorBody, description = "The body is not said to be JSON"),
        (status = 422, body = ErrorBody, description = "Another protocol, or a field that cannot be used; it is named"),
        (status = 503, body = ErrorBody, description = "The gateway is busy; see `Retry-After`")
    )
)]
pub(super) async fn run(
    State(api): State<Arc<Api>>,
    Input(request): Input<JobRequest>,
) -> Result<Response, ApiError> {
    let lines = jobs::stream(api, request).await?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// Whether a login may be shown that a job under way has asked about.
#[utoipa::path(
    post,
    path = "/jobs/login",
    request_body = Object,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 204, description = "The session goes on"),
        (status = 400, body = ErrorBody, description = "The body is no JSON"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token, or one without the right `jobs`"),
        (status = 404, body = ErrorBody, description = "Nobody waits for it"),
        (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body is too large"),
        (status = 415, body = ErrorBody, description = "The body is not said to be JSON"),
        (status = 422, body = ErrorBody, description = "A field cannot be used; it is named")
    )
)]
pub(super) async fn login(
    State(api): State<Arc<Api>>,
    Input(verdict): Input<Verdict>,
) -> Result<StatusCode, ApiError> {
    jobs::verdict(&api, verdict).map(|()| StatusCode::NO_CONTENT)
}
