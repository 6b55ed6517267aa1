//! The routes, one per file.

mod events;
mod logs;
mod logs_stream;
mod metrics;
mod run_progress;
mod run_stream;
mod status;

use super::state::Service;
use crate::http::guard::let_in;
use crate::http::{Schemes, health, openapi};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::sse::KeepAlive;
use std::sync::Arc;
use std::time::Duration;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How often one who follows hears that the connection is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "NetRaven job logging service",
        description = "What happened in jobs: taken from other processes, and told to those who ask. A request that cannot be \
                       carried out is a 4xx or 5xx with `{\"detail\": ...}`."
    ),
    modifiers(&Schemes)
)]
struct Document;

/// Routes for everybody.
fn open() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(status::status))
}

/// Routes for those who have a key or a token; `POST /events` asks for the right `write` in addition.
fn closed() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(events::events))
        .routes(routes!(logs::logs))
        .routes(routes!(logs_stream::logs_stream))
        .routes(routes!(run_progress::run_progress))
        .routes(routes!(run_stream::run_stream))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::openapi))
}

/// The OpenAPI document as text.
pub(super) fn document() -> Result<String, serde_json::Error> {
    OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(closed()).into_openapi().to_json()
}

/// Everything that is served.
pub(super) fn router(service: Arc<Service>) -> Router {
    let closed = closed().route_layer(from_fn_with_state(service.front.clone(), let_in));
    let (router, _) =
        OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(closed).split_for_parts();
    router.with_state(service)
}

/// Comments that say that the connection is alive.
fn heartbeat() -> KeepAlive {
    KeepAlive::new().interval(HEARTBEAT).text("alive")
}
