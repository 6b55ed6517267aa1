use crate::logserver::state::Service;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the service is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// Events and dialogues in memory.
    queued: u64,
    /// Those on the disk, because the database was away.
    spooled: u64,
    /// Those written to the database since the start.
    written: u64,
    /// Those lost since the start.
    dropped: u64,
    /// Those who follow the log or a run.
    following: usize,
    /// Since the start.
    uptime_seconds: u64,
    /// NetRaven's version.
    version: &'static str,
}

/// What the service is doing, in numbers.
#[utoipa::path(get, path = "/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(service): State<Arc<Service>>) -> Json<Status> {
    let rows = service.log.counters();
    Json(Status {
        queued: rows.queued,
        spooled: rows.spooled,
        written: rows.written,
        dropped: rows.dropped,
        following: service.following(),
        uptime_seconds: service.front.started.elapsed().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    })
}
