use crate::gateway::error::ErrorBody;
use crate::gateway::state::Api;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::sync::Arc;

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    security(("api_key" = []), ("token" = [])),
    responses((status = 200, body = Object, content_type = "application/json"), (status = 403, body = ErrorBody))
)]
pub(super) async fn openapi(State(api): State<Arc<Api>>) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], api.openapi.clone())
}
