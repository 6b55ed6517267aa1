use crate::http::auth::{Caller, Right};
use crate::http::body::Input;
use crate::http::error::{ApiError, ErrorBody};
use crate::logserver::incoming::{self, EventsBody};
use crate::logserver::state::Service;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// That a batch is safe.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// Events and dialogues in it, those included that were there before.
    accepted: usize,
}

/// Takes up to 1,000 events and dialogues. Once this is answered they are in the database or on the service's disk; a batch
/// whose answer was lost is sent again as it is, and stored once.
#[utoipa::path(
    post,
    path = "/events",
    request_body = EventsBody,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = Accepted),
        (status = 400, body = ErrorBody, description = "The body is no JSON"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token, or one without the right `write`"),
        (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body is too large"),
        (status = 415, body = ErrorBody, description = "The body is not said to be JSON"),
        (status = 422, body = ErrorBody, description = "A field cannot be used; it is named, and nothing of the batch is kept"),
        (status = 429, body = ErrorBody, description = "The caller asks too often; see `Retry-After`"),
        (status = 503, body = ErrorBody, description = "Neither database nor disk takes it; see `Retry-After`")
    )
)]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Result<Input<EventsBody>, ApiError>,
) -> Result<Json<Accepted>, ApiError> {
    if !caller.may(Right::Write) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "the key lacks the right `write`"));
    }
    let accepted = incoming::keep(&service, body?.0).await?;
    Ok(Json(Accepted { accepted }))
}
