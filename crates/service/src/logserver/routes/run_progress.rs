use crate::http::error::{ApiError, ErrorBody};
use crate::logserver::progress::RunProgress;
use crate::logserver::query::{found_or, number};
use crate::logserver::state::Service;
use axum::Json;
use axum::extract::{Path, State};
use netraven_model::RunId;
use std::sync::Arc;

/// Where the jobs of a run stand.
#[utoipa::path(
    get,
    path = "/runs/{run_id}/progress",
    params(("run_id" = i64, Path, description = "The run")),
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = RunProgress),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "No such run"),
        (status = 422, body = ErrorBody, description = "The run's number is no number"),
        (status = 503, body = ErrorBody, description = "The database does not answer; see `Retry-After`")
    )
)]
pub(super) async fn run_progress(
    State(service): State<Arc<Service>>,
    Path(run): Path<String>,
) -> Result<Json<RunProgress>, ApiError> {
    let run = RunId(number("run_id", &run)?);
    let progress = service.runs.progress(run).await.map_err(|error| found_or(&error))?;
    Ok(Json(RunProgress::new(run, &progress)))
}
