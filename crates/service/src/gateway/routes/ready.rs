use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// A database that takes longer is as good as away.
const LIMIT: Duration = Duration::from_secs(3);

/// That calls can be carried out.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready`.
    status: &'static str,
    /// `reachable`, or `none` where the gateway runs without one.
    database: &'static str,
    /// Number of definitions that are loaded.
    platforms: usize,
}

/// Whether calls can be carried out: definitions are loaded and the database, if there is one, answers.
#[utoipa::path(
    get,
    path = "/ready",
    security(("api_key" = []), ("token" = [])),
    responses((status = 200, body = Ready), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody))
)]
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<Json<Ready>, ApiError> {
    let platforms = api.definitions.current().names().len();
    if platforms == 0 {
        return Err(ApiError::overloaded("no platform definitions are loaded", 5));
    }
    let database = match &api.store {
        None => "none",
        Some(store) => match timeout(LIMIT, store.check()).await {
            Ok(Ok(_)) => "reachable",
            Ok(Err(error)) => return Err(ApiError::database(&error)),
            Err(_) => return Err(ApiError::overloaded("the gateway's database does not answer", 5)),
        },
    };
    Ok(Json(Ready { status: "ready", database, platforms }))
}
