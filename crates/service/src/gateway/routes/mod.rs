//! The routes, one per file, and what stands before them.

mod collect;
mod collect_batch;
mod connection_log;
mod execute_command;
mod health;
mod jobs;
mod metrics;
mod openapi;
mod ready;
mod status;

use super::error::ApiError;
use super::guard::{let_in, let_scheduler_in, observe};
use super::state::Api;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
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

/// The two ways to prove who calls; either suffices.
struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("api_key", key);
        components.add_security_scheme("token", SecurityScheme::Http(token));
    }
}

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
    let closed = closed().route_layer(from_fn_with_state(api.clone(), let_in));
    let schedulers = for_schedulers().route_layer(from_fn_with_state(api.clone(), let_scheduler_in));
    let all = OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(closed);
    let (router, _) = all.merge(schedulers).split_for_parts();
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(api.clone(), observe))
        .layer(from_fn(super::guard::same_shape))
        .with_state(api)
}

async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is no such path; `/openapi.json` lists them")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method; `/openapi.json` lists them",
    )
}
