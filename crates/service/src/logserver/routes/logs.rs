use crate::http::error::{ApiError, ErrorBody};
use crate::logserver::line::LogLine;
use crate::logserver::query::{Asked, found_or};
use crate::logserver::state::Service;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use netraven_store::logs;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One page of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogPage {
    /// The newest first.
    entries: Vec<LogLine>,
    /// For `before`: leads to older events; `null` where there are none.
    older: Option<String>,
    /// For `after`: leads to newer events, also to those that are still to come; `null` where nothing was found.
    newer: Option<String>,
}

/// What happened. Pages hang together: nothing is missing between them and nothing comes twice, whatever is written meanwhile.
#[utoipa::path(
    get,
    path = "/logs",
    params(
        ("job" = Option<i64>, Query, description = "Of this job"),
        ("device" = Option<String>, Query, description = "Of this device: name, UUID or number"),
        ("run" = Option<i64>, Query, description = "Of the jobs of this run"),
        ("level" = Option<String>, Query, description = "As important as this or more: debug, info, warning, error"),
        ("event" = Option<String>, Query, description = "With this name"),
        ("from" = Option<String>, Query, description = "Not before this time"),
        ("to" = Option<String>, Query, description = "Before this time"),
        ("text" = Option<String>, Query, description = "With this anywhere in the message, upper and lower case alike"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 where nothing is said"),
        ("before" = Option<String>, Query, description = "`older` of an earlier answer"),
        ("after" = Option<String>, Query, description = "`newer` of an earlier answer")
    ),
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = LogPage),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "No such device or run"),
        (status = 422, body = ErrorBody, description = "A parameter cannot be used; it is named"),
        (status = 503, body = ErrorBody, description = "The database does not answer; see `Retry-After`")
    )
)]
pub(super) async fn logs(State(service): State<Arc<Service>>, uri: Uri) -> Result<Json<LogPage>, ApiError> {
    let asked = Asked::page(&uri, &service).await?;
    let found = logs::list(&service.store, &asked.filter, asked.place, asked.limit).await;
    let found = found.map_err(|error| found_or(&error))?;
    let full = found.len() as u64 >= u64::from(asked.limit);
    let ends = found.first().zip(found.last()).map(|(newest, oldest)| (newest.cursor(), oldest.cursor()));
    // A page that was asked for by its older end has older ones behind it for certain.
    let has_older = full || matches!(asked.place, logs::Place::After(_));
    Ok(Json(LogPage {
        older: ends.filter(|_| has_older).map(|(_, oldest)| oldest.to_string()),
        newer: ends.map(|(newest, _)| newest.to_string()),
        entries: found.into_iter().map(LogLine::from).collect(),
    }))
}
