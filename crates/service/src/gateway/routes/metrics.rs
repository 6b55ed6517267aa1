use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use crate::http::metrics::OPENMETRICS;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::sync::Arc;

/// Numbers for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        (status = 403, body = ErrorBody)
    )
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<impl IntoResponse + use<>, ApiError> {
    let status = api.gateway().status();
    let waiting = api.room.waiting() + status.waiting;
    let text = api.metrics.text(waiting, status.idle, api.journal.lost()).map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}
