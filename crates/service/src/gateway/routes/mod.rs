//! The routes, one per file, and what stands before them.

mod collect;
mod collect_batch;
mod connection_log;
mod execute_command;
mod jobs;
mod metrics;
mod ready;
mod status;

use super::state::Api;
use crate::http::Schemes;
use crate::http::guard::{let_in, let_scheduler_in};
use crate::http::{health, openapi};
use axum::Router;
use axum::middleware::from_fn_with_state;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "NetRaven gateway",
        description = "The only part of NetRaven that speaks to devices. A device's failure is an answer with `success: false`; a \
                       request that cannot be carried out is a 4xx or 5xx with `{\"detail\": ...}`."
    ),
    modifiers(&Schemes)
)]
struct Document;

/// Routes for everybody.
fn open() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(status::status))
}

/// Routes for those who have a key or a token. What the right `raw` adds is decided where answers are made.
fn closed() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(ready::ready))
        .routes(routes!(execute_command::execute_command))
        .routes(routes!(collect::collect))
        .routes(routes!(collect_batch::collect_batch))
        .routes(routes!(connection_log::connection_log))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::openapi))
}

/// Routes for schedulers, whose keys have the right `jobs`.
fn for_schedulers() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(jobs::state, jobs::run)).routes(routes!(jobs::login))
}

/// The OpenAPI document as text.
pub(super) fn document() -> Result<String, serde_json::Error> {
    let all = OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(closed());
    all.merge(for_schedulers()).into_openapi().to_json()
}

/// Everything that is served.
pub(super) fn router(api: Arc<Api>) -> Router {
    let closed = closed().route_layer(from_fn_with_state(api.front.clone(), let_in));
    let schedulers = for_schedulers().route_layer(from_fn_with_state(api.front.clone(), let_scheduler_in));
    let all = OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(closed);
    let (router, _) = all.merge(schedulers).split_for_parts();
    router.with_state(api)
}
