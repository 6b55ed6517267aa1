//! What callers get when something is wrong: `{"detail": ...}`, whatever it is.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request is not carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// A sentence; it names the field where one is wrong.
    pub(crate) detail: String,
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: String,
    /// Seconds after which it may be tried again.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    /// A field that cannot be used.
    pub(crate) fn field(name: &str, reason: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{name}: {reason}"))
    }

    /// Its sentence alone.
    pub(crate) fn into_detail(self) -> String {
        self.detail
    }

    /// The same words for every reason, so that nobody learns which keys there are.
    pub(crate) fn not_let_in() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Invalid or missing API Key")
    }

    /// More than there is room for.
    pub(crate) fn overloaded(detail: &str, retry_after: u64) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// More than this caller may send.
    pub(crate) fn too_often(retry_after: u64) -> Self {
        let error =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "more requests per second than a caller may send");
        Self { retry_after: Some(retry_after), ..error }
    }

    /// Something on our own side. The log says what; the caller would have no use for it.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service itself failed; its log says why")
    }

    /// The database does not answer.
    pub(crate) fn database(error: &netraven_store::StoreError) -> Self {
        tracing::warn!(%error, "the database failed a request");
        Self::overloaded("the database does not answer; the log says why", 5)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { detail: self.detail })).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer for a path that does not exist.
pub(super) async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is no such path; `/openapi.json` lists them")
}

/// The answer for a path that exists, asked in another way.
pub(super) async fn method_not_allowed() -> ApiError {
    let detail = "this path does not take that method; `/openapi.json` lists them";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
