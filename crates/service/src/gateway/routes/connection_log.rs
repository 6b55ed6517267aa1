use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use netraven_model::JobId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The dialogue of a job's last session.
#[derive(Serialize, ToSchema)]
pub(super) struct ConnectionLog {
    /// The device's number in the inventory; `null` where it is not there.
    device_id: Option<i64>,
    /// The job.
    job_id: Option<i64>,
    /// When the session ended.
    timestamp: DateTime<Utc>,
    /// Prompts, commands and short answers; secrets are taken out.
    log: String,
}

/// The dialogue of a job's last session.
#[utoipa::path(
    get,
    path = "/connection-log/{job_id}",
    params(("job_id" = i64, Path, description = "The job")),
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = ConnectionLog),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "Log not found"),
        (status = 422, body = ErrorBody, description = "The job's number is no number"),
        (status = 503, body = ErrorBody, description = "The database does not answer; see `Retry-After`")
    )
)]
pub(super) async fn connection_log(
    State(api): State<Arc<Api>>,
    Path(job): Path<String>,
) -> Result<Json<ConnectionLog>, ApiError> {
    let job = job.parse().map_err(|_| ApiError::field("job_id", "expected a number"))?;
    let found = api.journal.latest(JobId(job)).await.map_err(|error| ApiError::database(&error))?;
    let found = found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "Log not found"))?;
    Ok(Json(ConnectionLog {
        device_id: found.device.map(|id| id.0),
        job_id: found.job.map(|id| id.0),
        timestamp: found.timestamp,
        log: found.log,
    }))
}
