use crate::gateway::auth::Caller;
use crate::gateway::body::Input;
use crate::gateway::call::{ExecuteAnswer, ExecuteBody, execute};
use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use axum::extract::State;
use axum::{Extension, Json};
use std::sync::Arc;

/// Has commands answered by one device. Secrets in the answers are taken out unless the caller has the right `raw`.
#[utoipa::path(
    post,
    path = "/execute-command",
    request_body = ExecuteBody,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = ExecuteAnswer, description = "Also where the device failed: then `success` is false"),
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
pub(super) async fn execute_command(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Input(body): Input<ExecuteBody>,
) -> Result<Json<ExecuteAnswer>, ApiError> {
    execute(&api, &caller, body).await.map(Json)
}
