use crate::http::error::{ApiError, ErrorBody};
use crate::http::metrics::OPENMETRICS;
use crate::logserver::state::Service;
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
pub(super) async fn metrics(
    State(service): State<Arc<Service>>,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let text =
        service.metrics.text(service.following(), service.log.counters()).map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}
