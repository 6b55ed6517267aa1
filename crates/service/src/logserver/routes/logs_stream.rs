use super::heartbeat;
use crate::http::error::{ApiError, ErrorBody};
use crate::logserver::query::{Asked, found_or};
use crate::logserver::reader::Reader;
use crate::logserver::state::Service;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use netraven_store::logs::{Matcher, Position};
use std::convert::Infallible;
use std::sync::Arc;

/// What happens, as it is stored: server-sent events named `log`, each with a line of the log. Whoever comes back with the
/// header `Last-Event-ID` gets what was missed. Who is too slow gets the event `cut` and the end.
#[utoipa::path(
    get,
    path = "/logs/stream",
    params(
        ("job" = Option<i64>, Query, description = "Of this job"),
        ("device" = Option<String>, Query, description = "Of this device: name, UUID or number"),
        ("run" = Option<i64>, Query, description = "Of the jobs of this run"),
        ("level" = Option<String>, Query, description = "As important as this or more: debug, info, warning, error"),
        ("event" = Option<String>, Query, description = "With this name"),
        ("from" = Option<String>, Query, description = "Not before this time"),
        ("to" = Option<String>, Query, description = "Before this time"),
        ("text" = Option<String>, Query, description = "With this anywhere in the message, upper and lower case alike"),
        ("last-event-id" = Option<String>, Header, description = "`id` of the last event that is known")
    ),
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "No such device or run"),
        (status = 422, body = ErrorBody, description = "A parameter or the header cannot be used; it is named"),
        (status = 503, body = ErrorBody, description = "No room for one more, or no database; see `Retry-After`")
    )
)]
pub(super) async fn logs_stream(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let filter = Asked::stream(&uri, &service).await?;
    let position = position(&headers)?;
    let room = service.room()?;
    let matcher = Matcher::new(&service.store, filter).await.map_err(|error| found_or(&error))?;
    let live = service.tail.subscribe();
    let live = live.ok_or_else(|| ApiError::overloaded("the database does not answer", 5))?;
    let reader = Reader::new(service, matcher, live, position, room).await;
    let reader = reader.map_err(|error| found_or(&error))?;
    let events = unfold(reader, |mut reader| async { reader.next().await.map(|event| (Ok(event), reader)) });
    Ok(Sse::new(events).keep_alive(heartbeat()))
}

fn position(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let wrong = || ApiError::field("Last-Event-ID", "expected the `id` of an event of this stream");
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong)
}
