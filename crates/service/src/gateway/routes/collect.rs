use crate::gateway::body::Input;
use crate::gateway::call::{self, CollectAnswer, CollectBody};
use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// Backs up one device. What comes back holds no secret, whoever asks.
#[utoipa::path(
    post,
    path = "/collect",
    request_body = CollectBody,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = CollectAnswer, description = "Also where the device failed: then `success` is false"),
        (status = 400, body = ErrorBody, description = "The body is no JSON"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token"),
        (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body is too large"),
        (status = 415, body = ErrorBody, description = "The body is not said to be JSON"),
        (status = 422, body = ErrorBody, description = "A field cannot be used; it is named"),
        (status = 429, body = ErrorBody, description = "The caller asks too often; see `Retry-After`"),
        (status = 503, body = ErrorBody, description = "The gateway is busy; see `Retry-After`")
    )
)]
pub(super) async fn collect(
    State(api): State<Arc<Api>>,
    Input(body): Input<CollectBody>,
) -> Result<Json<CollectAnswer>, ApiError> {
    call::collect(&api, body, None).await.map(Json)
}
