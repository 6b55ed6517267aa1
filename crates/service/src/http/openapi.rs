use super::error::ErrorBody;
use super::front::Front;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    security(("api_key" = []), ("token" = [])),
    responses((status = 200, body = Object, content_type = "application/json"), (status = 403, body = ErrorBody))
)]
pub(crate) async fn openapi(State(front): State<Front>) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], front.openapi.clone())
}
